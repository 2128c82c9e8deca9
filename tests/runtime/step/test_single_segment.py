"""Steps that are one segment: they run without parts, and nobody can tell."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.compile import LoopSpec
from dflow.errors import OpInfo
from dflow.graph import create_op
from dflow.runtime.base.attempt import Attempt
from dflow.runtime.base.deadline import NEVER
from dflow.runtime.device.blocking_attempt import BlockingAttempt
from dflow.runtime.loop.run import LoopRun
from dflow.runtime.step.single_segment import only_program
from dflow.runtime.step.step import Step
from tests.conformance.programs import until
from tests.runtime.deliveries import FakeDelivery


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """The steps that were run with parts."""
    made: list[Step] = []
    plain = Step.run

    def run(self: Step, *args: Any) -> list[Any]:
        made.append(self)
        return plain(self, *args)

    monkeypatch.setattr(Step, "run", run)
    return made


def test_feeds_and_fetches_of_all_forms(steps: list[Step]) -> None:
    x = df.placeholder(df.float32, [2])
    y = x * 2.0
    with df.Session() as sess:
        found = sess.run({"y": y, "x": x, "op": y.op}, {x: [1, 2]})
        np.testing.assert_array_equal(found["y"], [2, 4])
        np.testing.assert_array_equal(found["x"], [1, 2])
        assert found["op"] is None
    assert steps == []


def test_an_error_names_the_operation(steps: list[Step]) -> None:
    x = df.placeholder(df.float32, name="x")
    bad = df.reshape(x, [3], name="bad")
    with df.Session() as sess, pytest.raises(df.errors.InvalidArgumentError, match="bad") as caught:
        sess.run(bad, {x: [1.0, 2.0]})
    assert caught.value.op is bad.op
    assert steps == []


@pytest.mark.parametrize("given", [lambda x: [x, x, x], lambda x: [[[1.0], [1.0, 2.0]], x]])
def test_an_error_of_what_a_kernel_gives_names_the_operation(given: Any) -> None:
    """Too many outputs, or one that is no array."""
    df.define("TestGivesTwo", spec=lambda x: [x, x], kernel=given, gradient=df.no_gradient("a test"))
    bad = create_op("TestGivesTwo", df.constant([1.0]), name="bad")
    with df.Session() as sess, pytest.raises(df.errors.InvalidArgumentError) as caught:
        sess.run(bad)
    assert caught.value.op is bad


def test_what_waits_with_others_or_crosses_devices_goes_by_parts(steps: list[Step]) -> None:
    queue = df.FIFOQueue(3, [df.float32], shapes=[[]])
    with df.device("/cpu:1"):
        far = df.square(df.placeholder_with_default(2.0, []))
    with df.device("/cpu:0"):
        near = df.square(far)
    with df.Session(config=df.ConfigProto(device_count={"CPU": 2})) as sess:
        sess.run(queue.enqueue(1.0))
        assert sess.run(queue.dequeue() + 1.0) == 2.0
        assert sess.run(near) == 16.0
    assert len(steps) == 2


def test_an_operation_that_may_wait_is_one_attempt(steps: list[Step]) -> None:
    x = df.placeholder(df.float32, [2])
    queue = df.FIFOQueue(3, [df.float32], shapes=[[]])
    put, take, shut = queue.enqueue_many([x]), queue.dequeue_many(2), queue.close()
    with df.Session() as sess:
        assert sess.run([put, x], {x: [1, 2]})[0] is None
        np.testing.assert_array_equal(sess.run(take), [1, 2])
        sess.run(shut)
        with pytest.raises(df.errors.OutOfRangeError, match="insufficient") as caught:
            sess.run(take)
        assert caught.value.op is take.op
        with pytest.raises(df.errors.CancelledError, match="is closed"):
            sess.run(put, {x: [1, 2]})
    assert steps == []


def waiting(sess: df.Session) -> list[str]:
    """Who waits for the session's queues."""
    return [waits["who"] for row in sess.queue_rows() for waits in row["waiting"]]


def run_in_thread(sess: df.Session, fetch: Any) -> SimpleQueue[Any]:
    """Run it in a thread, and wait until it waits; what it gives or raises comes through the queue."""
    found = begin_in_thread(sess, fetch)
    until(lambda: waiting(sess))
    return found


def begin_in_thread(sess: df.Session, fetch: Any) -> SimpleQueue[Any]:
    """Run it in a thread, without waiting."""
    found: SimpleQueue[Any] = SimpleQueue()

    def run() -> None:
        try:
            found.put(sess.run(fetch))
        except df.errors.OpError as error:
            found.put(error)

    threading.Thread(target=run, daemon=True).start()
    return found


def test_an_attempt_that_waits_gets_what_comes_later(steps: list[Step]) -> None:
    queue = df.FIFOQueue(3, [df.float32])
    put, take = queue.enqueue(5.0), queue.dequeue(name="take")
    with df.Session() as sess:
        sess.run(queue.size())
        found = run_in_thread(sess, take)
        assert waiting(sess) == [f"take of {sess.backend.session}"]
        sess.run(put)
        assert found.get(timeout=20) == 5.0
    assert steps == []


def test_a_closed_session_ends_an_attempt_that_waits() -> None:
    queue = df.FIFOQueue(3, [df.float32])
    take = queue.dequeue()
    sess = df.Session()
    sess.run(queue.size())
    found = run_in_thread(sess, take)
    sess.close()
    error = found.get(timeout=20)
    assert isinstance(error, df.errors.CancelledError)
    assert "its session was closed" in error.message


def test_an_attempt_that_begins_while_its_session_closes_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the moment at which the session's attempts are cancelled and the one at which its state goes."""
    queue = df.FIFOQueue(3, [df.float32])
    take = queue.dequeue()
    sess = df.Session()
    sess.run(queue.size())
    process: Any = sess.backend.process  # type: ignore[attr-defined]
    end_session, take_plan = process.end_session, sess.plans.take
    is_open, goes_on = threading.Event(), threading.Event()

    def takes_plan(*arguments: Any, **options: Any) -> Any:
        is_open.set()
        assert goes_on.wait(20)
        return take_plan(*arguments, **options)

    def ends(*arguments: Any) -> None:
        goes_on.set()
        until(lambda: waiting(sess))
        end_session(*arguments)

    monkeypatch.setattr(sess.plans, "take", takes_plan)
    monkeypatch.setattr(process, "end_session", ends)
    found = begin_in_thread(sess, take)
    assert is_open.wait(20)
    sess.close()
    assert isinstance(found.get(timeout=20), df.errors.CancelledError)


def test_an_attempt_that_is_late_says_so_and_takes_nothing() -> None:
    queue = df.FIFOQueue(3, [df.float32])
    put, take, size = queue.enqueue(5.0), queue.dequeue(), queue.size()
    with df.Session() as sess:
        with pytest.raises(df.errors.DeadlineExceededError, match="Dequeue"):
            sess.run(take, options=df.RunOptions(timeout_in_ms=1))
        sess.run(put)
        assert sess.run(size) == 1


def test_an_answer_that_comes_after_the_end_goes_back() -> None:
    delivery = FakeDelivery()
    attempt = BlockingAttempt("s", "take")
    attempt.stop(df.errors.CancelledError(None, None, "stop"))
    attempt((np.asarray(1.0),), delivery)
    assert delivery.settled == [False]


TAKE = OpInfo("take", "QueueDequeueV2", "there", "")


def answering(*answer: Any) -> Callable[[Attempt], bool]:
    """A function that starts an attempt, which is answered at once."""
    return lambda attempt: attempt.start(lambda reply: reply(*answer))


class WatchedAttempt(BlockingAttempt):
    __slots__ = ("__weakref__",)


def test_an_attempt_goes_without_the_garbage_collector() -> None:
    """It would keep what its step has until then, and each run of a queue's operation makes one."""
    attempt = WatchedAttempt("s", "take")
    seen = weakref.ref(attempt)
    gc.disable()
    try:
        assert attempt.run(answering((7,)), TAKE) == (7,)
        del attempt
        assert seen() is None
    finally:
        gc.enable()


def test_an_answer_that_comes_before_a_cancellation_is_the_result() -> None:
    """It was taken out of its queue: it would be lost else."""
    delivery = FakeDelivery()
    attempt = BlockingAttempt("s", "take")

    def begin(answer: Any) -> None:
        answer((7,), delivery)
        attempt.stop(df.errors.CancelledError(None, None, "stop"))

    assert attempt.run(lambda it: it.start(begin), TAKE) == (7,)
    assert delivery.settled == [True]


def test_an_attempt_has_its_elements_when_the_acknowledgement_has_left_the_process() -> None:
    delivery, results = FakeDelivery(slow=True), SimpleQueue[Any]()
    attempt = BlockingAttempt("s", "take")
    asked = threading.Event()

    def settle(accepted: bool, then: Any) -> None:
        delivery(accepted, then)
        asked.set()

    thread = threading.Thread(target=lambda: results.put(attempt.run(answering((7,), settle), TAKE)))
    thread.start()
    assert asked.wait(20)
    assert results.empty()
    delivery.left()
    assert results.get(timeout=20) == (7,)
    thread.join()


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_attempt_whose_acknowledgement_does_not_leave_ends_with_an_error(cancelled: bool) -> None:
    """Its connection is lost, or it is cancelled while the other process takes no more messages."""
    attempt = BlockingAttempt("s", "take")
    stop = df.errors.CancelledError(None, None, "stop")

    def settle(accepted: bool, then: Any) -> None:
        if cancelled:
            attempt.stop(stop)
        else:
            then(False)

    with pytest.raises(df.errors.CancelledError if cancelled else df.errors.UnavailableError):
        attempt.run(answering((7,), settle), TAKE)


def test_variables_change_in_their_order(steps: list[Step]) -> None:
    v = df.Variable(1.0)
    with df.control_dependencies([df.assign_add(v, 1.0)]):
        after = v.read_value() * 10.0
    with df.Session() as sess:
        sess.run(v.initializer)
        assert sess.run(after) == 20.0
    assert steps == []


def test_a_loop_of_such_steps_stops(steps: list[Step]) -> None:
    count = df.Variable(0)
    with df.Session() as sess:
        sess.run(count.initializer)
        loop = sess.repeat(df.assign_add(count, 1))
        while not sess.run(count):
            pass
        loop.stop()
        assert loop.join(20) == sess.run(count)
    assert steps == []


def test_a_closed_session_ends_such_a_loop() -> None:
    count = df.Variable(0)
    sess = df.Session()
    sess.run(count.initializer)
    loop = sess.repeat(df.assign_add(count, 1))
    sess.close()
    assert loop.join(20) is not None


def test_many_threads_run_them_at_once(steps: list[Step]) -> None:
    x = df.placeholder(df.float32, [])
    y = x + 1.0
    found: list[float] = []
    with df.Session() as sess:

        def run(start: int) -> None:
            found.extend(float(sess.run(y, {x: start + i})) for i in range(100))

        threads = [threading.Thread(target=run, args=(1000 * i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == [1000 * i + j + 1.0 for i in range(8) for j in range(100)]
    assert steps == []


def test_an_unknown_plan_is_an_error() -> None:
    with df.Session() as sess:
        x = df.constant(1.0) + 1.0
        sess.run(x)
        backend: Any = sess.backend
        plan = sess.plans.take((x,), (), NEVER)
        assert only_program(backend.process, backend.session, plan.call) is not None
        backend.forget(plan)
        with pytest.raises(df.errors.AbortedError):
            only_program(backend.process, backend.session, plan.call)


def test_a_loop_that_is_stopped_while_its_step_fails_ends_with_the_stop() -> None:
    """S29.13: a reset stops the loop, then takes the state that its step uses."""
    stop: SimpleQueue[Any] = SimpleQueue()

    def kernel() -> Any:
        stop.get(timeout=20)()
        raise df.errors.FailedPreconditionError(None, None, "the state is gone")

    df.define("TestIsStopped", spec=lambda: (), kernel=kernel, gradient=df.no_gradient("a test"))
    with df.Session() as sess:
        loop = sess.repeat(create_op("TestIsStopped"))
        stop.put(lambda: loop.stopper(df.errors.AbortedError(None, None, "it was reset")))
        with pytest.raises(df.errors.AbortedError, match="it was reset"):
            loop.join(20)


def test_a_loop_that_begins_when_its_session_has_just_been_closed_is_stopped() -> None:
    """R12.12: not aborted because nobody knows its session."""
    with df.Session() as sess:
        plan = sess.plans.take((df.no_op(),), (), NEVER)
        backend: Any = sess.backend
        spec = LoopSpec(backend.session, "late", plan.call, next(iter(backend.process.executors)), "late", None, 0)
        run = LoopRun(backend.process, spec, report=lambda iteration, values: None)
    run.stop(df.errors.CancelledError(None, None, "closed"))
    assert run.run() == (0, None)
