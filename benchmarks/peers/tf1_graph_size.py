"""`graph_size.py` for TensorFlow 1."""

import tensorflow.compat.v1 as tf
from competitors import serve
from programs.graphs import OPS, all_cases, chains

MOST = 10_000  # largest number of operations
tf.disable_v2_behavior()
serve(f"TensorFlow {tf.__version__}", *all_cases(chains(tf, [ops for ops in OPS if ops <= MOST])))
