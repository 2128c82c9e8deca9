"""`while_loop.py` for TensorFlow 1."""

import tensorflow.compat.v1 as tf
from competitors import serve
from programs.while_loop import cases

tf.disable_v2_behavior()
tf.disable_control_flow_v2()
serve(f"TensorFlow {tf.__version__}", *cases(tf))
