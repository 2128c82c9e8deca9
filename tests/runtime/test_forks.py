"""What a forked child may do with its parent's graphs, local sessions, loops and coordinators, and what it is told."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask.array as da
import pytest

import dflow as df
from dflow import forks
from dflow.graph import build, scopes
from dflow.ops.state import variable_store
from dflow.runtime.session.interactive import InteractiveSession
from dflow.runtime.threads.blas import BLAS
from tests.forked import PATIENCE, held, in_child

pytestmark = pytest.mark.timeout(60)

PARENTS = f"FailedPreconditionError: this session belongs to the process that forked (pid {os.getpid()})"


@contextmanager
def waiting(session: df.Session, queue: Any) -> Iterator[None]:
    """Another thread waits in a dequeue in this block, and has ended after it."""
    wait = threading.Thread(target=session.run, args=(queue.dequeue(),))
    wait.start()
    while not any(row["waiting_dequeues"] for row in session.queue_rows()):
        assert wait.is_alive()
    yield
    session.run(queue.enqueue([0]))
    wait.join(PATIENCE)


def test_a_local_session_that_is_idle_goes_on_in_a_child_as_a_copy() -> None:
    count = df.Variable(0)
    add = count.assign_add(1)
    queue = df.FIFOQueue(9, [df.int32], [[]])
    put, take = queue.enqueue([7]), queue.dequeue()
    with df.Session() as session:
        session.run([count.initializer, put])
        session.run(add)

        def go_on() -> list[Any]:
            found = [int(session.run(add)), int(session.run(take)), session.repeat(add, 10).join()]
            session.close()
            return [*found, session.closed]

        assert in_child(go_on) == "[2, 7, 10, True]"
        assert session.run([count, queue.size()]) == [1, 1]


@pytest.mark.parametrize(
    "use",
    [
        lambda s, loop: s.run("y:0"),
        lambda s, loop: s.make_callable("y:0"),
        lambda s, loop: s.repeat("y:0"),
        lambda s, loop: s.list_devices(),
        lambda s, loop: s.cluster_spec(),
        lambda s, loop: s.queue_rows(),
        lambda s, loop: s.backend,
        lambda s, loop: s.close(),
        lambda s, loop: loop.join(),
        lambda s, loop: loop.stop(),
        lambda s, loop: loop.done(),
        lambda s, loop: next(iter(loop)),
    ],
)
def test_a_local_session_with_a_loop_is_its_parents_and_so_is_the_loop(use: Callable[[Any, Any], Any]) -> None:
    df.constant(1.0, name="y")
    with df.Session() as session:
        loop = session.repeat("y:0", every=1)
        found = in_child(lambda: use(session, loop))
        assert f"belongs to the process that forked (pid {os.getpid()})" in found
        assert found.startswith("FailedPreconditionError: ")
        assert "make a new session" in found or "start a loop in a session of the child" in found
        before = next(iter(loop))[0]
        assert next(iter(loop))[0] > before
        assert not loop.done()


def test_a_child_that_leaves_blocks_of_its_parent_or_drops_its_objects_says_and_does_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    y = df.constant(1.0)
    session, coord = df.Session(), df.train.Coordinator()
    loop = session.repeat(y, every=1)
    coord.call_at_stop(loop.stop)

    def leave() -> None:
        nonlocal session, coord, loop
        try:
            with session, coord, coord.stop_on_exception():
                raise KeyError("the child's own")
        finally:
            del session, coord, loop

    assert in_child(leave) == 'KeyError: "the child\'s own"'
    assert capfd.readouterr() == ("", "")
    before = next(iter(loop))[0]
    assert next(iter(loop))[0] > before
    session.close()


def test_a_session_in_which_another_thread_waits_is_its_parents() -> None:
    queue = df.FIFOQueue(9, [df.int32], [[]])
    with df.Session() as session:
        session.run(queue.size())
        with waiting(session, queue):
            assert in_child(lambda: session.run(queue.size())).startswith(PARENTS)
        assert in_child(lambda: session.run(queue.size())) == "0"


def test_a_session_in_which_another_thread_makes_a_plan_or_looks_at_queues_is_its_parents() -> None:
    y = df.constant(1.0)
    with df.Session() as session:
        with held(session.plans._lock):
            assert in_child(lambda: session.run(y)).startswith(PARENTS)
        with held(session.plans.used()):
            assert in_child(lambda: session.run(y)).startswith(PARENTS)
        assert in_child(lambda: session.run(y)) == "1.0"


def test_the_error_names_the_process_that_the_session_belongs_to_also_in_a_grandchild() -> None:
    y = df.constant(1.0)
    with df.Session() as session, held(session.plans.used()):
        assert in_child(lambda: in_child(lambda: session.run(y))).startswith(PARENTS)


def test_a_session_that_was_closed_before_the_fork_is_a_closed_one() -> None:
    y = df.constant(1.0)
    session = df.Session()
    session.close()
    assert in_child(lambda: session.run(y)) == "RuntimeError: Attempted to use a closed Session."
    assert in_child(session.close) == "None"


def test_a_loop_that_ended_before_the_fork_tells_a_child_its_end() -> None:
    y = df.constant(1.0)
    with df.Session() as session:
        loop = session.repeat(y, 3, every=1)
        loop.join()
        assert in_child(lambda: (loop.join(), loop.done(), len(list(loop)))) == "(3, True, 3)"


@pytest.mark.parametrize(
    "lock",
    [
        lambda graph: graph._lock,
        lambda graph: variable_store.variable_store(graph).lock,
        lambda graph: variable_store._making_stores,
        lambda graph: build._global_graph_lock,
        lambda graph: InteractiveSession._open_lock,
        lambda graph: BLAS._lock,
    ],
)
def test_a_child_builds_and_runs_whichever_lock_another_thread_held_at_the_fork(lock: Callable[[Any], Any]) -> None:
    graph = df.get_default_graph()
    variable_store.variable_store(graph)

    def build_and_run() -> float:
        with df.Graph().as_default():
            df.get_variable("v", [])
        scopes._thread.__dict__.clear()
        df.get_default_graph()
        with graph.as_default():
            v = df.get_variable("v", [], initializer=df.zeros_initializer())
            session = df.InteractiveSession(config=df.ConfigProto(intra_op_parallelism_threads=1))
            session.run(v.initializer)
            found = float(session.run(v + 1.0))
            session.close()
        return found

    with held(lock(graph)):
        assert in_child(build_and_run) == "1.0"


def test_an_operation_that_another_thread_was_adding_at_the_fork_is_whole_in_the_child() -> None:
    graph = df.get_default_graph()
    df.constant(1.0)
    last = graph._in_order.pop()  # as between two lines of `create_op`
    found = in_child(lambda: (graph.version, df.constant(2.0).op.index, [op.name for op in graph.get_operations()]))
    graph._in_order.append(last)
    assert found == "(1, 1, ['Const', 'Const_1'])"


def test_a_reader_for_which_a_thread_works_is_its_parents(tmp_path: Path) -> None:
    """It opens a pipe into which nobody writes; the run that asked for it has reached its deadline."""
    pipe, lines = tmp_path / "pipe", tmp_path / "lines"
    os.mkfifo(pipe)
    lines.write_text("a\n")
    queue = df.FIFOQueue(9, [df.string], [[]])
    stuck, free = df.TextLineReader(name="stuck").read(queue), df.TextLineReader(name="free").read(queue)
    with df.Session() as session:
        session.run(queue.enqueue([str(pipe)]))
        with pytest.raises(df.errors.DeadlineExceededError):
            session.run(stuck, options=df.RunOptions(timeout_in_ms=100))
        session.run(queue.enqueue([str(lines)]))
        found = in_child(lambda: session.run(stuck))
        assert "reader 'stuck' belongs to the process that forked" in found
        assert found.startswith("FailedPreconditionError: ")
        assert in_child(lambda: session.run(free)[1]) == "b'a'"
        os.close(os.open(pipe, os.O_WRONLY))  # the thread ends


def test_a_coordinator_that_nobody_uses_yet_goes_on_in_a_child() -> None:
    coord = df.train.Coordinator()
    with held(coord._lock):
        assert in_child(lambda: (coord.request_stop(), coord.should_stop(), coord.join())) == "(None, True, None)"
    assert not coord.should_stop()


def test_a_coordinator_that_has_joined_goes_on_in_a_child_as_it_was() -> None:
    coord = df.train.Coordinator()
    df.train.LooperThread.loop(coord, None, coord.request_stop)
    coord.join()
    assert in_child(lambda: (coord.joined, coord.should_stop())) == "(True, True)"


@pytest.mark.parametrize(
    "use",
    [
        lambda coord: coord.request_stop(),
        lambda coord: coord.clear_stop(),
        lambda coord: coord.should_stop(),
        lambda coord: coord.wait_for_stop(),
        lambda coord: coord.watch(df.Session()),
        lambda coord: coord.call_at_stop(print),
        lambda coord: coord.register_thread(threading.Thread()),
        lambda coord: coord.raise_requested_exception(),
        lambda coord: coord.join(),
    ],
)
def test_a_coordinator_with_threads_is_its_parents(use: Callable[[df.train.Coordinator], Any]) -> None:
    with df.train.Coordinator() as coord:
        df.train.LooperThread.loop(coord, 0.01, int)
        found = in_child(lambda: use(coord))
        assert found.startswith("FailedPreconditionError: this coordinator belongs to the process that forked")
        assert "make a new coordinator here" in found
        assert not coord.should_stop()


@pytest.mark.parametrize(
    "use", [lambda f: f.result(), lambda f: f.stop(), lambda f: f.done(), lambda f: f.join(), lambda f: f.result(1)]
)
def test_a_feeding_that_runs_is_its_parents(use: Callable[[df.data.Feeding], Any]) -> None:
    queue = df.FIFOQueue(1, [df.int64], [[]])
    take = queue.dequeue()
    with df.Session() as session:
        feeding = df.data.enqueue_from(da.arange(3, chunks=3), queue, session=session)
        found = in_child(lambda: use(feeding))
        assert found.startswith("FailedPreconditionError: this feeding belongs to the process that forked")
        assert [session.run(take) for _ in range(3)] == [0, 1, 2]
        assert feeding.result(PATIENCE) == 3
        assert in_child(lambda: feeding.result(1)) == "3"


def test_queue_runners_are_not_started_in_a_session_of_the_parent() -> None:
    df.train.string_input_producer(["a"])
    with df.Session() as session, held(session.plans.used()):
        assert in_child(lambda: df.train.start_queue_runners(session)).startswith(PARENTS)


def test_an_interactive_session_of_the_parent_is_not_an_open_one_in_the_child() -> None:
    y = df.constant(1.0)
    session = df.InteractiveSession()
    try:
        with held(session.plans.used()):
            assert in_child(lambda: df.InteractiveSession().run(y)) == "1.0"
            assert in_child(session.close).startswith(PARENTS)
    finally:
        session.close()


def test_what_cannot_be_made_ready_for_a_child_is_logged_there_and_harms_nothing_else() -> None:
    class Thing:
        ready = False

    def fail(thing: Thing) -> None:
        raise KeyError("broken")

    broken, good = Thing(), Thing()
    forks.in_child(broken, fail)
    forks.in_child(good, lambda thing: setattr(thing, "ready", True))
    assert in_child(lambda: good.ready) == "True"
    assert not good.ready


def test_two_locks_of_one_thing_are_both_new_in_a_child() -> None:
    thing = type("Thing", (), {})()
    for name in ("one", "other"):
        setattr(thing, name, threading.Lock())
        forks.new_lock_in_child(thing, name)
    with held(thing.one), held(thing.other):
        assert in_child(lambda: thing.one.locked() or thing.other.locked()) == "False"


def test_what_is_gone_is_forgotten() -> None:
    thing = df.Graph()
    count = len(forks._calls)
    del thing
    assert len(forks._calls) == count - 1
