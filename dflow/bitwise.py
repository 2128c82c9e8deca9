"""Operations on bits, as TensorFlow 1 names them in `tf.bitwise`.

Source: tf.bitwise of TensorFlow 1.15.
"""

from dflow.ops.math.bitwise import bitwise_and, bitwise_or, bitwise_xor, invert, left_shift, right_shift

__all__ = [
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "invert",
    "left_shift",
    "right_shift",
]
