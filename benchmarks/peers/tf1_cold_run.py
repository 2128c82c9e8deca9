"""`cold_run.py` for TensorFlow 1."""

from __future__ import annotations

from competitors import serve
from programs.runs import cluster_facts, cluster_runs
from tf1_cluster import Cluster


def main() -> None:
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    target = Cluster().target
    serve(f"TensorFlow {tf.__version__}", cluster_runs(tf, target), cluster_facts(tf, target))


if __name__ == "__main__":
    main()
