"""`local_run.py` for TensorFlow 1, which starts this in the peers' environment."""

import tensorflow.compat.v1 as tf
from measure import serve
from programs import local_runs

tf.disable_v2_behavior()
serve(f"TensorFlow {tf.__version__}", local_runs(tf))
