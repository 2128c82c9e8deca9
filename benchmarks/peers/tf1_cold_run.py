"""`cold_run.py` for TensorFlow 1, which starts this in the peers' environment."""

import tensorflow.compat.v1 as tf
from measure import serve
from programs import cluster_runs
from tf1_cluster import Cluster

tf.disable_v2_behavior()
serve(f"TensorFlow {tf.__version__}", cluster_runs(tf, Cluster().target))
