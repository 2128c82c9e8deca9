"""The operations, in families; one file has all of an op: function, shape rule, kernel, gradient, batch rule.

    rules    common functions of the families: arrays in kernels, batch rules, static shapes, broadcasting
    math     numbers: arithmetic, comparisons, reductions, products of matrices
    array    constants, shapes, dtypes; tensors concatenated, split and padded
    nn       layers of networks, normalisation, losses, clipping
    conv     convolutions, transposed ones, and what is made of them
    pool     pooling
    image    images: files, sizes, parts, colours, boxes, comparisons
    state    variables: their scopes, first values and lists
    lookup   lookup tables
    sparse   sparse tensors: made, ordered, cut and joined, multiplied, as text
    text     strings: joined, split, matched, converted, hashed
    queues   the kinds of queues, and the operations on them

`rules` imports none of the others.  Beside them: the order of operations (`control`), files by name (`files`), Python's
operators of tensors (`operators`), Python functions (`py_func`), random numbers (`random`), readers (`readers`), and
sets (`sets`).
"""
