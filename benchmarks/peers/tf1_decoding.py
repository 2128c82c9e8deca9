"""`decoding.py` for TensorFlow 1.  Its argument: the folder of the files."""

import sys

import tensorflow.compat.v1 as tf
from competitors import serve
from programs.decoding import decoding

tf.disable_v2_behavior()
one_thread = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
serve(f"TensorFlow {tf.__version__}", decoding(tf, sys.argv[1], one_thread))
