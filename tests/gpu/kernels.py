"""Kernels on the GPU beside NumPy's, each as one operation of a session whose operands are variables there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import dflow as df
from tests.gpu.devices import CPU, GPU, REAL, seconds, session

SIDE = 4096 if REAL else 256
IMAGES = (128 if REAL else 2, 64, 64, 32)


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


CASES: dict[str, tuple[Callable[..., Any], tuple[np.ndarray[Any, Any], ...]]] = {
    "matmul": (df.matmul, (normal(SIDE, SIDE), normal(SIDE, SIDE))),
    "add": (df.add, (normal(SIDE, SIDE), normal(SIDE, SIDE))),
    "tanh": (df.tanh, (normal(SIDE, SIDE),)),
    "reduce_sum": (lambda x: df.reduce_sum(x, 1), (normal(SIDE, SIDE),)),
    "softmax": (df.nn.softmax, (normal(SIDE, SIDE),)),
    "gather": (lambda x: df.gather(x, np.arange(0, SIDE, 3)), (normal(SIDE, SIDE),)),
    "transpose": (df.transpose, (normal(SIDE, SIDE),)),
    "conv2d": (lambda x, w: df.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"), (normal(*IMAGES), normal(3, 3, 32, 32))),
    "max_pool": (lambda x: df.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"), (normal(*IMAGES),)),
    "while_loop": (
        lambda x: df.while_loop(lambda i, s: i < 100, lambda i, s: (i + 1, s * 0.99), [0, x])[1],
        (normal(64, 64),),
    ),
}


def main() -> int:
    print("| operation | operands | CPU, ms | GPU, ms | CPU/GPU |")
    print("| --- | --- | --- | --- | --- |")
    for name, (build, operands) in CASES.items():
        (cpu, found), (gpu, wanted) = run(CPU, build, operands), run(GPU, build, operands)
        np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3)
        shapes = ", ".join(str(list(operand.shape)) for operand in operands)
        print(f"| {name} | {shapes} | {cpu * 1e3:.3f} | {gpu * 1e3:.3f} | {cpu / gpu:.2f} |", flush=True)
    return 0


def run(device: str, build: Callable[..., Any], operands: tuple[Any, ...]) -> tuple[float, Any]:
    """The seconds of one run of the operation, and its value."""
    with df.Graph().as_default() as graph, df.device(device):
        variables = [df.Variable(operand) for operand in operands]
        result = df.convert_to_tensor(build(*variables))
        with session(graph) as sess:
            sess.run(df.global_variables_initializer())
            return seconds(sess.make_callable(result.op), samples=3), sess.run(result)


if __name__ == "__main__":
    sys.exit(main())
