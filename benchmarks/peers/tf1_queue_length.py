"""`queue_length.py` for TensorFlow 1."""

from functools import partial

import tensorflow.compat.v1 as tf
from competitors import serve
from programs.queues import Filled, all_cases

tf.disable_v2_behavior()
serve(f"TensorFlow {tf.__version__}", *all_cases(partial(Filled, tf)))
