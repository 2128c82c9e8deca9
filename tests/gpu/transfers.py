"""Arrays between CPU and GPU: they arrive as they were, and at which rate."""

from __future__ import annotations

import sys

import numpy as np

import dflow as df
from tests.gpu.devices import CPU, GPU, seconds, session

SIZES = (8, 1 << 20, 64 << 20)  # bytes
DTYPES = (np.float16, np.float32, np.float64, np.int8, np.int64, np.bool_, np.complex64)


def main() -> int:
    for dtype in DTYPES:
        check(dtype)
    print("| bytes | fed to the GPU, GB/s | fetched from it, GB/s | a run, us |")
    print("| --- | --- | --- | --- |")
    for size in SIZES:
        print(row(size))
    return 0


def check(dtype: type) -> None:
    """A value goes from CPU to GPU and back, twice, without a change."""
    value = np.arange(1000).reshape(10, 100).astype(dtype)
    with df.Graph().as_default() as graph:
        x = df.placeholder(df.as_dtype(dtype), value.shape)
        y = x
        for device in (GPU, CPU, GPU, CPU):
            with df.device(device):
                y = df.identity(y)
        with session(graph) as sess:
            found = sess.run(y, {x: value})
    assert isinstance(found, np.ndarray)
    assert found.dtype == value.dtype
    np.testing.assert_array_equal(found, value)


def row(size: int) -> str:
    value = np.zeros(size // 4, np.float32)
    with df.Graph().as_default() as graph, df.device(GPU):
        x = df.placeholder(df.float32, value.shape)
        kept = df.Variable(value)
        put, number = df.assign(kept, x).op, df.identity(df.constant(1.0))
        with session(graph) as sess:
            sess.run(kept.initializer)
            feed = sess.make_callable(put, [x])
            fetch, run = sess.make_callable(kept.value()), sess.make_callable(number.op)
            into, out, alone = seconds(lambda: feed(value)), seconds(fetch), seconds(run)
    return f"| {size:,} | {size / into / 1e9:.3f} | {size / out / 1e9:.3f} | {alone * 1e6:.0f} |"


if __name__ == "__main__":
    sys.exit(main())
