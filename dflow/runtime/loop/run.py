"""A loop in the process of its driver (`LoopRun`): runs a plan again and again next to its devices.

A Dask task runs it on a worker (`dask/loop_task.py`); in a local session, a thread does.  Neither the scheduler nor the
client takes part in an iteration.  An iteration takes the feeds of its source, runs its body with them, and gives the
values to its sink:

    source   no feeds, or a prefetched dequeue (`prefetch.py`)
    body     a step, or one program (`bodies.py`)
    sink     nothing, or a pipelined enqueue (`pipelined_enqueue.py`)

A loop that reads records, computes and enqueues makes many iterations at once where it can (`vectorized.py`).

`LoopRun` may be confused with `LoopSpec` (`compile/loops/spec.py`), the description of a loop, and with `Loop`
(`session/loop_handle.py`), its handle in the user's program.

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
    """The state of a loop; the dashboard shows the value."""

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
    """A loop in the process that runs it.

    report: called with the number of an iteration and its values, in the thread that let its element into the queue.
    It must not wait.
    wait_until_writable: called in the loop's own thread after reports.  It waits while too many reports are on their
    way, and calls its argument before it waits.
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
        self._stop: OpError | None = None  # the error of a stop
        self._started: float | None = None
        self._ended: float | None = None
        self._stages: list[Stage] = []
        self._vectorized: VectorizedLoop | None = None

    @property
    def state(self) -> str:
        """The state, in words."""
        return self._state.now.value

    @property
    def waiting_s(self) -> float:
        """Seconds in which the loop had nothing to run."""
        return sum(stage.waited_s for stage in self._stages)

    @property
    def busy_s(self) -> float:
        """Seconds in which the loop had something to run, up to now or to its end."""
        if self._started is None:
            return 0.0
        until = time.monotonic() if self._ended is None else self._ended
        return max(0.0, until - self._started - self.waiting_s)

    @property
    def over(self) -> bool:
        """Whether the loop has run to its end."""
        return self._ended is not None

    def devices_at(self, address: str) -> list[str]:
        """The devices of the process at `address` that the iterations use."""
        spec = self.spec
        devices = {device for device, where in spec.call.addresses.items() if where == address}
        own = (spec.prefetch, spec.pipelined)
        devices.update(call.op.device for call in own if call is not None and call.address == address)
        with suppress(OpError):  # its session has ended, and the loop with it
            part = self._process.executors[spec.driver].installed(spec.session, spec.call.number)
            devices.update(part.devices_at(address))
        return sorted(devices)

    def claim(self) -> bool:
        """True for the first caller, which may run the loop: Dask may start its task again."""
        with self._lock:
            claimed, self._claimed = self._claimed, True
            return not claimed

    # -- running

    def run(self) -> tuple[int, OpError | None]:
        """Iterate to the end.  Returns the number of iterations, and the error of a planned end, if there was one.

        The loop ends at the step count, at OutOfRangeError of an iteration if there is no step count, at
        CancelledError, or on a stop.  It raises any other error.

        Why CancelledError is returned: to close a queue is a planned way to end a loop that uses it, and often the loop
        ends by it before it hears of a stop.  A Dask task that raises writes a traceback to its worker's log.
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
        """Iterate until a stop, or until all steps are made.  Raises the error of the end, also that of a stop."""
        try:
            with self._open_stages() as (source, body, sink), self._blas():
                while not self._stopping:
                    # An element that enters after this line counts twice for `run`, not never.
                    pending = 0 if self._vectorized is None else self._vectorized.sink.pending
                    left = self._left()
                    if left <= 0:
                        break
                    if self._vectorized is None:
                        self._iterate(source, body, sink, left)
                    else:
                        self._vectorized.run(left, pending, partial(self._iterate, source, body, sink, left))
                        self._wait_until_writable(self._release)
        except OutOfRangeError:
            raise
        except OpError:
            if self._stop is None:
                raise
            raise self._stop from None  # the failure may be a result of the stop, such as the end of the session
        if self._stop is not None:
            raise self._stop

    def _left(self) -> int:
        return sys.maxsize if self.spec.steps is None else self.spec.steps - self.iterations

    def _iterate(self, source: Source, body: Body, sink: Sink, left: int) -> None:
        """Make one iteration."""
        values = sink.put(body.run(source.take(left)))
        self.iterations += 1
        if self._reported(self.iterations - 1):
            values = [None if value is None else to_host(value) for value in values]
            self._note(values)
            self._report(self.iterations, tuple(values))
            self._wait_until_writable(self._release)

    @contextmanager
    def _open_stages(self) -> Iterator[tuple[Source, Body, Sink]]:
        """The context with the stages of the iterations.

        At its end, elements that were put are in their queue, and prefetched elements that were not used go back.
        """
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
        if self._stop is not None:  # `stop` may have run before the stages were made
            self._stop_stages(self._stop)
        failed = True
        try:
            yield source, body, sink
            failed = False
        finally:
            _close(self._stages, failed)

    def _blas(self) -> Any:
        """The context with the loop's share of BLAS threads, if its parts in this process multiply matrices."""
        session, call = self.spec.session, self.spec.call
        executors = [self._process.executors[device] for device in call.addresses if device in self._process.executors]
        multiplies = any("MatMul" in executor.installed(session, call.number).plan.kinds for executor in executors)
        return BLAS.loop() if multiplies else nullcontext()

    def _release(self) -> None:
        """Release prefetched elements and reserved room for others, before a wait that may be long."""
        for stage in self._stages:
            stage.release()

    # -- reports

    def _advanced(self, iterations: int) -> None:
        """Count iterations that were made at once, and report some of them."""
        self.at_once += iterations
        before = self.iterations
        self.iterations += iterations
        for iteration in self._reported(before):
            self._report(iteration, (None,) * len(self.spec.call.fetches))

    def _reported(self, before: int) -> list[int]:
        """The iterations after number `before`, up to now, that are reported."""
        every, now = self.spec.every, self.iterations
        reported = list(range(before - before % every + every, now + 1, every))
        last = now == self.spec.steps and before < now and now % every
        return [*reported, now] if last else reported

    def _note(self, values: list[Any]) -> None:
        """Keep the scalars among the values for the dashboard."""
        for name, value in zip(self.spec.names, values, strict=False):
            if getattr(value, "ndim", None) == 0 and value.dtype != object:
                self.values[name] = float(value)

    # -- stopping, in any thread

    def stop(self, error: OpError | None = None) -> None:
        """End the loop after the current iteration; with an error, also end each wait of this iteration."""
        self._stop = error or self._stop  # set before the stages are looked up: later ones see it
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
        """The row of this loop on the dashboard."""
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
    """Close all stages, also after one of them has raised an error; raises that error."""
    if stages:
        try:
            stages[0].close(failed)
        finally:
            _close(stages[1:], failed)
