"""One run of the soak: start the pipeline, do something to it, wait for its end, and look what is left."""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import dflow as df
from dflow.cluster import EmbeddedCluster
from dflow.cluster.process import child_environment
from tests.cluster.helpers import Look
from tests.soak.account import Account
from tests.soak.faults import FAULTS, PS, WORKER0, WORKER1, Fault
from tests.soak.pipeline import raw_queue, shuffled_queue

PATIENCE = 90.0  # seconds in which everything has to come to its end, on a busy machine
FILES, LINES = 4, 250
STEPS = 70  # training steps within which the faults come; there are some more


class ClientProcess:
    """One client, and what it said."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.said: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(),
            start_new_session=True,
        )
        self._new: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=read, daemon=True) for read in (self._read, self._read_errors)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with suppress(ValueError):  # it was killed in the middle of a line
                self.said.append(json.loads(line))
            self._new.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self.errors += self._process.stderr.read().decode(errors="replace").splitlines()

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self._process.pid)

    def hears(self, lines: int) -> None:
        """Wait until it has said so many lines, or has ended."""
        ends = time.monotonic() + PATIENCE
        while len(self.said) < lines and not self.is_over and time.monotonic() < ends:
            with suppress(queue.Empty):
                self._new.get(timeout=0.2)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    def ended(self, patience: float = PATIENCE) -> str:
        """How it ended; "hangs" if it did not, "killed", or what it said."""
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return "hangs"
        for thread in self._threads:
            thread.join(PATIENCE)
        return str(self.said[-1]["ended"]) if self.said and "ended" in self.said[-1] else "killed"

    def why(self) -> str:
        """The error that it ended with, and the end of its log."""
        said = self.said[-1].get("error", "") if self.said else ""
        return "\n".join([said, *self.errors[-15:]])

    def values(self, word: str) -> list[Any]:
        return [line[word] for line in self.said if word in line]


@dataclass
class Outcome:
    """What came of a run."""

    seed: int
    faults: list[str]
    ended: str = ""
    complaints: list[str] = field(default_factory=list)


class Run:
    """One run; its seed says all that is random."""

    def __init__(self, cluster: EmbeddedCluster, look: Look, folder: Path, seed: int, is_first: bool) -> None:
        """is_first: no session has been on this cluster yet."""
        self.cluster = cluster
        self.look = look
        self.container = f"soak-{seed}-{os.getpid()}"
        self._random = random.Random(seed)
        self._files = _write_files(folder)
        self.faults = self._random.choices(FAULTS, k=1 if self._random.random() < 0.7 else 2)
        self.outcome = Outcome(seed, [fault.name for fault in self.faults])
        self.others: list[ClientProcess] = []
        self._was_over = False  # a fault came when the pipeline had ended
        self._is_first = is_first
        self._allowed: set[str] = set()  # how the pipeline may end
        self.pipeline: ClientProcess
        self.second: ClientProcess

    @property
    def needs_new_cluster(self) -> bool:
        return any(fault.needs_new_cluster for fault in self.faults)

    def start_second(self) -> ClientProcess:
        other = ClientProcess("tests.soak.second", self.cluster.scheduler_address, self.container)
        self.others.append(other)
        return other

    def process_of(self, who: str) -> psutil.Process:
        if who in ("pipeline", "second"):
            process: psutil.Process = getattr(self, who).process
            return process
        if who == "scheduler":
            (scheduler,) = psutil.Process(self.cluster.processes[who].pid).children()
            return scheduler
        return self.cluster.worker_process(who)

    @contextmanager
    def other_session(self) -> Iterator[tuple[df.Session, Any, Any]]:
        """A session of this process, and the two queues."""
        with df.Graph().as_default():
            with df.container(self.container):
                raw, shuffled = raw_queue(), shuffled_queue()
            options = df.ConfigProto(operation_timeout_in_ms=int(1000 * PATIENCE))
            with df.Session(self.cluster.scheduler_address, config=options) as session:
                yield session, raw, shuffled

    def go(self) -> Outcome:
        before = left_over()
        self.pipeline = ClientProcess(
            "tests.soak.pipeline", self.cluster.scheduler_address, self.container, *map(str, self._files)
        )
        self.second = self.start_second()
        moments = sorted(self._random.randrange(0, STEPS) for _ in self.faults)
        for moment, fault in zip(moments, self.faults, strict=True):
            self.pipeline.hears(1 + moment)  # not before it is ready: a signal would end Python itself
            time.sleep(self._random.random() * 0.05)  # any moment between two steps
            self._do(fault)
        self._end()
        if not self.needs_new_cluster:
            self._check_elements()
            self._check_cluster()
        self._check_left_over(before)
        return self.outcome

    def _do(self, fault: Fault) -> None:
        self._was_over = self._was_over or self.pipeline.is_over
        self._allowed.update(fault.ends)
        if self._is_first and not self.pipeline.values("trained"):
            self._allowed.update(fault.ends_unseen)
        may_be_dead: tuple[type[Exception], ...] = ()
        if self.needs_new_cluster:  # KeyError: Dask's client knows no workers any more
            may_be_dead = (df.errors.UnavailableError, df.errors.DeadlineExceededError, OSError, KeyError)
        elif len(self.faults) > 1:  # the worker that this one needs may not be back yet
            may_be_dead = (df.errors.UnavailableError,)
        with suppress(psutil.NoSuchProcess, ProcessLookupError, ValueError, *may_be_dead):  # or it has ended
            fault.do(self, self._random)

    def _complain(self, text: str) -> None:
        self.outcome.complaints.append(text)

    def _end(self) -> None:
        """The pipeline comes to its end, and so do the others, or they wait for elements that nobody brings."""
        ended = self.outcome.ended = self.pipeline.ended()
        if self._was_over:
            self._allowed.add("well")
        if ended not in self._allowed:
            self._complain(f"the pipeline ended with {ended}, not {sorted(self._allowed)}:\n{self.pipeline.why()}")
        if ended == "hangs":
            self.pipeline.kill()
            self.pipeline.ended()
        for other in self.others:
            if other.ended(2.0 if ended != "well" else PATIENCE) == "hangs":
                if ended == "well" and len(self.faults) == 1 and not other.said:
                    self._complain("another client hangs")
                other.signal(signal.SIGINT)
                if other.ended() == "hangs":
                    self._complain("another client does not end with Ctrl-C")
                    other.kill()
                    other.ended()

    def _check_elements(self) -> None:
        self.cluster.wait_for_workers()
        account = Account(
            trained=[value for batch in self.pipeline.values("trained") for value in batch],
            took=[value for other in self.others for value in other.values("took")],
        )
        may_miss = sum(fault.misses(self.outcome.ended) for fault in self.faults)
        with self.other_session() as (session, raw, shuffled):
            session.run([raw.size(), shuffled.size()])
            account.enqueued = session.actor(raw).row().result()["enqueued"]
            account.raw, account.shuffled = _drain(session, raw), _drain(session, shuffled)
        for text in account.complaints(may_miss):
            self._complain(text)
        df.Session.reset(self.cluster.scheduler_address, [self.container])

    def _check_cluster(self) -> None:
        """Nothing is left of the run, and the next session runs on all workers."""
        ends = time.monotonic() + PATIENCE
        while not self.look.is_empty():
            if time.monotonic() > ends:
                self._complain(f"the workers hold {self.look.inside()}")
                break
            time.sleep(0.02)
        with df.Graph().as_default():
            values = []
            for name in (PS, WORKER0, WORKER1):
                with df.device(f"{name}/cpu:0"):
                    values.append(df.constant(1) + 1)
            options = df.ConfigProto(operation_timeout_in_ms=int(1000 * PATIENCE))
            with df.Session(self.cluster.scheduler_address, config=options) as session:
                if session.run(values) != [2, 2, 2]:
                    self._complain("a new session computes nonsense")

    def _check_left_over(self, before: set[str]) -> None:
        ends = time.monotonic() + 10
        while new := left_over() - before:
            if time.monotonic() > ends:
                self._complain(f"left over: {sorted(new)}")
                return
            time.sleep(0.1)


def _drain(session: df.Session, queue: Any) -> list[int]:
    """All that is left in a queue, which is closed for that."""
    with suppress(df.errors.CancelledError):  # it is closed
        session.run(queue.close(cancel_pending_enqueues=True))
    size, found = int(session.run(queue.size())), list[int]()
    if size:
        found = session.run(queue.dequeue_many(size)).tolist()
    return found


def left_over() -> set[str]:
    """What may stay behind of a run: temporary files, processes."""
    temporary = {str(path) for path in Path(tempfile.gettempdir()).iterdir()}
    mine = {f"process {child.pid} {' '.join(child.cmdline())[:80]}" for child in _children() if _is_client(child)}
    return temporary | mine


def shared_memory() -> set[str]:
    """What may stay behind of a cluster in /dev/shm: the semaphores of a killed worker go with its Nanny."""
    return {name for name in os.listdir("/dev/shm") if name.startswith(("sem.", "psm_"))}


def _children() -> list[psutil.Process]:
    children: list[psutil.Process] = psutil.Process().children(recursive=True)
    return children


def _is_client(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "tests.soak" in " ".join(process.cmdline())
    return False


def _write_files(folder: Path) -> list[Path]:
    files = [folder / f"{i}.csv" for i in range(FILES)]
    for i, path in enumerate(files):
        if not path.exists():
            path.write_text("".join(f"{number}\n" for number in range(i * LINES, (i + 1) * LINES)))
    return files
