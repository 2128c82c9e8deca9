"""What a user fetches is the user's own, and is copied only where somebody else has it, too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.machines.queue.shuffle import BagStore
from dflow.runtime.base.transfers import fetched_all


def place(array: np.ndarray) -> int:
    found: int = array.__array_interface__["data"][0]
    return found


def test_an_array_that_nobody_else_has_is_handed_out_as_it_is() -> None:
    values = [np.arange(3), None, np.float32(1.5)]
    where = place(values[0])  # type: ignore[arg-type]
    array, nothing, number = fetched_all(values)
    assert place(array) == where
    assert nothing is None
    assert number == 1.5


def kept(array: np.ndarray) -> Any:
    return array


def viewed(array: np.ndarray) -> Any:
    return array[1:]


def exported(array: np.ndarray) -> Any:
    return memoryview(array)


@pytest.mark.parametrize("how", [kept, viewed, exported])
def test_an_array_that_somebody_else_can_see_is_copied(how: Any) -> None:
    values = [np.arange(3)]
    other = how(values[0])
    (mine,) = fetched_all(values)
    mine[:] = 7
    assert list(other) == list(range(3 - len(other), 3))


def test_an_array_that_is_not_its_own_memory_or_cannot_be_changed_is_copied() -> None:
    fixed = np.arange(3)
    fixed.flags.writeable = False
    values = [np.frombuffer(bytes(8), np.uint8), np.arange(6)[::2], fixed]
    del fixed
    for mine in fetched_all(values):
        mine[:] = 7
        assert mine.flags.owndata


def test_one_array_for_two_fetches_is_copied() -> None:
    array = np.arange(3)
    values = [array, array]
    del array
    first, second = fetched_all(values)
    first[:] = 7
    assert second.tolist() == [0, 1, 2]


def test_what_is_fetched_can_be_changed_and_nothing_else_changes() -> None:
    variable, constant = df.Variable([1.0, 2.0]), df.constant([1.0, 2.0])
    fed = df.placeholder(df.float32, [2])
    given = np.array([1, 2], np.float32)
    queue = df.FIFOQueue(99, [df.float32], shapes=[[2]])
    put, take = queue.enqueue(constant), queue.dequeue()
    remembered = np.array([1, 2], np.float32)
    script = df.py_func(lambda: remembered, [], df.float32)
    with df.Session() as sess:
        sess.run(variable.initializer)
        for fetch in (variable, constant, df.identity(variable), fed, fed + 0.0, [fed, df.identity(fed)], script, take):
            for _ in range(2):
                sess.run(put)
                found = sess.run(fetch, {fed: given})
                for array in found if isinstance(found, list) else [found]:
                    assert array.tolist() == [1, 2]
                    array[:] = 7


def test_a_batch_out_of_a_queue_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[int] = []
    plain = BagStore.take_many

    def take_many(self: BagStore, n: int) -> Any:
        batch = plain(self, n)
        places.extend(place(column) for column in batch)
        return batch

    monkeypatch.setattr(BagStore, "take_many", take_many)
    queue = df.RandomShuffleQueue(9, 0, [df.float32, df.int32], shapes=[[2], []])
    put, take = queue.enqueue_many([np.ones((4, 2), np.float32), np.arange(4, dtype=np.int32)]), queue.dequeue_many(4)
    with df.Session() as sess:
        sess.run(put)
        found = sess.run(take)
    assert [place(column) for column in found] == places
