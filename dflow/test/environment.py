"""What a test may know of its machine: folders and devices.  Source: tf.test of TensorFlow 1.15."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from typing import Any, NoReturn

from absl.testing import absltest

from dflow.runtime.device.own_devices import gpu_count

_temp: list[str] = []  # the folder of this process, once it was asked for


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the tests of the program, and exit."""
    absltest.main(argv=argv)
    raise AssertionError("absltest exits")


def get_temp_dir() -> str:
    """A folder for the files of tests, which is deleted at the end of the process."""
    if not _temp:
        _temp.append(tempfile.mkdtemp(prefix=os.path.basename(sys.argv[0]) or "dflow"))
        atexit.register(shutil.rmtree, _temp[0], ignore_errors=True)
    os.makedirs(_temp[0], exist_ok=True)
    return _temp[0]


def test_src_dir_path(relative_path: str) -> str:
    """The path of a file that is given relative to dflow's folder."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), relative_path)


def is_gpu_available(cuda_only: bool = False, min_cuda_compute_capability: Any = None) -> bool:
    """Whether this process sees a GPU, and one of at least this capability, such as (3, 5)."""
    if not gpu_count():
        return False
    if min_cuda_compute_capability is None:
        return True
    import cupy

    best = max(cupy.cuda.Device(i).compute_capability for i in range(gpu_count()))
    return (int(best[:-1]), int(best[-1])) >= tuple(min_cuda_compute_capability)


def gpu_device_name() -> str:
    """The name of the first GPU of this process; "" if there is none."""
    return "/device:GPU:0" if gpu_count() else ""


def is_built_with_cuda() -> bool:
    """Whether CuPy, which computes on GPUs, is installed."""
    try:
        import cupy
    except ImportError:
        return False
    return not cupy.cuda.runtime.is_hip


def is_built_with_rocm() -> bool:
    """Whether CuPy is installed for GPUs of AMD."""
    try:
        import cupy
    except ImportError:
        return False
    return bool(cupy.cuda.runtime.is_hip)


def is_built_with_gpu_support() -> bool:
    """Whether CuPy is installed."""
    return is_built_with_cuda() or is_built_with_rocm()


def create_local_cluster(
    num_workers: int, num_ps: int, protocol: str = "grpc", worker_config: Any = None, ps_config: Any = None
) -> NoReturn:
    """NotImplementedError: a cluster of dflow is one of Dask."""
    raise NotImplementedError("dflow has no tf.train.Server; use df.cluster.EmbeddedCluster(ps=..., workers=...)")


def assert_equal_graph_def(actual: Any, expected: Any, checkpoint_v2: bool = False) -> None:
    """AssertionError, which shows both, unless two GraphDefs have equal nodes, in any order."""
    for what, graph in (("actual", actual), ("expected", expected)):
        if not hasattr(graph, "node"):
            raise TypeError(f"Expected tf.GraphDef for {what}, got {type(graph).__name__}")
    nodes = [{node.name: node.SerializeToString(deterministic=True) for node in g.node} for g in (actual, expected)]
    if nodes[0] != nodes[1]:
        differing = sorted(name for name in {*nodes[0], *nodes[1]} if nodes[0].get(name) != nodes[1].get(name))
        raise AssertionError(f"the graphs differ in the nodes {differing}:\n{actual}\n{expected}")
