"""The handle of a loop: gives the reported values, stops the loop, and waits for its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from dflow import forks
from dflow.compile import LoopSpec, Plan, choose_driver
from dflow.devices import canonical_name, matching
from dflow.errors import CancelledError, InvalidArgumentError, OpError, OutOfRangeError
from dflow.runtime.base.failures import lost
from dflow.runtime.base.transfers import fetched
from dflow.runtime.loop.run import LoopRun
from dflow.runtime.session.fetches import FetchMap

logger = logging.getLogger("dflow.loops")

REPORTS_KEPT = 1000  # of a loop that no one iterates over


def driver_of(plan: Plan, device: Any, fast: bool) -> str:
    """The device that a loop runs on: as asked, else the one that suits its plan.  fast: see `settings.fast_loops`."""
    if device is None:
        return choose_driver(plan, prefetch=fast)
    found = matching(canonical_name(device), plan.parts)
    if not found:
        raise InvalidArgumentError(
            None, None, f"no operation of the loop is on {device!r}; its devices are {', '.join(plan.parts)}"
        )
    return found[0]


def may_vectorize(plan: Plan, label: str) -> bool:
    """Whether a loop of this plan may run many records at once; logs why one that reads and enqueues may not."""
    if plan.one_by_one:
        logger.warning("the loop %s goes record by record: %s", label, plan.one_by_one)
    return plan.vectorized is not None


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

    @property
    def ending(self) -> bool:
        """Whether its Dask task has ended and its last values are still on their way, for which the end waits."""
        return self._end is not None

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
