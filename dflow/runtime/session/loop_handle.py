"""The handle of a loop (`Loop`), which `Session.repeat` returns: for its reported values, a stop, and its end.

`Loop` may be confused with `LoopRun` (`loop/run.py`), which runs the loop on the worker of its driver or in a thread of
a local session, and with `LoopSpec` (`compile/loops/spec.py`), the description of a loop.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from dflow import forks
from dflow.compile import LoopSpec, Plan, choose_driver, loop_notes
from dflow.devices import canonical_name, matching
from dflow.errors import CancelledError, InvalidArgumentError, OpError, OutOfRangeError
from dflow.runtime.base.failures import lost
from dflow.runtime.base.transfers import fetched
from dflow.runtime.loop.run import LoopRun
from dflow.runtime.session.fetches import FetchMap

logger = logging.getLogger("dflow.loops")

REPORTS_KEPT = 1000  # unread reports; the oldest are dropped first


def driver_of(plan: Plan, device: Any, fast: bool) -> str:
    """The driver of a loop: the user's device, else the one that suits the plan.  fast: see `settings.fast_loops`."""
    if device is None:
        return choose_driver(plan, prefetch=fast)
    devices = matching(canonical_name(device), plan.parts)
    if not devices:
        raise InvalidArgumentError(
            None, None, f"no operation of the loop is on {device!r}; its devices are {', '.join(plan.parts)}"
        )
    return devices[0]


def notes_of(plan: Plan, driver: str, label: str) -> tuple[str, ...]:
    """Why a loop of this plan does not prefetch, pipeline or make many iterations at once.  Logs these notes, too."""
    if plan.one_by_one:
        logger.warning("the loop %s goes record by record: %s", label, plan.one_by_one)
    notes = loop_notes(plan, driver)
    for note in notes:
        logger.info("the loop %s: %s", label, note)
    return notes


_END = object()


class Loop:
    """The handle of a loop.

    Iterate over it for pairs (iteration, values), with the values in the structure of the fetches.  The iteration ends
    with the loop, and raises the error that ended it.  `join`, `stop`, `done` and `steps` need no iteration.
    """

    def __init__(self, spec: LoopSpec, fetch_map: FetchMap, located: Callable[[OpError], OpError]) -> None:
        self.spec = spec
        self.name = spec.label
        self.steps: int | None = None  # iterations, after the end; None if the number was lost with the worker
        self.error: BaseException | None = None
        self.end_of_input: OutOfRangeError | None = None  # the error that was the end of the input
        self.stopper: Callable[[OpError | None], None] = lambda error: None
        self.uses: dict[str, str] = {}  # on a cluster: all devices that its steps use -> addresses
        self._fetch_map = fetch_map
        self._located = located
        self._reports: SimpleQueue[Any] = SimpleQueue()
        self._done = threading.Event()
        self._at_end: list[Callable[[], object]] = []
        self._lock = threading.Lock()
        self._all_reported = False
        self._made: int | None = None  # iterations, from the last report
        self._end: Callable[[], None] | None = None  # ends the loop after the last reports
        self._home = forks.Home(f"the loop {self.name!r}", "start a loop in a session of the child")
        forks.in_child(self, Loop._forked)

    def _forked(self) -> None:
        """In a forked child: a loop that has not ended is the parent's."""
        ended, self._lock, self._done = self._done.is_set(), threading.Lock(), threading.Event()
        if ended:
            self._done.set()
            self._reports.put(_END)  # the thread that ended it may have been about to do so
        else:
            self._home.leave()

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        while (report := self._next_report()) is not _END:
            iteration, values = report
            yield iteration, self._fetch_map.rebuild([None if v is None else fetched(v) for v in values])
        self._reports.put(_END)  # for the next iteration over it
        if self.error is not None:
            raise self.error

    def _next_report(self) -> Any:
        self._home.check()
        return self._reports.get()

    def done(self) -> bool:
        """Whether the loop has ended."""
        self._home.check()
        return self._done.is_set()

    @property
    def ending(self) -> bool:
        """Whether its Dask task has ended, and the end waits for the last values on their way."""
        return self._end is not None

    def join(self, timeout: float | None = None) -> int | None:
        """Wait for the end.  Returns the number of iterations; None if the loop did not end within `timeout` seconds.

        Raises the OpError that ended the loop.  A stop, or the end of the session, is no error.
        Like all other methods, raises FailedPreconditionError in a forked child for a loop of its parent.
        """
        self._home.check()
        if not self._done.wait(timeout):
            return None
        if self.error is not None:
            raise self.error
        return self.steps

    def stop(self, reason: str = "the loop was stopped", *, finish: bool = False) -> None:
        """End the loop.  Returns at once.

        The current iteration waits no longer.  With finish=True, it comes to its end first.
        """
        self._home.check()
        self.stopper(None if finish else CancelledError(None, None, reason))

    # -- called by the backend that runs it

    def reported(self, iteration: int, values: tuple[Any, ...]) -> None:
        """Keep a report for an iteration over the handle.  Of too many unread ones, the newest are kept."""
        while self._reports.qsize() >= REPORTS_KEPT:
            with suppress(Empty):
                self._reports.get_nowait()
        self._reports.put((iteration, values))

    def all_reported(self, steps: int | None = None) -> None:
        """Note that no further report is expected.  steps: the number of iterations, if it is known."""
        with self._lock:
            self._all_reported, self._made = True, steps
            end, self._end = self._end, None
        if end is not None:
            end()

    def ended_elsewhere(self, steps: int | None, error: BaseException | None, end: OpError | None = None) -> None:
        """Note the end of the loop in another process.  The handle ends after the last report, which comes by channel.

        steps: None if only the last report has the number.
        """
        with self._lock:
            if not self._all_reported:
                self._end = partial(self.ended_elsewhere, steps, error, end)
                return
        self.ended(self._made if steps is None else steps, error, end)

    def ended(self, steps: int | None, error: BaseException | None, end: OpError | None = None) -> None:
        """End the handle.  `join` raises `error`, or `end` if it is no OutOfRangeError."""
        end_of_input = end if isinstance(end, OutOfRangeError) else None
        if end_of_input is None and error is None:
            error = end
        if isinstance(error, OpError):
            error = self._located(error)
        with self._lock:
            if self._done.is_set():  # the first end counts
                return
            self.steps, self.error, self.end_of_input = steps, error, end_of_input
            self._done.set()
            callbacks, self._at_end = self._at_end, []
        self._reports.put(_END)
        for callback in callbacks:
            callback()

    def process_lost(self, address: str) -> None:
        """Stop the loop if its steps use a process that is gone, which is not the loop's own.

        The loop's own process does not notice the loss if only a part elsewhere uses the lost process: a reader that
        uses its queue of file names, for example.
        """
        devices = sorted(device for device, at in self.uses.items() if at == address)
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
        """Run the loop of a local session in this thread."""
        try:
            steps, end = run.run()
            self.ended(steps, None, end)
        except BaseException as error:
            self.ended(run.iterations, error)
