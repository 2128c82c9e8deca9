"""Threads that stop together; they need no session.  Statement ids: C13.1 to C13.18."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import dflow as tf
from tests.conformance.programs import in_thread, until

Coordinator = tf.train.Coordinator


def started(target: Callable[..., Any], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def gate() -> Any:
    """An event that holds threads up, and lets them go at the end."""
    event = threading.Event()
    yield event
    event.set()


# -- stopping


def test_a_stop_is_seen_by_all_and_can_be_waited_for() -> None:
    """C13.1, C13.2"""
    coord = Coordinator()
    assert not coord.should_stop()
    assert coord.wait_for_stop(0.01) is False
    waiter = in_thread(coord.wait_for_stop)
    coord.request_stop()
    assert waiter.result(30) is True
    assert coord.should_stop()
    assert coord.wait_for_stop(0.01) is True


def test_the_first_exception_is_the_one_that_join_raises() -> None:
    """C13.3, C13.10"""
    coord = Coordinator()
    coord.request_stop(ValueError("first"))
    coord.request_stop(RuntimeError("second"))
    with pytest.raises(ValueError, match="first"):
        coord.join()


def test_an_exception_may_come_as_the_triple_of_sys_exc_info() -> None:
    """C13.3, C13.5"""
    coord = Coordinator()

    def fail() -> None:
        try:
            raise ZeroDivisionError("in the thread")
        except ZeroDivisionError:
            coord.request_stop(sys.exc_info())

    thread = started(fail)
    with pytest.raises(ZeroDivisionError, match="in the thread") as caught:
        coord.join([thread])
    assert any(entry.name == "fail" for entry in caught.traceback), "where it was raised is kept"


def test_an_exception_that_was_never_raised_is_raised_by_join_all_the_same() -> None:
    """C13.5"""
    coord = Coordinator()
    coord.request_stop(ValueError("outside of any except block"))
    with pytest.raises(ValueError, match="outside of any except block"):
        coord.join()


def test_only_the_request_that_stops_can_leave_an_exception() -> None:
    """C13.4"""
    coord = Coordinator()
    coord.request_stop()
    coord.request_stop(ValueError("too late"))
    coord.join()


def test_what_is_no_exception_cannot_be_a_reason() -> None:
    """C13.3"""
    with pytest.raises(TypeError):
        Coordinator().request_stop("a word")


def test_the_end_of_the_input_is_no_failure() -> None:
    """C13.1, C13.6"""
    coord = Coordinator()
    coord.request_stop(tf.errors.OutOfRangeError(None, None, "the end"))
    assert coord.should_stop()
    coord.join()
    coord = Coordinator(clean_stop_exception_types=(ValueError, KeyError))
    coord.request_stop(KeyError("clean"))
    coord.join()
    coord = Coordinator(clean_stop_exception_types=())
    coord.request_stop(tf.errors.OutOfRangeError(None, None, "the end"))
    with pytest.raises(tf.errors.OutOfRangeError):
        coord.join()


def test_a_block_turns_its_exception_into_a_stop_and_goes_on_after_it() -> None:
    """C13.7"""
    coord = Coordinator()
    reached = []
    with coord.stop_on_exception():
        reached.append("inside")
        raise ValueError("inside")
    reached.append("after")
    assert reached == ["inside", "after"]
    assert coord.should_stop()
    with pytest.raises(ValueError, match="inside"):
        coord.join()
    quiet = Coordinator()
    with quiet.stop_on_exception():
        pass
    assert not quiet.should_stop()


# -- joining


def test_join_waits_for_the_threads_that_it_is_given_and_for_those_registered() -> None:
    """C13.8, C13.12, C13.17"""
    coord = Coordinator()
    release = threading.Event()
    threads = [started(release.wait) for _ in range(3)]
    for thread in threads[1:]:
        coord.register_thread(thread)

    def registers_itself() -> None:
        coord.register_thread(threading.current_thread())
        release.wait()

    threads.append(started(registers_itself))
    until(lambda: len(coord._registered_threads) == 3)
    joined = in_thread(coord.join, [threads[0], threads[1]])
    assert not joined.done()
    release.set()
    joined.result(30)
    assert not any(thread.is_alive() for thread in threads)


def test_join_without_threads_returns_at_once() -> None:
    """C13.12"""
    coord = Coordinator()
    coord.join()
    assert coord.joined
    coord.join([])


def test_join_notices_a_stop_without_delay() -> None:
    """C13.9"""
    coord = Coordinator()
    thread = started(coord.wait_for_stop)
    joined = in_thread(coord.join, [thread])
    coord.request_stop()
    joined.result(30)


def test_threads_that_still_run_after_the_grace_period_are_named(gate: threading.Event) -> None:
    """C13.10, C13.11"""
    for grace in (0.01, 1e-10):
        coord = Coordinator()
        thread = threading.Thread(target=gate.wait, name="stubborn", daemon=True)
        thread.start()
        coord.request_stop()
        with pytest.raises(RuntimeError, match="threads still running: stubborn"):
            coord.join([thread], stop_grace_period_secs=grace)


def test_threads_that_still_run_may_be_ignored(gate: threading.Event) -> None:
    """C13.10"""
    coord = Coordinator()
    coord.request_stop()
    coord.join([started(gate.wait)], stop_grace_period_secs=0.01, ignore_live_threads=True)


def test_a_failure_comes_before_threads_that_still_run(gate: threading.Event) -> None:
    """C13.10"""
    coord = Coordinator()
    coord.request_stop(ValueError("the reason"))
    with pytest.raises(ValueError, match="the reason"):
        coord.join([started(gate.wait)], stop_grace_period_secs=0.01)


def test_join_forgets_the_threads_that_it_waited_for(gate: threading.Event) -> None:
    """C13.13"""
    coord = Coordinator()
    coord.register_thread(started(gate.wait))
    coord.request_stop()
    assert not coord.joined
    coord.join(stop_grace_period_secs=0.01, ignore_live_threads=True)
    assert coord.joined
    coord.join(stop_grace_period_secs=0.01)


def test_a_thread_that_never_ends_is_waited_for_until_a_stop(gate: threading.Event) -> None:
    """C13.9, C13.18: the grace period counts from the stop on; before it there is no limit."""
    coord = Coordinator()
    joined = in_thread(coord.join, [started(gate.wait)], stop_grace_period_secs=0.01)
    with pytest.raises(TimeoutError):
        joined.result(0.3)
    coord.request_stop()
    with pytest.raises(RuntimeError, match="threads still running"):
        joined.result(30)


def test_a_thread_may_end_within_the_grace_period() -> None:
    """C13.9"""
    coord = Coordinator()

    def ends_a_little_later() -> None:
        coord.wait_for_stop()
        time.sleep(0.02)

    thread = started(ends_a_little_later)
    coord.request_stop()
    coord.join([thread], stop_grace_period_secs=30)
    assert not thread.is_alive()


def test_after_join_a_failure_is_raised_at_once() -> None:
    """C13.13, C13.14"""
    coord = Coordinator()
    coord.join()
    assert coord.joined
    coord.request_stop()
    coord.request_stop(tf.errors.OutOfRangeError(None, None, "clean"))
    with pytest.raises(ValueError, match="no one else will raise it"):
        coord.request_stop(ValueError("no one else will raise it"))


def test_a_stop_without_a_failure_raises_nothing_afterwards() -> None:
    """C13.16"""
    coord = Coordinator()
    coord.raise_requested_exception()
    coord.request_stop(tf.errors.OutOfRangeError(None, None, "clean"))
    coord.raise_requested_exception()


def test_a_cleared_coordinator_can_be_used_again() -> None:
    """C13.15, C13.16"""
    coord = Coordinator()
    coord.request_stop(ValueError("first"))
    with pytest.raises(ValueError, match="first"):
        coord.join()
    coord.clear_stop()
    assert not coord.should_stop()
    assert not coord.joined
    coord.raise_requested_exception()
    coord.join()
    coord.clear_stop()
    coord.request_stop(RuntimeError("second"))
    with pytest.raises(RuntimeError, match="second"):
        coord.raise_requested_exception()
    with pytest.raises(RuntimeError, match="second"):
        coord.join()


# -- as a block


def test_leaving_a_block_stops_and_joins_and_raises_what_failed() -> None:
    """C13.8"""
    with Coordinator() as coord:
        thread = started(coord.wait_for_stop)
        coord.register_thread(thread)
    assert not thread.is_alive()

    def block_that_fails() -> None:
        with Coordinator() as own:
            own.register_thread(started(own.wait_for_stop))
            raise ValueError("in the block")

    with pytest.raises(ValueError, match="in the block"):
        block_that_fails()

    def fails() -> None:
        with coord.stop_on_exception():
            raise KeyError("in a thread")

    with pytest.raises(KeyError, match="in a thread"), Coordinator() as coord:
        coord.join([started(fails)])


def test_the_end_of_the_input_ends_a_block_quietly() -> None:
    """C13.6"""
    with Coordinator() as coord:
        raise tf.errors.OutOfRangeError(None, None, "the end")
    assert coord.joined
