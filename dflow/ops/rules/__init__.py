"""What the operations share: arrays in kernels, batch rules, static shapes, broadcasting.  Knows no family.

It defines no operation but those of `like`, which gradients of broadcasting are made of.
"""
