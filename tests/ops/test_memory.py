"""Spare memory: what no one holds is written to again, and what someone holds never is."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from dflow.ops import memory
from dflow.ops.arrays import arithmetic
from dflow.ops.memory import LARGE, SpareMemory, into

FLOATS = LARGE // 4
SHAPE = (2, FLOATS // 2)


def floats(shape: tuple[int, ...] = SHAPE) -> Any:
    return np.zeros(shape, np.float32)


def address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def kept(spare: SpareMemory, held: list[Any]) -> bool:
    """Give what is in `held`; was its memory kept?"""
    spare.give(held)
    assert held == [None]
    return spare.nbytes > 0


@pytest.mark.parametrize(("shape", "dtype"), [(SHAPE, "float32"), ((FLOATS,), "int32"), ((FLOATS, 4), "uint8")])
def test_an_array_that_no_one_holds_is_there_for_the_next_of_its_size(shape: Any, dtype: str) -> None:
    spare, held = SpareMemory(), [floats()]
    where = address(held[0])
    assert kept(spare, held)
    assert spare.take(SHAPE, np.dtype("float64")) is None
    found = spare.take(shape, np.dtype(dtype))
    assert (found.shape, found.dtype.name, address(found)) == (shape, dtype, where)
    assert spare.take(shape, np.dtype(dtype)) is None
    assert spare.nbytes == 0
    held = [found]
    del found
    assert kept(spare, held)


def test_an_array_that_came_in_a_message_leaves_its_bytes_behind() -> None:
    spare, block = SpareMemory(), np.zeros(LARGE, np.uint8)
    where, body = address(block), pickle.dumps(floats(), protocol=5, buffer_callback=lambda buffer: False)
    held = [pickle.loads(body, buffers=[block])]
    assert not kept(SpareMemory(), [held[0]])
    del block
    assert kept(spare, held)
    assert address(spare.take((LARGE,), np.dtype("uint8"))) == where


def test_a_read_only_view_that_no_one_holds_leaves_the_array_behind_it() -> None:
    spare, array = SpareMemory(), floats()
    where, view = address(array), array.view()
    view.flags.writeable = False
    held = [view]
    del array, view
    assert kept(spare, held)
    found = spare.take(SHAPE, np.dtype("float32"))
    assert address(found) == where
    assert found.flags.writeable


HOLDERS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda array: array,
    "a view": lambda array: array[0],
    "a view of a view": lambda array: array[0][3:].reshape(1, -1),
    "a transposed view": lambda array: array.T,
    "a broadcast view": lambda array: np.broadcast_to(array, (3, *SHAPE)),
    "its bytes": memoryview,
    "an array of its bytes": lambda array: np.frombuffer(array, np.uint8),
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("given", ["itself", "a view", "a transposed view"])
def test_what_someone_holds_is_not_kept(holder: str, given: str) -> None:
    array = floats()
    holds, held = HOLDERS[holder](array), [HOLDERS[given](array)]
    del array
    assert not kept(SpareMemory(), held)
    assert np.asarray(holds).nbytes > 0


OTHERS: dict[str, Callable[[], Any]] = {
    "small": lambda: floats((3,)),
    "text": lambda: np.full(LARGE, b"", object),
    "read-only": lambda: np.frombuffer(bytes(LARGE), np.uint8),
    "a large view of a small array": lambda: np.broadcast_to(np.float32(1), SHAPE),
    "in another order": lambda: np.asfortranarray(floats()),
    "no array": lambda: b"x" * LARGE,
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_no_result_can_be_written_to_is_not_kept(other: str) -> None:
    assert not kept(SpareMemory(), [OTHERS[other]()])


def test_no_more_is_kept_than_the_limit() -> None:
    spare = SpareMemory(limit=3 * LARGE)
    for rows in (1, 2, 1, 4):
        spare.give([floats((rows, FLOATS))])
        assert spare.nbytes <= 3 * LARGE
    assert spare.take((1, FLOATS), np.dtype("float32")) is not None


SHAPES = [
    (SHAPE, SHAPE),
    (SHAPE, ()),
    (SHAPE, SHAPE[1:]),
    (SHAPE[1:], SHAPE),
    ((2, 1), SHAPE),
    ((1, *SHAPE), SHAPE),
    (SHAPE, (2, 1, 1)),  # neither has the shape of the result
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "complex64", ml_dtypes.bfloat16])
@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_a_result_in_spare_memory_is_that_in_fresh_memory(left: Any, right: Any, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = (np.asarray(rng.integers(-9, 9, shape), dtype) for shape in (left, right))
    plain = x * y
    for shape in (left, right, plain.shape):
        memory.SPARE.give([np.full(shape, 7, dtype)])
    found = arithmetic("multiply", x, y)
    assert found.dtype == plain.dtype
    np.testing.assert_array_equal(found, plain)


def test_large_results_are_written_into_spare_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "SPARE", SpareMemory())
    assert into(floats()) == {}
    held = [floats()]
    where = address(held[0])
    memory.SPARE.give(held)
    assert address(arithmetic("add", floats(), np.float32(1))) == where
