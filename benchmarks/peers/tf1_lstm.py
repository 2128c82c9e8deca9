"""`lstm.py` for TensorFlow 1."""

import tensorflow.compat.v1 as tf
from competitors import serve
from programs.lstm import cases

tf.disable_v2_behavior()
serve(f"TensorFlow {tf.__version__}", *cases(tf))
