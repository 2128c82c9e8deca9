"""Values that are read, kept or on their way do not change when others are computed."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import dflow as df

SIZE = (64, 1024)


def check_readers(sess: Any, home: str = "/cpu:0", away: str = "/cpu:0") -> None:
    """Threads read a variable, here and on another device, while others change it."""
    with df.device(home):
        w = df.Variable(df.zeros(SIZE))
        add = w.assign_add(df.ones(SIZE))
    with df.device(away):
        product = df.matmul(w.value(), df.ones((SIZE[1], 8)))
    sess.run(w.initializer)
    over, seen = threading.Event(), []

    def read() -> None:
        last = 0.0
        while not over.is_set():
            value, rows = sess.run([w, product])
            assert value.min() == value.max() >= last
            assert rows.min() == rows.max()
            last = value[0, 0]
        seen.append(last)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(150):
        sess.run(add)
    over.set()
    for thread in threads:
        thread.join()
    assert len(seen) == 2
    assert sess.run(w).min() == 150


def test_a_value_that_was_read_before_an_update_stays_in_its_step() -> None:
    w = df.Variable(df.zeros(SIZE))
    before = df.identity(w.value())
    with df.control_dependencies([before]):
        added = w.assign_add(df.ones(SIZE))
    with df.control_dependencies([added]):
        again = w.assign_add(df.ones(SIZE))
    with df.control_dependencies([again]):
        both = df.stack([before * 1.0, added * 1.0, again * 1.0])
    with df.Session() as sess:
        sess.run(w.initializer)
        for step in range(4):
            found = sess.run([before, added, again, both])
            for i, value in enumerate(found[:3]):
                np.testing.assert_array_equal(value, np.full(SIZE, 2 * step + i))
                np.testing.assert_array_equal(found[3][i], value)


def test_what_was_enqueued_or_assigned_does_not_change_when_its_step_ends() -> None:
    number = df.placeholder(df.float32, [])
    queue = df.FIFOQueue(8, [df.float32], shapes=[SIZE])
    kept = df.Variable(df.zeros(SIZE))
    made = (df.zeros(SIZE) + number) * 2.0
    put, keep, only = queue.enqueue(made), kept.assign(made), df.reduce_sum(df.negative(made) + made)
    with df.Session() as sess:
        sess.run(kept.initializer)
        for step in range(6):
            sess.run([put, keep], {number: step})
            for _ in range(3):
                assert sess.run(only, {number: 100 + step}) == 0
            np.testing.assert_array_equal(sess.run(kept), np.full(SIZE, 2 * step))
        for step in range(6):
            np.testing.assert_array_equal(sess.run(queue.dequeue()), np.full(SIZE, 2 * step))


def test_readers_in_other_threads_see_whole_values_only() -> None:
    with df.Session() as sess:
        check_readers(sess)


def test_a_variable_that_was_dropped_between_two_steps_is_looked_for_again() -> None:
    w = df.Variable(1.0)
    with df.Session() as sess:
        sess.run(w.initializer)
        assert [sess.run(w.value()) for _ in range(3)] == [1.0] * 3
        for host in sess.backend.process.executors.values():  # type: ignore[attr-defined]
            host.state.reset([""])
        with pytest.raises(df.errors.FailedPreconditionError):
            sess.run(w.value())
        sess.run(w.initializer)
        assert sess.run(w.value()) == 1.0


def test_training_does_not_compute_a_loss_that_nobody_fetches_but_still_checks_its_labels() -> None:
    w = df.Variable(df.zeros([4, 3]))
    labels = df.placeholder(df.int32, [2])
    logits = df.matmul(df.ones([2, 4]), w.value())
    loss = df.reduce_mean(df.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    train = df.train.GradientDescentOptimizer(0.1).minimize(loss)
    with df.Session() as sess:
        sess.run(w.initializer)
        metadata = df.RunMetadata()
        sess.run(train, {labels: [0, 2]}, run_metadata=metadata)
        assert train.name in metadata.placement
        assert loss.op.name not in metadata.placement
        with pytest.raises(df.errors.InvalidArgumentError, match=r"labels\[1\] = 3 is not in \[0, 3\)"):
            sess.run(train, {labels: [0, 3]})
