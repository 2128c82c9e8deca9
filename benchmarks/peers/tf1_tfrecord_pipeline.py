"""`tfrecord_pipeline.py` for TensorFlow 1.

Its arguments: the file for the facts, then the others; first those with short records, then as many with long ones.
"""

import sys

import tensorflow.compat.v1 as tf
from competitors import serve
from programs.listing import measured, samples
from programs.tfrecord import BEST, LARGE, LISTINGS, best, large

tf.disable_v2_behavior()
half = len(sys.argv) // 2
(checked, *files), (large_checked, *large_files) = sys.argv[1 : 1 + half], sys.argv[1 + half :]
running, facts = measured(tf, LISTINGS | {BEST: best()}, files, checked)
large_running, large_facts = measured(tf, {LARGE: large()}, large_files, large_checked)
serve(f"TensorFlow {tf.__version__}", samples(running | large_running), facts | large_facts)
