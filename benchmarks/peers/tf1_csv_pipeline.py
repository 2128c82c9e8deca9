"""`csv_pipeline.py` for TensorFlow 1, which starts this in the peers' environment.  Its arguments are the CSV files."""

import sys

import tensorflow.compat.v1 as tf
from measure import serve
from programs import CSV_CLUSTER, PS, CsvPipeline, csv_local
from tf1_cluster import Cluster

tf.disable_v2_behavior()
files = sys.argv[1:]
cluster = Cluster()
cases = csv_local(tf, files)
for name, step in CSV_CLUSTER.items():
    cluster.start_loops(files, step)
    cases[name] = CsvPipeline(tf, files, step, PS, [], cluster.target)
serve(f"TensorFlow {tf.__version__}", {name: pipeline.sample for name, pipeline in cases.items()})
