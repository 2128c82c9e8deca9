"""Loops: a plan run again and again next to its devices.

`LoopRun` is the loop where it runs; no scheduler and no client takes part in an iteration.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from dflow.compile import LoopSpec
from dflow.errors import CancelledError, OpError, OutOfRangeError
from dflow.runtime.base.transfers import to_host
from dflow.runtime.device.lone_attempt import LoneAttempt
from dflow.runtime.device.program import Program
from dflow.runtime.loop.ahead import TakenAhead
from dflow.runtime.loop.batched import BatchedBody
from dflow.runtime.loop.behind import SentBehind
from dflow.runtime.step.alone import only_program, run_alone, run_with
from dflow.runtime.step.process import Process
from dflow.runtime.step.step import Step, StepNumbers
from dflow.runtime.threads.blas import BLAS

logger = logging.getLogger("dflow.loops")


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
