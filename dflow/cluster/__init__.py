"""Clusters: how the processes of a dflow program are named, started and found.

A dflow cluster is a plain Dask cluster.  `EmbeddedCluster` starts one on this machine; `target` says on which one
`dflow submit` runs the script.
"""

from dflow.cluster.embedded import EmbeddedCluster
from dflow.cluster.spec import ClusterSpec
from dflow.cluster.target import target

__all__ = ["ClusterSpec", "EmbeddedCluster", "target"]
