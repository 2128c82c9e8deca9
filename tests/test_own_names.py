"""Public names that TensorFlow 1 does not have, and that no other test uses."""

import pickle
import re

import pytest

import dflow as df


def test_the_version_is_one_that_packages_are_ordered_by() -> None:
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?((a|b|rc|\.dev)\d+)?", df.__version__)


def test_an_error_crosses_processes_with_the_place_where_it_happened() -> None:
    info = df.errors.OpInfo("enqueue", "QueueEnqueue", "/cpu:0", "train.py:7")
    error = df.errors.CancelledError(None, None, "the queue is closed").placed(info)
    found = pickle.loads(pickle.dumps(error))
    assert found.node_def == info
    assert str(found) == "enqueue (QueueEnqueue, on /cpu:0): the queue is closed\n  made at train.py:7"


def test_a_coordinator_calls_at_its_stop_who_asked_for_it() -> None:
    coord, called = df.train.Coordinator(), list[str]()
    coord.call_at_stop(lambda: called.append("before"))
    assert called == []
    coord.request_stop()
    coord.call_at_stop(lambda: called.append("after"))
    assert called == ["before", "after"]


def test_a_call_at_the_stop_that_fails_is_logged_and_keeps_no_other_from_being_made(
    caplog: pytest.LogCaptureFixture,
) -> None:
    coord, called = df.train.Coordinator(), list[str]()
    coord.call_at_stop(lambda: called.remove("nothing"))
    coord.call_at_stop(lambda: called.append("stopped"))
    coord.request_stop()
    assert called == ["stopped"]
    assert "a function that is called at the stop failed" in caplog.text
