"""Threads: what sessions and loops allow BLAS, and how many programs of a session compute at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.graph import add_op
from dflow.registry import OPS, define, no_gradient
from dflow.runtime.threads import blas as threads
from dflow.runtime.threads.blas import BlasThreads
from tests.forked import held, in_child


@dataclass
class Fake:
    """A library that notes what it was set to."""

    num_threads: int
    filepath: str = "libblas.so"
    set_to: list[int] = field(default_factory=list)

    def set_num_threads(self, num_threads: int) -> None:
        self.num_threads = num_threads
        self.set_to.append(num_threads)


def test_the_smallest_limit_of_all_sessions_counts_until_it_ends() -> None:
    library = Fake(8)
    blas = BlasThreads(lambda: [library], cores=8)
    blas.limit("a", 4)
    blas.limit("b", 2)
    blas.limit("b", 2)
    blas.release("unknown")
    blas.release("b")
    blas.release("b")
    blas.release("a")
    assert library.set_to == [4, 2, 4, 8]


def test_a_limit_never_raises_a_library_above_its_own_number() -> None:
    libraries = [Fake(1, "one"), Fake(6, "six")]
    blas = BlasThreads(lambda: libraries, cores=8)
    blas.limit("a", 3)
    assert [library.num_threads for library in libraries] == [1, 3]
    blas.release("a")
    assert [library.num_threads for library in libraries] == [1, 6]


def test_loops_share_the_cores_and_one_alone_has_all() -> None:
    library = Fake(8)
    blas = BlasThreads(lambda: [library], cores=8)
    with blas.loop():
        assert library.set_to == []
        with blas.loop(), blas.loop():
            assert library.num_threads == 2
            with blas.loop():
                assert library.num_threads == 2
        assert library.num_threads == 8
    assert library.set_to == [4, 2, 4, 8]


def test_a_forked_child_has_the_limits_of_sessions_and_not_those_of_loops() -> None:
    library = Fake(8)
    loaded = [library]
    blas = BlasThreads(lambda: loaded, cores=8)

    def threads_in_child() -> int:
        loaded.clear()  # not to be looked for
        blas.forked()
        with blas.loop():
            return library.num_threads

    with blas.loop(), blas.loop():
        assert library.num_threads == 4
        with held(blas._lock):
            assert in_child(threads_in_child) == "8"
        blas.limit("a", 3)
        assert in_child(threads_in_child) == "3"
        blas._limit = None  # as if another thread had set the library, and not noted it yet
        assert in_child(threads_in_child) == "3"


def test_more_loops_than_cores_have_a_thread_each() -> None:
    library = Fake(2)
    blas = BlasThreads(lambda: [library], cores=2)
    with blas.loop(), blas.loop(), blas.loop():
        assert library.num_threads == 1
    assert library.num_threads == 2


def test_a_number_that_someone_sets_while_there_is_no_limit_is_kept() -> None:
    library = Fake(8)
    blas = BlasThreads(lambda: [library], cores=8)
    blas.limit("a", 4)
    blas.release("a")
    library.num_threads = 6
    blas.limit("b", 4)
    blas.release("b")
    assert library.num_threads == 6


@pytest.fixture
def blas(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """The only library of this process, as dflow sees it; it has four cores."""
    library, limits = Fake(4), BlasThreads(lambda: [library], cores=4)
    monkeypatch.setattr("dflow.runtime.step.process.BLAS", limits)
    monkeypatch.setattr("dflow.runtime.loop.run.BLAS", limits)
    return library


def test_intra_op_threads_bound_blas_from_the_first_run_to_the_end_of_the_session(blas: Fake) -> None:
    with df.Session(config=df.ConfigProto(intra_op_parallelism_threads=2)) as sess:
        assert blas.set_to == []
        for _ in range(3):
            sess.run(df.matmul(df.ones((2, 2)), df.ones((2, 2))))
        assert blas.set_to == [2]
    assert blas.num_threads == 4


def test_a_session_without_a_limit_leaves_blas_alone(blas: Fake) -> None:
    with df.Session() as sess:
        sess.run(df.matmul(df.ones((2, 2)), df.ones((2, 2))))
    assert blas.set_to == []


@pytest.mark.parametrize(("multiply", "expected"), [(True, 2), (False, 4)])
def test_two_loops_share_the_cores_if_they_multiply_matrices(blas: Fake, multiply: bool, expected: int) -> None:
    queue = df.FIFOQueue(2, [df.float32], shapes=[(2, 2)])
    element = queue.dequeue()
    body = df.matmul(element, element) if multiply else element + 1.0
    with df.Session() as sess:
        loops = [sess.repeat(body, every=1) for _ in range(2)]
        for _ in range(2):
            sess.run(queue.enqueue(df.ones((2, 2))))
        reports = [iter(loop) for loop in loops]
        assert [next(report)[0] for report in reports] == [1, 1]  # both run
        assert blas.num_threads == expected
        for loop in loops:
            loop.stop()
            loop.join(10)
        assert blas.num_threads == 4


class Meeting:
    """Counts who computes at once; each waits for the others, as long as they may come."""

    def __init__(self, expected: int) -> None:
        self._barrier = threading.Barrier(expected)
        self._lock = threading.Lock()
        self._inside = 0
        self.most = 0

    def __call__(self, x: Any) -> Any:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        self._barrier.wait(10)
        with self._lock:
            self._inside -= 1
        return x


@pytest.fixture
def meet() -> Iterator[Any]:
    def use(expected: int) -> Meeting:
        meeting = Meeting(expected)
        define("Meet", spec=lambda x: x, kernel=meeting, gradient=no_gradient("a test"))
        return meeting

    yield use
    OPS.pop("Meet", None)


@pytest.mark.parametrize(("allowed", "at_once"), [(0, 4), (-1, 4), (4, 4), (2, 2), (1, 1)])
def test_inter_op_threads_bound_the_programs_of_a_session(meet: Any, allowed: int, at_once: int) -> None:
    meeting = meet(at_once)
    tensor = add_op("Meet", df.placeholder_with_default(1.0, []))
    with df.Session(config=df.ConfigProto(inter_op_parallelism_threads=allowed)) as sess:
        sess.run(df.constant(0.0))
        callers = [threading.Thread(target=sess.run, args=(tensor,)) for _ in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert meeting.most == at_once


def test_with_one_inter_op_thread_what_waits_lets_others_compute() -> None:
    queue = df.FIFOQueue(3, [df.float32], shapes=[()])
    twice = queue.dequeue() * 2.0
    with df.Session(config=df.ConfigProto(inter_op_parallelism_threads=1)) as sess:
        found: list[Any] = []
        waiting = [threading.Thread(target=lambda: found.append(sess.run(twice))) for _ in range(3)]
        for thread in waiting:
            thread.start()
        for number in range(3):
            sess.run(queue.enqueue(df.ones(()) * float(number)))
        for thread in waiting:
            thread.join()
    assert sorted(found) == [0.0, 2.0, 4.0]


def test_a_negative_number_of_blas_threads_is_an_error() -> None:
    with pytest.raises(ValueError, match="intra_op_parallelism_threads must not be negative"):
        df.Session(config=df.ConfigProto(intra_op_parallelism_threads=-1))


def test_the_libraries_of_this_process_are_found() -> None:
    np.dot(np.ones((2, 2)), np.ones((2, 2)))
    assert all(library.num_threads >= 1 for library in threads._blas())
