"""`local_run.py` for TensorFlow 1."""

import tensorflow.compat.v1 as tf
from competitors import serve
from programs.runs import local_facts, local_runs

tf.disable_v2_behavior()
serve(f"TensorFlow {tf.__version__}", local_runs(tf), local_facts(tf))
