"""`checkpoints.py` for TensorFlow 1.  Its argument: the prefix of the files."""

import sys

import tensorflow.compat.v1 as tf
from competitors import serve
from programs.checkpoints import checkpoints

tf.disable_v2_behavior()
serve(f"TensorFlow {tf.__version__}", checkpoints(tf, sys.argv[1]))
