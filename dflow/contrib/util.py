"""Constants as messages, and values that are known while the graph is built: `df.contrib.util`.

Source: tf.contrib.util of TensorFlow 1.15.
"""

from dflow.tensor_util import constant_value, make_ndarray, make_tensor_proto

__all__ = ["constant_value", "make_ndarray", "make_tensor_proto"]
