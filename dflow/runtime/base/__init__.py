"""Common parts of the runtime's packages: ids, attempts and their answers, deadlines, errors, settings.

It knows plans and specs.  It must not know a pool of threads, a channel or a device.
"""
