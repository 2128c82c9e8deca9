"""Tensors taken apart and put together, as TensorFlow 1 names it in `tf.manip`: the same functions as in `df`.

Source: tf.manip of TensorFlow 1.15.
"""

from dflow.ops.array.gather_nd import gather_nd, scatter_nd
from dflow.ops.array.reverse import reverse, roll
from dflow.ops.array.shape import reshape
from dflow.ops.array.space import batch_to_space_nd, space_to_batch_nd
from dflow.ops.array.tile import tile

__all__ = [
    "batch_to_space_nd",
    "gather_nd",
    "reshape",
    "reverse",
    "roll",
    "scatter_nd",
    "space_to_batch_nd",
    "tile",
]
