"""Tests of programs: `df.test`.

    class SquareTest(df.test.TestCase):
        def test_square(self):
            with self.session():
                self.assertAllClose([1.0, 4.0], df.square([1.0, 2.0]))

    if __name__ == "__main__":
        df.test.main()

Source: tf.test of TensorFlow 1.15.
"""

from unittest import mock

from dflow.test.case import TestCase
from dflow.test.environment import (
    assert_equal_graph_def,
    create_local_cluster,
    get_temp_dir,
    gpu_device_name,
    is_built_with_cuda,
    is_built_with_gpu_support,
    is_built_with_rocm,
    is_gpu_available,
    main,
    test_src_dir_path,
)
from dflow.test.gradient_checker import compute_gradient, compute_gradient_error

__all__ = [
    "TestCase",
    "assert_equal_graph_def",
    "compute_gradient",
    "compute_gradient_error",
    "create_local_cluster",
    "get_temp_dir",
    "gpu_device_name",
    "is_built_with_cuda",
    "is_built_with_gpu_support",
    "is_built_with_rocm",
    "is_gpu_available",
    "main",
    "mock",
    "test_src_dir_path",
]
