"""A cold step's part on one device: its segments come one by one, as Dask tasks.

A segment of an announced step runs once, whatever Dask starts again; see `cold.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from distributed import secede

from dflow.errors import CancelledError, OpError, UnavailableError
from dflow.runtime.base.answers import WAITING
from dflow.runtime.base.ids import Edges, StepId
from dflow.runtime.base.transfers import to_host
from dflow.runtime.device.installed import InstalledPlan, Route
from dflow.runtime.device.loan import Loan
from dflow.runtime.device.part import Attempts, Host, PartOutlet, with_record
from dflow.runtime.device.program import Program


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """What a segment's task gives: the values of its edges to other segments.

    end: what ended the step, if that is no failure; there are no values then.
    """

    values: dict[int, Any]
    end: OpError | None = None


class ColdPart(Attempts):
    """A cold step's part on one device: its segments come one by one, as Dask tasks."""

    def __init__(
        self, host: Host, session: str, installed: InstalledPlan, step: StepId, feeds: Edges, outlet: PartOutlet
    ) -> None:
        super().__init__(host, session, installed, step, outlet)
        self._places = {program.segment.index: i for i, program in enumerate(installed.programs)}
        self._feeds = [(edge, host.asarray(value)) for edge, value in feeds]
        self._claimed: set[int] = set()
        self._answers: dict[int, SimpleQueue[Any]] = {}  # what the tasks of attempts wait for
        self._loans: list[Loan] = []  # of which the hosts of other devices were asked

    def run_segment(self, index: int, values: dict[int, Any]) -> SegmentResult:
        """Run one segment, once; waits for a blocking one.  Raises its error, or the one that ended the part."""
        i = self._places[index]
        program = self._installed.programs[i]
        with self._lock:
            self.check()
            if i in self._claimed:
                fact = "it ran already, and what it gave was lost with a worker; a step runs at most once"
                raise UnavailableError(program.info, None, fact)
            self._claimed.add(i)
        known = dict(self._feeds) | {edge: self.host.asarray(value) for edge, value in values.items()}
        try:
            results = self._wait_for(i, program, known) if program.blocks else program.run(known)
        except OpError as error:
            with_record(error, self._records)
            raise
        route = self._installed.routes[i]
        self._send(route, results, self._loan(i, route) if program.blocks else None)
        passed_on = {edge for edges in (route.here, *(edges for *_, edges in route.there)) for edge in edges}
        return SegmentResult({edge: to_host(value) for edge, value in results.items() if edge in passed_on})

    def _send(self, route: Route, results: dict[int, Any], loan: Loan | None) -> None:
        """What was fetched goes straight to the owner, who counts the segments that it waits for."""
        if not route.caller:
            if not route.here and not route.there:
                self.outlet.finished(self.host.name)
            return
        try:
            self.outlet.fetched([(edge, results.get(edge)) for edge in route.caller], loan, self.host.name)
        except BaseException:
            if loan is not None:
                loan.give_back()
            raise

    def _wait_for(self, i: int, program: Program, values: dict[int, Any]) -> dict[int, Any]:
        answer = self._answers[i] = SimpleQueue()
        outcome = self.attempt(i, program, values)
        if outcome is WAITING:
            secede()
            outcome = answer.get()
        return self.results(program, outcome)

    def _answered(self, index: int, outcome: Any) -> None:
        self._answers[index].put(outcome)

    def _loan(self, i: int, route: Route) -> Loan | None:
        """Find the owner of what was lent to a segment.

        On this device it is the step's own now.  The hosts of other devices that use it say whether they are there:
        the values come with Dask, but a loan that waited for these would make the queue wait for what else their
        segments need.
        """
        settle = self.take(i)
        if settle is None:
            return None
        if route.here or not route.receivers:
            settle(True)
            return None
        loan = Loan(settle, route.receivers)
        with self._lock:
            self._loans.append(loan)
        for device, address, _ in route.there:
            self.outlet.send(device, address, [], loan)
        return loan

    def finish(self) -> None:
        """The step ended well: what was lent to it is its own, whatever a host says that is asked, or answers, late."""
        with self._lock:
            loans, self._loans = self._loans, []
        for loan in loans:
            loan(True)
        self.cancel(CancelledError(None, None, "the step has ended"))

    def wants(self) -> bool:
        """Whether tensors that are lent, and come with Dask, will be the step's own here."""
        with self._lock:
            return self.ended is None or self.host.ended_well(self.step)

    def deliver(self, edges: Edges) -> None:
        """Nothing: the tensors come with Dask."""
