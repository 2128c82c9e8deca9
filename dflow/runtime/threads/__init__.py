"""Threads of a process: the pool that reads channels and does their work; limits of BLAS threads and freed memory.

It knows work only as functions to call.  It must not know a message or a device.
"""
