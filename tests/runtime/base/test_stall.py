"""What a program that stands still is told: who waits for which queue, since when."""

from __future__ import annotations

import logging
from queue import SimpleQueue
from typing import Any

import pytest

import dflow as df
from dflow.runtime.base.stall import StallWatch, report, stalled


def row(**changes: Any) -> dict[str, Any]:
    waiting = {"who": "take of loop replica0-1", "what": "dequeue_many", "wants": 3, "since_s": 40.0}
    known = {"name": "examples", "container": "", "kind": "FIFOQueue", "device": "/job:ps", "size": 1, "capacity": 10}
    counts = {"enqueued": 5, "dequeued": 4, "waiting_enqueues": 0, "gathered": 0, "closed": False}
    return known | counts | {"idle_s": 35.0, "moved_by": "put of loop fill-0", "waiting": [waiting]} | changes


def test_a_queue_is_stalled_if_someone_waits_and_nothing_has_moved_for_a_while() -> None:
    assert stalled([row()], after=30) == [row()]
    assert stalled([row(idle_s=29.0)], after=30) == []
    assert stalled([row(waiting=[])], after=30) == []


def test_the_report_says_how_full_it_is_who_waits_and_who_moved_last() -> None:
    assert report([row()]) == (
        "FIFOQueue 'examples' on /job:ps holds 1 of 10 elements, open; last moved 35 s ago by put of loop fill-0\n"
        "  waits since 40 s: take of loop replica0-1 (dequeue_many)"
    )


def test_what_a_dequeue_has_gathered_is_in_no_size_and_said_beside_it() -> None:
    said = report([row(size=0, gathered=2)])
    assert "holds 0 of 10 elements, and 2 for the first that waits for several, open" in said


def test_a_demand_above_the_capacity_that_no_one_serves_is_pointed_out() -> None:
    """D4."""
    said = report([row(capacity=2)])
    assert "3 elements are wanted at once; the queue holds at most 2, and no one enqueues" in said
    assert "wanted at once" not in report([row(capacity=2, waiting_enqueues=1)])


def test_a_stall_is_told_once_and_again_after_a_move() -> None:
    watch = StallWatch(30)
    assert watch.look([row()]) != ""
    assert watch.look([row()]) == ""
    assert watch.look([row(enqueued=6, idle_s=0.0)]) == ""
    assert watch.look([row(enqueued=6)]) != ""


def test_a_deadline_tells_what_the_run_waited_for() -> None:
    queue = df.FIFOQueue(2, [df.float32], [()], name="examples")
    take, put = queue.dequeue_many(3, name="take"), queue.enqueue(1.0, name="put")
    with df.Session() as sess:
        sess.run(put)
        with pytest.raises(df.errors.DeadlineExceededError) as caught:
            sess.run(take, options=df.RunOptions(timeout_in_ms=50))
    assert "Timed out waiting for notification" in caught.value.message
    assert "holds 0 of 2 elements, and 1 for the first that waits for several" in caught.value.message
    assert "FIFOQueue 'examples'" in caught.value.message
    assert "take of local-" in caught.value.message
    assert "3 elements are wanted at once; the queue holds at most 2" in caught.value.message


def test_a_coordinator_warns_of_a_queue_that_stands_still() -> None:
    queue = df.FIFOQueue(1, [df.float32], [()], name="full")
    df.train.add_queue_runner(df.train.QueueRunner(queue, [queue.enqueue(1.0, name="fill")]))
    warned: SimpleQueue[str] = SimpleQueue()

    class Seen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "nothing moves" in record.getMessage():
                warned.put(record.getMessage())

    handler = Seen()
    logging.getLogger("dflow.train").addHandler(handler)
    try:
        with df.Session() as sess, df.train.Coordinator(stall_timeout_secs=0.1) as coord:
            df.train.start_queue_runners(sess, coord)
            warning = warned.get(timeout=20)
    finally:
        logging.getLogger("dflow.train").removeHandler(handler)
    assert "FIFOQueue 'full'" in warning
    assert "fill of loop fill-0 (enqueue)" in warning


def test_a_stall_is_not_looked_for_without_a_pause() -> None:
    for seconds in (0, -1.0):
        with pytest.raises(ValueError, match="stall_timeout_secs"):
            df.train.Coordinator(stall_timeout_secs=seconds)
