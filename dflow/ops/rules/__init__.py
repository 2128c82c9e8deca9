"""Common functions of all families of operations: arrays in kernels, batch rules, static shapes, broadcasting.

It imports no family, and defines no operation but those of `like`, for gradients of broadcasting.
"""
