"""Batches out of a queue until it is closed and empty."""

import numpy as np
import pytest

import dflow as df


def filled(session: df.Session, count: int, **kwargs: object) -> df.FIFOQueue:
    queue = df.FIFOQueue(100, [df.int64, df.string], shapes=[[], []], **kwargs)
    values = [np.arange(count), [str(i) for i in range(count)]]
    named = dict(zip(queue.names, values, strict=True)) if queue.names else values
    session.run(queue.enqueue_many(named))
    session.run(queue.close())
    return queue


def test_batches_are_tuples_and_the_last_one_may_be_smaller() -> None:
    with df.Session() as session:
        found = list(df.data.batches(filled(session, 7), 3, session))
    assert [numbers.tolist() for numbers, _ in found] == [[0, 1, 2], [3, 4, 5], [6]]
    assert found[2][1].tolist() == [b"6"]


def test_a_queue_with_names_gives_dicts() -> None:
    with df.Session() as session:
        (found,) = df.data.batches(filled(session, 2, names=["n", "text"]), 5)
    assert found["n"].tolist() == [0, 1]
    assert found["text"].tolist() == [b"0", b"1"]


def test_dropped_remainders_stay_in_the_queue() -> None:
    with df.Session() as session:
        queue = filled(session, 7)
        assert len(list(df.data.batches(queue, 3, drop_remainder=True))) == 2
        assert session.run(queue.size()) == 1


def test_an_iterator_that_is_left_takes_nothing_ahead() -> None:
    with df.Session() as session:
        queue = filled(session, 7)
        for _ in df.data.batches(queue, 3):
            break
        assert session.run(queue.size()) == 4


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_has_at_least_one_element(size: int) -> None:
    """It would never reach the end of the queue."""
    queue = df.FIFOQueue(10, [df.int64], shapes=[[]])
    with df.Session(), pytest.raises(ValueError, match=f"batch_size must be 1 or more, got {size}"):
        df.data.batches(queue, size)


def test_batches_need_a_session_and_shapes() -> None:
    queue = df.FIFOQueue(10, [df.int64], name="shapeless")
    with pytest.raises(ValueError, match="there is no default session"):
        df.data.batches(queue, 3)
    with df.Session(), pytest.raises(ValueError, match="queue 'shapeless': batches need components with shapes"):
        df.data.batches(queue, 3)
