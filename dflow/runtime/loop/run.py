"""A loop where it runs: a plan run again and again next to its devices.

No scheduler and no client takes part in an iteration.  An iteration is a source, a body and a sink:

    source   nothing, or a dequeue that goes ahead of the iterations (`prefetch.py`)
    body     a step, or one program (`bodies.py`)
    sink     nothing, or an enqueue that does not wait for its answer (`pipelined_enqueue.py`)

A loop that reads records, computes and enqueues makes many iterations at once where it can (`vectorized.py`).

    state             event         next state
    WAITING           run           RUNNING
                      stop          STOPPING
    RUNNING           stop          STOPPING
                      done          DONE
                      end of input  END_OF_INPUT
                      cancelled     STOPPED
                      failed        FAILED
    STOPPING          as RUNNING, but done -> STOPPED
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from enum import Enum
from functools import partial
from typing import Any

from dflow.compile import LoopSpec
from dflow.errors import CancelledError, OpError, OutOfRangeError
from dflow.runtime.base.states import States
from dflow.runtime.base.transfers import to_host
from dflow.runtime.loop.bodies import Body
from dflow.runtime.loop.pipelined_enqueue import PipelinedSink, Sink
from dflow.runtime.loop.prefetch import PrefetchSource, Source
from dflow.runtime.loop.stage import Stage
from dflow.runtime.loop.vectorized import VectorizedLoop
from dflow.runtime.step.process import Process
from dflow.runtime.threads.blas import BLAS


class State(Enum):
    """How far a loop is; the dashboard shows the value."""

    WAITING = "waiting to start"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DONE = "done"
    END_OF_INPUT = "end of input"
    FAILED = "failed"


_ENDS = {"end of input": State.END_OF_INPUT, "cancelled": State.STOPPED, "failed": State.FAILED}
TABLE: dict[State, dict[str, State]] = {
    State.WAITING: {"run": State.RUNNING, "stop": State.STOPPING},
    State.RUNNING: {"stop": State.STOPPING, "done": State.DONE, **_ENDS},
    State.STOPPING: {"run": State.STOPPING, "stop": State.STOPPING, "done": State.STOPPED, **_ENDS},
    State.STOPPED: {"stop": State.STOPPED},
    State.DONE: {"stop": State.DONE},
    State.END_OF_INPUT: {"stop": State.END_OF_INPUT},
    State.FAILED: {"stop": State.FAILED},
}


class LoopRun:
    """A loop where it runs.

    report: called with iterations and their values, in whichever thread let their elements in: it must not wait.
    wait_until_writable: called in the loop's own thread after reports: it waits while too many are on their way, and
    calls its argument before it does.
    done: called at the end, after the last report.
    """

    def __init__(
        self,
        process: Process,
        spec: LoopSpec,
        report: Callable[[int, tuple[Any, ...]], None] = lambda i, v: None,
        wait_until_writable: Callable[[Callable[[], None]], None] = lambda first: None,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self.spec = spec
        self.iterations = 0
        self.at_once = 0  # iterations that were made many at once
        self.values: dict[str, float] = {}
        self._process = process
        self._report = report
        self._wait_until_writable = wait_until_writable
        self._done = done
        self._lock = threading.Lock()  # of `_state`, `_claimed` and `_stages`
        self._state = States(f"the loop {spec.owner}", TABLE, State.WAITING)
        self._claimed = False
        self._stopping = False
        self._stop: OpError | None = None  # what it was stopped with
        self._started: float | None = None
        self._ended: float | None = None
        self._stages: list[Stage] = []
        self._vectorized: VectorizedLoop | None = None

    @property
    def state(self) -> str:
        """How far it is, in words."""
        return self._state.now.value

    @property
    def waiting_s(self) -> float:
        """Seconds in which it had nothing to run."""
        return sum(stage.waited_s for stage in self._stages)

    @property
    def busy_s(self) -> float:
        """Seconds of its life in which it had something to run, up to now."""
        if self._started is None:
            return 0.0
        until = time.monotonic() if self._ended is None else self._ended
        return max(0.0, until - self._started - self.waiting_s)

    @property
    def over(self) -> bool:
        """Whether it has run to its end."""
        return self._ended is not None

    def devices_at(self, address: str) -> list[str]:
        """The devices of the process at `address` that its iterations have to do with."""
        spec = self.spec
        found = {device for device, where in spec.call.addresses.items() if where == address}
        own = (spec.prefetch, spec.pipelined)
        found.update(made.op.device for made in own if made is not None and made.address == address)
        with suppress(OpError):  # its session has ended, and the loop with it
            part = self._process.executors[spec.driver].installed(spec.session, spec.call.number)
            found.update(part.devices_at(address))
        return sorted(found)

    def claim(self) -> bool:
        """Whether the caller may run it: once, as Dask starts tasks again."""
        with self._lock:
            claimed, self._claimed = self._claimed, True
            return not claimed

    # -- running

    def run(self) -> tuple[int, OpError | None]:
        """Iterate to the end; gives the number of iterations, and the error that was the end, if one was.

        Ends at the step count, at OutOfRangeError of an iteration if there is no step count, at CancelledError, or on
        a stop.  Any other error is raised.

        Why CancelledError is given: a queue that is closed under a loop ends it as planned, often before the loop
        hears of a stop, and a Dask task that raises writes a traceback to its worker's log.
        """
        event = "failed"
        end: OpError | None = None
        self._started = time.monotonic()
        self._change("run")
        try:
            self._go()
            event = "done"
        except OutOfRangeError as error:
            event = "end of input"
            if self.spec.steps is not None:
                raise
            end = error
        except CancelledError as error:
            event = "cancelled"
            end = None if self._stopping else error
        finally:
            self._change(event)
            self._ended = time.monotonic()
            self._done()
        return self.iterations, end

    def _go(self) -> None:
        """Iterate until it is stopped, or all steps are made.  Raises what ended it, also if that was a stop."""
        try:
            with self._open_stages() as (source, body, sink), self._blas():
                while not self._stopping and (left := self._left()):
                    if self._vectorized is None:
                        self._iterate(source, body, sink, left)
                    else:
                        self._vectorized.run(left, partial(self._iterate, source, body, sink, left))
                        self._wait_until_writable(self._release)
        except OutOfRangeError:
            raise
        except OpError:
            if self._stop is None:
                raise
            raise self._stop from None  # what stopped it, the end of its session perhaps, may be why it failed
        if self._stop is not None:
            raise self._stop

    def _left(self) -> int:
        return sys.maxsize if self.spec.steps is None else self.spec.steps - self.iterations

    def _iterate(self, source: Source, body: Body, sink: Sink, left: int) -> None:
        """One iteration."""
        values = sink.put(body.run(source.take(left)))
        self.iterations += 1
        if self._reported(self.iterations - 1):
            values = [None if value is None else to_host(value) for value in values]
            self._note(values)
            self._report(self.iterations, tuple(values))
            self._wait_until_writable(self._release)

    @contextmanager
    def _open_stages(self) -> Iterator[tuple[Source, Body, Sink]]:
        """The stages of its iterations.  At the end all that was put is in, and what was not used goes back."""
        process, spec = self._process, self.spec
        body = Body(process, spec)
        source, sink = Source(), Sink()
        if spec.prefetch is not None:
            source = PrefetchSource(process, spec.session, spec.owner, spec.prefetch)
        if spec.pipelined is not None:
            sink = PipelinedSink(process, spec.session, spec.owner, spec.pipelined)
        source.before_wait, sink.before_wait = sink.release, source.release
        if spec.vectorized:
            program = process.executors[spec.driver].installed(spec.session, spec.call.number).vectorized
            self._vectorized = None if program is None else VectorizedLoop(process, spec, program, self._advanced)
        stages = (self._vectorized, sink if spec.pipelined else None, source if spec.prefetch else None, body)
        with self._lock:
            self._stages = [stage for stage in stages if stage is not None]
        if self._stop is not None:  # `stop` may have found no stages
            self._stop_stages(self._stop)
        failed = True
        try:
            yield source, body, sink
            failed = False
        finally:
            _close(self._stages, failed)

    def _blas(self) -> Any:
        """The threads of BLAS, if there is something for it in the parts that this process runs."""
        session, call = self.spec.session, self.spec.call
        executors = [self._process.executors[device] for device in call.addresses if device in self._process.executors]
        multiplies = any("MatMul" in executor.installed(session, call.number).plan.kinds for executor in executors)
        return BLAS.loop() if multiplies else nullcontext()

    def _release(self) -> None:
        """It may wait for long: others may have the room that a queue reserves for it, and the elements it has."""
        for stage in self._stages:
            stage.release()

    # -- reports

    def _advanced(self, iterations: int) -> None:
        """So many more were made at once."""
        self.at_once += iterations
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

    def _note(self, values: list[Any]) -> None:
        """Keep the scalars for the dashboard."""
        for name, value in zip(self.spec.names, values, strict=False):
            if getattr(value, "ndim", None) == 0 and value.dtype != object:
                self.values[name] = float(value)

    # -- stopping, in any thread

    def stop(self, error: OpError | None = None) -> None:
        """End after the current iteration; with an error, end what it waits for as well."""
        self._stop = error or self._stop  # before it looks for stages: those that are made later see this
        self._change("stop")
        self._stopping = True
        if error is not None:
            self._stop_stages(error)
            return
        for stage in self._stages:
            stage.finish()

    def _stop_stages(self, error: OpError) -> None:
        for stage in self._stages:
            stage.stop(error)

    def _change(self, event: str) -> None:
        with self._lock:
            self._state.change(event)

    def row(self, process: str) -> dict[str, Any]:
        """What the dashboard shows."""
        return {
            "id": self.spec.name,
            "name": self.spec.label,
            "session": self.spec.session,
            "device": self.spec.driver,
            "iterations": self.iterations,
            "at_once": self.at_once,
            "waiting_s": self.waiting_s,
            "busy_s": self.busy_s,
            "state": self.state,
            "values": dict(self.values),
        }


def _close(stages: list[Stage], failed: bool) -> None:
    """Close stages, the last too if one before it raises an error, which is raised."""
    if stages:
        try:
            stages[0].close(failed)
        finally:
            _close(stages[1:], failed)
