"""Checkpoints: the values of variables in files, which TensorFlow reads and writes too.

A checkpoint `<prefix>` has the files `<prefix>.data-00000-of-00001`, ... with the bytes of its tensors, one for each
device that wrote, and `<prefix>.index` with the name, dtype, shape, place and checksum of each tensor.  The index is
written last: with it, the checkpoint exists, whole; without it, there is none.

    files      reading and writing, on this machine or on any file system that fsspec knows
    table      the file format of an index: sorted keys and their values
    messages   the values in an index
    slices     parts of a tensor, for a variable that is saved in several
    writer     writes a checkpoint, and puts those of several devices together
    reader     reads one
    version_1  the older format, of one file
    ops        the operations that a graph saves and restores with

Source: the tensor bundles (checkpoints "V2") of TensorFlow 1.15.
"""
