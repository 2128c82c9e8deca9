"""What is done again and again, and how much there is of a process before and after it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

import dflow as df

AT_ONCE = 20  # queues of one session
ITERATIONS = 3  # of a loop
PS = "/job:ps/task:0"


@dataclass(frozen=True)
class Seen:
    """Of one process.

    rss: bytes of resident memory.  ours: objects of dflow's classes that are alive.  blocks: those that Python's own
    allocator has given out, for anything; what they grow by is held by somebody, what only `rss` grows by is not.
    """

    rss: int
    descriptors: int
    threads: int
    ours: int
    blocks: int


Look = Callable[[], dict[str, Seen]]  # by process


def seen(**node: Any) -> Seen:
    """How much there is of the process that this runs in.  node: Dask says which one it is."""
    gc.collect()
    ours = sum(str(type(found).__module__).partition(".")[0] == "dflow" for found in gc.get_objects())
    process = psutil.Process()
    return Seen(process.memory_info().rss, process.num_fds(), process.num_threads(), ours, sys.getallocatedblocks())


class Program:
    """A graph with a variable, and a queue between two devices.  device: the second one; "" in one process."""

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
    """Each with a graph of its own, a variable, a queue, and five runs."""

    def __init__(self, target: str, device: str) -> None:
        self._target, self._device = target, device

    def go_on(self, first: int, end: int) -> None:
        """Do the one that is number `first`, and all others up to `end`."""
        for _ in range(first, end):
            program = Program(self._device)
            with df.Session(self._target, program.graph) as session:
                for op in (program.init, program.put, program.take, program.put, program.take):
                    session.run(op)

    def close(self) -> None:
        """Nothing is open."""


class Queues(Sessions):
    """Shared ones, each with a name of its own; a session has 20, which `Session.reset` drops at its end."""

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
    """In one session: an enqueue, a dequeue by another device, an assignment, in turn."""

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
    """In one session: loops of three iterations, one after the other."""

    def go_on(self, first: int, end: int) -> None:
        for _ in range(first, end):
            self._session.repeat(self._program.count, steps=ITERATIONS).join()


KINDS: dict[str, type[Sessions] | type[Runs]] = {"sessions": Sessions, "queues": Queues, "runs": Runs, "loops": Loops}
