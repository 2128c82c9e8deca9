"""Work that is repeated many times, and a function that measures what a process holds."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

import dflow as df

AT_ONCE = 20  # number of queues of one session
ITERATIONS = 3  # number of iterations of a loop
PS = "/job:ps/task:0"


@dataclass(frozen=True)
class Seen:
    """A sample of one process.

    rss: bytes of resident memory.
    descriptors, threads: numbers of open file descriptors and of threads.
    ours: number of living objects of dflow's classes.
    blocks: number of memory blocks that Python's own allocator has given out.  If it grows, something holds the blocks.
        If only `rss` grows, nothing holds the memory.
    """

    rss: int
    descriptors: int
    threads: int
    ours: int
    blocks: int


Look = Callable[[], dict[str, Seen]]  # process -> its sample


def seen(**node: Any) -> Seen:
    """Take a sample of this process.  node: keyword arguments that Dask passes."""
    gc.collect()
    ours = sum(str(type(found).__module__).partition(".")[0] == "dflow" for found in gc.get_objects())
    process = psutil.Process()
    return Seen(process.memory_info().rss, process.num_fds(), process.num_threads(), ours, sys.getallocatedblocks())


class Program:
    """A graph with a variable and a queue between two devices.  device: the second device, or "" in one process."""

    def __init__(self, device: str) -> None:
        with df.Graph().as_default() as self.graph:
            with df.device(PS if device else ""):
                queue = df.FIFOQueue(10, [df.float32], shapes=[[]])
                variable = df.Variable(0.0)
                self.put, element = queue.enqueue([1.0]), queue.dequeue()
                self.count, self.init = variable.assign_add(1.0).op, variable.initializer
            with df.device(device):
                self.take = element + 1.0


class Sessions:
    """Sessions, each with its own graph, variable and queue, and with five runs."""

    def __init__(self, target: str, device: str) -> None:
        self._target, self._device = target, device

    def go_on(self, first: int, end: int) -> None:
        """Do the work with the numbers from `first` to `end`, without `end`."""
        for _ in range(first, end):
            program = Program(self._device)
            with df.Session(self._target, program.graph) as session:
                for op in (program.init, program.put, program.take, program.put, program.take):
                    session.run(op)

    def close(self) -> None:
        """Do nothing: no session is open."""


class Queues(Sessions):
    """Shared queues, each with its own name.  A session has 20, and `Session.reset` drops them when it has ended."""

    def go_on(self, first: int, end: int) -> None:
        for start in range(first, end, AT_ONCE):
            self._use(range(start, min(start + AT_ONCE, end)))

    def _use(self, numbers: range) -> None:
        with df.Graph().as_default() as graph, df.device(self._device):
            made = [df.FIFOQueue(10, [df.float32], shapes=[[]], shared_name=f"queue{number}") for number in numbers]
            put, sizes = [queue.enqueue([1.0]) for queue in made], [queue.size() for queue in made]
        with df.Session(self._target, graph) as session:
            session.run(put)
            session.run(sizes)
        if self._target:
            df.Session.reset(self._target)


class Runs:
    """Runs of one session: in turn an enqueue, a dequeue by another device, and an assignment."""

    def __init__(self, target: str, device: str) -> None:
        self._program = Program(device)
        self._session = df.Session(target, self._program.graph)
        self._session.run(self._program.init)
        ops = (self._program.put, self._program.take, self._program.count)
        self._calls = [self._session.make_callable(op) for op in ops]

    def go_on(self, first: int, end: int) -> None:
        for number in range(first, end):
            self._calls[number % 3]()

    def close(self) -> None:
        self._session.close()


class Loops(Runs):
    """Loops of one session, one after the other, with three iterations each."""

    def go_on(self, first: int, end: int) -> None:
        for _ in range(first, end):
            self._session.repeat(self._program.count, steps=ITERATIONS).join()


KINDS: dict[str, type[Sessions] | type[Runs]] = {"sessions": Sessions, "queues": Queues, "runs": Runs, "loops": Loops}
