"""`graph_size.py` for TensorFlow 1."""

import tensorflow.compat.v1 as tf
from competitors import serve
from programs.graphs import all_cases

tf.disable_v2_behavior()
serve(f"TensorFlow {tf.__version__}", *all_cases(tf))
