"""A worker makes large arrays of memory that it freed before."""

import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from dflow.runtime.threads.malloc import keep_freed_memory

BYTES = 1 << 20
TIMES = 20


def fresh_pages(limit: int) -> int:
    """Page faults of making and freeing an array again and again, in a process as Dask starts it."""
    import ctypes

    ctypes.CDLL(None).mallopt(-1, 65536)
    keep_freed_memory(limit)
    np.ones(BYTES, np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(TIMES):
        np.ones(BYTES, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_an_array_is_made_of_the_memory_of_the_one_before() -> None:
    each_time = TIMES * BYTES // resource.getpagesize()
    found = []
    for limit in (0, 1 << 26):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found.append(pool.submit(fresh_pages, limit).result())
    assert found[0] >= each_time
    assert found[1] < each_time / 4
