"""Loops: a plan run again and again next to its devices, and the handle that the user's program has on it.

`LoopRun` is the loop where it runs; no scheduler and no client takes part in an iteration.  `Loop` is the handle: it
gives the reported values, stops the loop, and waits for its end.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from dflow import forks
from dflow.compile import LoopSpec, Plan, choose_home
from dflow.devices import canonical_name, matching
from dflow.errors import CancelledError, InvalidArgumentError, OpError, OutOfRangeError
from dflow.runtime import settings
from dflow.runtime.ahead import TakenAhead
from dflow.runtime.alone import only_program, run_alone, run_with
from dflow.runtime.batched import BatchedBody
from dflow.runtime.behind import SentBehind
from dflow.runtime.failures import lost
from dflow.runtime.fetches import FetchMap
from dflow.runtime.lone_attempt import LoneAttempt
from dflow.runtime.process import Process
from dflow.runtime.program import Program
from dflow.runtime.step import Step, StepNumbers
from dflow.runtime.threads import BLAS
from dflow.runtime.transfers import fetched, to_host

logger = logging.getLogger("dflow.loops")


REPORTS_KEPT = 1000  # of a loop that no one iterates over


def home_of(plan: Plan, device: Any) -> str:
    """The device that a loop runs on: as asked, else the one that suits its plan."""
    if device is None:
        return choose_home(plan, settings.prefetch())
    found = matching(canonical_name(device), plan.parts)
    if not found:
        raise InvalidArgumentError(
            None, None, f"no operation of the loop is on {device!r}; its devices are {', '.join(plan.parts)}"
        )
    return found[0]


def batched(plan: Plan, label: str) -> bool:
    """May a loop of this plan run many records at once?  Why one that reads and enqueues does not, is logged."""
    if plan.one_by_one:
        logger.warning("the loop %s goes record by record: %s", label, plan.one_by_one)
    return plan.batch is not None and settings.loop_batching()


class LoopRun:
    """A loop where it runs.

    report: is called with iterations and their values, in whichever thread let their elements in: it must not wait.
    wait_for_room: is called in the loop's own thread after reports: it waits while too many are on their way, and
    calls its argument before it does.
    done: is called at the end, after the last report.
    """

    def __init__(
        self,
        process: Process,
        spec: LoopSpec,
        report: Callable[[int, tuple[Any, ...]], None] = lambda i, v: None,
        wait_for_room: Callable[[Callable[[], None]], None] = lambda first: None,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self.spec = spec
        self.iterations = 0
        self.state = "waiting to start"
        self.waiting_s = 0.0
        self._started: float | None = None
        self._ended: float | None = None
        self.values: dict[str, float] = {}
        self._process = process
        self._report = report
        self._wait_for_room = wait_for_room
        self._done = done
        self._numbers = StepNumbers(spec.owner)
        self._stop: OpError | None = None
        self._stopping = False
        self._step: Step | LoneAttempt | None = None
        self._lock = threading.Lock()
        self._claimed = False
        self._body: BatchedBody | None = None
        self._program: Program | None = None
        self._ahead = None if spec.ahead is None else TakenAhead(process, spec.session, spec.owner, spec.ahead)
        self._behind = None if spec.behind is None else SentBehind(process, spec.session, spec.owner, spec.behind)

    @property
    def busy_s(self) -> float:
        """Seconds of its life in which it had something to run, up to now."""
        if self._started is None:
            return 0.0
        until = time.monotonic() if self._ended is None else self._ended
        return max(0.0, until - self._started - self.waiting_s)

    def devices_at(self, address: str) -> list[str]:
        """The devices of the process at `address` that its iterations have to do with."""
        spec = self.spec
        found = {device for device, where in spec.call.addresses.items() if where == address}
        found.update(
            away.op.device for away in (spec.ahead, spec.behind) if away is not None and away.address == address
        )
        with suppress(OpError):  # its session has ended, and the loop with it
            part = self._process.hosts[spec.home].installed(spec.session, spec.call.number)
            found.update(part.devices_at(address))
        return sorted(found)

    @property
    def over(self) -> bool:
        """Has it run to its end?"""
        return self._ended is not None

    def claim(self) -> bool:
        """May the caller run it?  Once: Dask starts tasks again."""
        with self._lock:
            claimed, self._claimed = self._claimed, True
            return not claimed

    def run(self) -> tuple[int, OpError | None]:
        """Iterate to the end; gives the number of iterations, and the error that was the end, if one was.

        Ends at the step count, at OutOfRangeError of an iteration if there is no step count, at CancelledError, or on
        a stop.  Any other error is raised.

        Why CancelledError is given: a queue that is closed under a loop ends it as planned, often before the loop
        hears of a stop, and a Dask task that raises writes a traceback to its worker's log.
        """
        end: OpError | None = None
        self.state = "running"
        self._started = time.monotonic()
        try:
            self._go()
            if self._stop is not None and not isinstance(self._stop, CancelledError):
                raise self._stop
            self.state = "stopped" if self._stopping else "done"
        except OutOfRangeError as error:
            self.state = "end of input"
            if self.spec.steps is not None:
                raise
            end = error
        except CancelledError as error:
            self.state = "stopped"
            if not self._stopping:
                end = error
        except OpError:
            self.state = "failed"
            raise
        finally:
            if self._body is not None:
                self._body.close()
            if self._ahead is not None:
                self._ahead.give_back()
            self._ended = time.monotonic()
            self._step = None  # and the values of the last iteration
            self._done()
        return self.iterations, end

    def _go(self) -> None:
        """Iterate until it is stopped, or all steps are made."""
        try:
            self._body = self._batched_body()
            if self._ahead is None or self.spec.home not in self._process.copies:  # these are made in another thread
                self._program = only_program(self._process, self.spec.session, self.spec.call)
            with BLAS.loop() if self._multiplies() else nullcontext(), self._behind or nullcontext():
                while not self._stopping and (self.spec.steps is None or self.iterations < self.spec.steps):
                    if not self._iterate_many():
                        self._iterate()
        except OutOfRangeError:
            raise
        except OpError:
            if self._stop is None:
                raise
            raise self._stop from None  # what stopped it, the end of its session perhaps, may be why it failed

    def _multiplies(self) -> bool:
        """Is there something for BLAS in the parts that this process runs?"""
        session, call = self.spec.session, self.spec.call
        hosts = [self._process.hosts[device] for device in call.addresses if device in self._process.hosts]
        return any("MatMul" in host.installed(session, call.number).plan.kinds for host in hosts)

    def _batched_body(self) -> BatchedBody | None:
        if not self.spec.batched:
            return None
        host = self._process.hosts[self.spec.home]
        program = host.installed(self.spec.session, self.spec.call.number).batch
        return None if program is None else BatchedBody(self._process, self.spec, program, self._advanced)

    def _iterate_many(self) -> bool:
        """Many iterations at once, if that goes."""
        if self._body is None:
            return False
        most = sys.maxsize if self.spec.steps is None else self.spec.steps - self.iterations
        waited_s = self._body.waited_s
        went = self._body.run(most)
        self.waiting_s += self._body.waited_s - waited_s
        self._wait_for_room(self._let_go)
        return went > 0

    def _advanced(self, iterations: int) -> None:
        """So many more went."""
        before = self.iterations
        self.iterations += iterations
        for iteration in self._reported(before):
            self._report(iteration, (None,) * len(self.spec.call.fetches))

    def _reported(self, before: int) -> list[int]:
        """The iterations after `before`, up to now, whose values are reported."""
        every, now = self.spec.every, self.iterations
        found = list(range(before - before % every + every, now + 1, every))
        last = now == self.spec.steps and before < now and now % every
        return [*found, now] if last else found

    def _iterate(self) -> None:
        values = self._run_step()
        if self._behind is not None:
            values = self._send(self._behind, values)
        self.iterations += 1
        if self._reported(self.iterations - 1):
            values = [None if value is None else to_host(value) for value in values]
            self._note(values)
            self._report(self.iterations, tuple(values))
            self._wait_for_room(self._let_go)

    def _run_step(self) -> list[Any]:
        left = sys.maxsize if self.spec.steps is None else self.spec.steps - self.iterations
        if self._program is not None and self._ahead is not None:
            return self._run_with(self._ahead, self._program, left)
        if self._program is not None and not self._program.blocks:
            if self._stop is not None:
                raise self._stop
            return run_alone(self._process, self.spec.call, self._program, ())
        step = self._step = Step(self._process, self.spec.session, self.spec.call, self._numbers)
        if self._stop is not None:
            step.cancel(self._stop)
        try:
            if self._ahead is not None:
                self._ahead.give(step, left)
            return step.run(())
        finally:
            self.waiting_s += step.waited_s

    def _run_with(self, ahead: TakenAhead, program: Program, left: int) -> list[Any]:
        """Run a step whose only program begins with what is taken ahead: wait for that, then compute."""
        attempt = self._step = LoneAttempt(self.spec.owner, ahead.what.op.name)
        if self._stop is not None:
            attempt.cancel(self._stop)
        started = time.monotonic()
        try:
            taken = attempt.run(partial(ahead.give, attempt, left), ahead.what.op)
        finally:
            self.waiting_s += time.monotonic() - started
        return run_with(ahead.what.values(taken), self.spec.call, program)

    def _send(self, behind: SentBehind, values: list[Any]) -> list[Any]:
        """Put the elements of an iteration into their queue; gives what the user fetches."""
        waited_s = behind.waited_s
        try:
            behind.put(values)
        finally:
            self.waiting_s += behind.waited_s - waited_s
        return values[: behind.fetches]

    def _let_go(self) -> None:
        """It may wait for long: others may have the room that a queue keeps for it."""
        if self._behind is not None:
            self._behind.let_go()

    def _note(self, values: list[Any]) -> None:
        """Keep the scalars for the dashboard."""
        for name, value in zip(self.spec.names, values, strict=False):
            if getattr(value, "ndim", None) == 0 and value.dtype != object:
                self.values[name] = float(value)

    def stop(self, error: OpError | None = None) -> None:
        """End after the current iteration; with an error, end what it waits for as well."""
        self._stopping = True
        self._stop = error or self._stop  # before it looks what there is to end: what begins later sees this
        step, body = self._step, self._body
        if error is None:
            if body is not None:
                body.finish()
            if self._ahead is not None:
                self._ahead.finish()
        else:
            if step is not None:
                step.cancel(error)
            if body is not None:
                body.stop(error)
            if self._behind is not None:
                self._behind.stop(error)

    def row(self, process: str) -> dict[str, Any]:
        """What the dashboard shows."""
        return {
            "id": self.spec.name,
            "name": self.spec.label,
            "session": self.spec.session,
            "device": self.spec.home,
            "iterations": self.iterations,
            "at_once": 0 if self._body is None else self._body.records,
            "waiting_s": self.waiting_s,
            "busy_s": self.busy_s,
            "state": self.state,
            "values": dict(self.values),
        }


_END = object()


class Loop:
    """The handle of a loop.

    Iterate over it for (iteration, values), with the values in the structure that was fetched; the iteration ends with
    the loop and raises what ended it.  Other uses need no iteration: `join`, `stop`, `done`, `steps`.
    """

    def __init__(self, spec: LoopSpec, fetch_map: FetchMap, located: Callable[[OpError], OpError]) -> None:
        self.spec = spec
        self.name = spec.label
        self.steps: int | None = None  # iterations, once it ended; None if they were lost with its worker
        self.error: BaseException | None = None
        self.end_of_input: OutOfRangeError | None = None  # what said that there is no more
        self.stopper: Callable[[OpError | None], None] = lambda error: None
        self.uses: dict[str, str] = {}  # all devices that its steps have to do with -> where they are, on a cluster
        self._fetch_map = fetch_map
        self._located = located
        self._reports: SimpleQueue[Any] = SimpleQueue()
        self._done = threading.Event()
        self._at_end: list[Callable[[], object]] = []
        self._lock = threading.Lock()
        self._all_reported = False
        self._made: int | None = None  # iterations, as said with the last report
        self._end: Callable[[], None] | None = None  # that waits for the last reports
        self._home = forks.Home(f"the loop {self.name!r}", "start a loop in a session of the child")
        forks.in_child(self, Loop._forked)

    def _forked(self) -> None:
        """In a forked child: a loop that had not ended is the parent's."""
        ended, self._lock, self._done = self._done.is_set(), threading.Lock(), threading.Event()
        if ended:
            self._done.set()
            self._reports.put(_END)  # whoever ended it may have been about to do so
        else:
            self._home.leave()

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        while (report := self._next_report()) is not _END:
            iteration, values = report
            yield iteration, self._fetch_map.rebuild([None if v is None else fetched(v) for v in values])
        self._reports.put(_END)  # for whoever iterates again
        if self.error is not None:
            raise self.error

    def _next_report(self) -> Any:
        self._home.check()
        return self._reports.get()

    def done(self) -> bool:
        """Has it ended?"""
        self._home.check()
        return self._done.is_set()

    def join(self, timeout: float | None = None) -> int | None:
        """Wait for the end; gives the number of iterations, None if it did not end within `timeout` seconds.

        Raises the OpError that ended the loop.  A stop, or the end of the session, is no error.
        FailedPreconditionError, as from all other methods, in a forked child for a loop of its parent.
        """
        self._home.check()
        if not self._done.wait(timeout):
            return None
        if self.error is not None:
            raise self.error
        return self.steps

    def stop(self, reason: str = "the loop was stopped", *, finish: bool = False) -> None:
        """End the loop; returns at once.

        It ends what the current iteration waits for; with finish=True, it lets the current iteration come to its end.
        """
        self._home.check()
        self.stopper(None if finish else CancelledError(None, None, reason))

    # -- called by whoever runs it

    def reported(self, iteration: int, values: tuple[Any, ...]) -> None:
        """Keep a report for whoever iterates; of many that no one takes, the newest."""
        while self._reports.qsize() >= REPORTS_KEPT:
            with suppress(Empty):
                self._reports.get_nowait()
        self._reports.put((iteration, values))

    def all_reported(self, steps: int | None = None) -> None:
        """No report comes any more, or none that is waited for.  steps: how many it made, if that is known."""
        with self._lock:
            self._all_reported, self._made = True, steps
            end, self._end = self._end, None
        if end is not None:
            end()

    def ended_elsewhere(self, steps: int | None, error: BaseException | None, end: OpError | None = None) -> None:
        """It ran to its end in another process: it ends here with the last of its reports, which come another way.

        steps: None if only those reports say how many it made.
        """
        with self._lock:
            if not self._all_reported:
                self._end = partial(self.ended_elsewhere, steps, error, end)
                return
        self.ended(self._made if steps is None else steps, error, end)

    def ended(self, steps: int | None, error: BaseException | None, end: OpError | None = None) -> None:
        """It ended; error, or `end` of another kind than OutOfRangeError: what `join` raises."""
        of_input = end if isinstance(end, OutOfRangeError) else None
        if of_input is None and error is None:
            error = end
        if isinstance(error, OpError):
            error = self._located(error)
        with self._lock:
            if self._done.is_set():  # whoever came first was right
                return
            self.steps, self.error, self.end_of_input = steps, error, of_input
            self._done.set()
            callbacks, self._at_end = self._at_end, []
        self._reports.put(_END)
        for callback in callbacks:
            callback()

    def process_lost(self, address: str) -> None:
        """A process other than the loop's own is gone: it ends if its steps have to do with that.

        The loop's own process does not hear of that if only a part elsewhere uses it, as a reader its queue of names.
        """
        devices = sorted(device for device, where in self.uses.items() if where == address)
        if devices:
            self.stopper(lost(address, devices, f"what the loop {self.name!r} uses there"))

    def call_at_end(self, callback: Callable[[], object]) -> None:
        """Call `callback` once, when the loop ends; at once if it has ended."""
        with self._lock:
            if not self._done.is_set():
                self._at_end.append(callback)
                return
        callback()

    def run_here(self, run: LoopRun) -> None:
        """Run the loop in this thread, of the same process."""
        try:
            steps, end = run.run()
            self.ended(steps, None, end)
        except BaseException as error:
            self.ended(run.iterations, error)
