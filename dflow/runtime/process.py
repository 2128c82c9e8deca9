"""What one process knows: its device hosts, its lanes, the steps that it owns, the sessions that end with a lane.

A worker has one, made by the worker plugin; each session has one of its own in the client's process.  A local session's
has hosts and no lanes.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial, singledispatchmethod
from typing import Any, Protocol

from dflow.errors import AbortedError, CancelledError, InternalError, OpError, UnavailableError
from dflow.runtime import messages as m
from dflow.runtime.code import load_part
from dflow.runtime.cold_part import announce
from dflow.runtime.failures import as_op_error, lost
from dflow.runtime.host import DeviceHost
from dflow.runtime.lane import Lane
from dflow.runtime.loops import LoopRun, LoopSpec
from dflow.runtime.part import Edges, StepId, end_parts
from dflow.runtime.step import Step
from dflow.runtime.transfers import to_host
from dflow.specs import QueueSpec

logger = logging.getLogger("dflow.process")


class Owner(Protocol):
    """Who is told of a part's results and of its end."""

    def fetched(self, edges: Edges, loan: Callable[[bool], None] | None, finished: str = "") -> object: ...

    def finished(self, device: str) -> None: ...

    def failed(self, device: str, error: OpError) -> None: ...


class RemoteOwner:
    """An owner at the other end of a lane."""

    def __init__(self, lane: Lane, step: StepId) -> None:
        self.lane = lane
        self.step = step

    def fetched(self, edges: Edges, loan: Callable[[bool], None] | None, finished: str = "") -> None:
        number = self.lane.lend(loan)
        self.lane.send(m.Fetched(self.step, _on_host(edges), number, finished))

    def finished(self, device: str) -> None:
        self.lane.send(m.Finished(self.step, device))

    def failed(self, device: str, error: OpError) -> None:
        self.lane.send(m.Failed(self.step, device, error))


class PartOutlet:
    """Where the results of one part go: to other devices by their address, to the owner."""

    def __init__(self, process: Process, step: StepId, addresses: dict[str, str], owner: Owner) -> None:
        self._process = process
        self._step = step
        self._addresses = addresses
        self.owner = owner

    def send(self, device: str, edges: Edges, loan: Callable[[bool], None] | None) -> None:
        host = self._process.hosts.get(device)
        if host is not None:
            host.deliver(self._step, edges, loan)
            return
        lane = self._process.lane_to(self._addresses[device])
        number = lane.lend(loan)
        lane.send(m.Deliver(self._step, device, _on_host(edges), number))

    def fetched(self, edges: Edges, loan: Callable[[bool], None] | None, finished: str = "") -> None:
        self.owner.fetched(edges, loan, finished)

    def finished(self, device: str) -> None:
        self.owner.finished(device)

    def failed(self, device: str, error: OpError) -> None:
        self.owner.failed(device, error)


def _owner_lane(part: Any) -> Any:
    """The lane to the owner of a part; None if the owner is in this process."""
    return getattr(part.outlet.owner, "lane", None)


def _on_host(edges: Edges) -> Edges:
    return [(edge, to_host(value)) for edge, value in edges]


class Process:
    """The runtime of one process.

    name: what peers call it, a worker's address or a session's id.  connect: opens a lane to an address; None in a
    local session.  loops: what runs on this process, see loops.py.
    """

    def __init__(self, name: str, connect: Callable[[Process, str], Lane] | None = None) -> None:
        self.name = name
        self.hosts: dict[str, DeviceHost] = {}
        self.steps: dict[StepId, Step] = {}
        self.loops: dict[tuple[str, str], LoopRun] = {}
        self.on_loop_report: Callable[[m.LoopReport], None] = lambda report: None
        self.on_lane_closed: Callable[[Lane], None] = lambda lane: None
        self._connect = connect
        self.closing: OpError | None = None  # why nothing new begins
        self.aborted: set[str] = set()  # sessions whose target was reset
        self._lock = threading.RLock()
        self._lanes: dict[str, Lane] = {}
        self._session_lanes: dict[str, Lane] = {}
        self._requests: dict[int, tuple[Lane, Future[Any]]] = {}
        self._asked: dict[int, tuple[Lane, Callable[..., None]]] = {}  # our asks that wait for an answer
        self._serving: dict[tuple[Lane, int], Callable[[], None] | None] = {}  # asks of others
        self._numbers = itertools.count()
        self._pool: ThreadPoolExecutor | None = None

    # -- running

    @property
    def pool(self) -> ThreadPoolExecutor:
        """Where parts that were started by a message run their programs."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(max(2, os.cpu_count() or 1), f"dflow-{self.name}")
            return self._pool

    def outlet(self, step: StepId, session: str, device: str, plan: int, owner: Owner) -> PartOutlet:
        return PartOutlet(self, step, self.hosts[device].installed(session, plan).plan.addresses, owner)

    def add_host(self, host: DeviceHost) -> None:
        host.process = self
        self.hosts[host.name] = host

    def ask(
        self, session: str, device: str, address: str, queue: QueueSpec, method: str, answer: Callable[..., None]
    ) -> Callable[[], None]:
        """One attempt on a queue of any device, outside of a step; gives what withdraws it."""
        host = self.hosts.get(device)
        if host is not None:
            if any(other.knows(session) for other in self.hosts.values()):
                host.session(session)  # it may have nothing else there
            withdraw: Callable[[], None] = host.machine(queue, session).attempt(answer, method)
            return withdraw
        lane = self.lane_to(address)
        number = next(self._numbers)
        with self._lock:
            self._asked[number] = (lane, answer)
        lane.send(m.Ask(number, session, device, queue, method, ()))
        if lane.closed:
            self._answer_lost(number, lane)
        return lambda: lane.send(m.Withdraw(number))

    # -- lanes

    def lane_to(self, address: str) -> Lane:
        """The lane to a process; opened, without waiting for it, if there is none."""
        with self._lock:
            lane = self._lanes.get(address)
            if lane is None or lane.closed:
                if self.closing is not None:
                    raise self.closing
                if self._connect is None:
                    raise InternalError(None, None, f"a local session has no lane to {address!r}")
                lane = self._lanes[address] = self._connect(self, address)
            return lane

    def request(self, lane: Lane, make: Callable[[int], Any]) -> Future[Any]:
        """Send the message that `make(number)` gives; the future ends with its `Reply`, or with the lane."""
        number = next(self._numbers)
        future: Future[Any] = Future()
        with self._lock:
            self._requests[number] = (lane, future)
        lane.send(make(number))
        if lane.closed:
            self._request_lost(number, lane)
        return future

    def send_start(
        self, lane: Lane, session: str, device: str, plan: int, step: StepId, floor: int, feeds: Edges
    ) -> None:
        lane.send(m.Start(session, device, plan, step, floor, _on_host(feeds)))
        if lane.closed:
            self._step_lost(lane)

    def send_cancel(self, lane: Lane, step: StepId, device: str, error: OpError) -> None:
        lane.send(m.Cancel(step, device, error))

    def lanes(self) -> list[Lane]:
        """The lanes that are open."""
        with self._lock:
            return list(self._lanes.values())

    def close(self) -> None:
        """Close every lane and stop the pool."""
        with self._lock:
            lanes, self._lanes = list(self._lanes.values()), {}
            pool, self._pool = self._pool, None
        for lane in lanes:
            lane.close()
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def lane_closed(self, lane: Lane) -> None:
        """The other process is gone: withdraw what it wanted, fail what it was to do for us, end its sessions."""
        with self._lock:
            if self._lanes.get(lane.peer) is lane:
                del self._lanes[lane.peer]
            serving = [key for key in self._serving if key[0] is lane]
            withdraws = [self._serving.pop(key) for key in serving]
            requests = [number for number, (other, _) in self._requests.items() if other is lane]
            asked = [number for number, (other, _) in self._asked.items() if other is lane]
            sessions = [session for session, other in self._session_lanes.items() if other is lane]
        for withdraw in withdraws:
            if withdraw is not None:
                withdraw()
        for number in requests:
            self._request_lost(number, lane)
        for number in asked:
            self._answer_lost(number, lane)
        self._step_lost(lane)
        hosts = list(self.hosts.values())
        gone = CancelledError(None, None, f"{lane.peer}, which ran this step, is gone")
        end_parts([p for host in hosts for p in host.parts_of(lambda part: _owner_lane(part) is lane)], gone)
        for cut in [p for host in hosts for p in host.parts_of(lambda part: bool(part.sends_to(lane.peer)))]:
            cut.fail(lost(lane.peer, cut.sends_to(lane.peer), "this step's part there"))
        for session in sessions:
            self.end_session(session, CancelledError(None, None, f"the client of session {session} is gone"))
            self.aborted.discard(session)
        self.on_lane_closed(lane)

    def end_session(self, session: str, error: OpError) -> None:
        """Cancel the session's steps and loops here, and drop what was private to it."""
        with self._lock:
            self._session_lanes.pop(session, None)
            loops = [self.loops.pop(key) for key in list(self.loops) if key[0] == session]
        for loop in loops:
            loop.stop(error)
        for host in list(self.hosts.values()):
            host.drop_session(session, error)

    def check_session(self, session: str) -> None:
        """AbortedError for a session whose target was reset."""
        if session in self.aborted:
            raise AbortedError(None, None, "the session's target was reset; open a new session")

    def session_lane(self, session: str) -> Lane | None:
        """The lane to the client of a session."""
        with self._lock:
            return self._session_lanes.get(session)

    def _request_lost(self, number: int, lane: Lane) -> None:
        with self._lock:
            _, future = self._requests.pop(number, (None, None))
        if future is not None:
            future.set_exception(self.closing or lost(lane.peer, [], "a request to it"))

    def _answer_lost(self, number: int, lane: Lane) -> None:
        with self._lock:
            _, answer = self._asked.pop(number, (None, None))
        if answer is not None:
            answer(lost(lane.peer, [], "the queue that a reader takes its files from"))

    def _step_lost(self, lane: Lane) -> None:
        for step in list(self.steps.values()):
            step.lane_closed(lane)

    # -- messages; called on the event loop, so nothing here waits

    def accepted(self, lane: Lane, hello: m.Hello) -> None:
        """A lane was opened by another process."""
        with self._lock:
            self._lanes.setdefault(hello.peer, lane)
            if hello.session:
                self._session_lanes[hello.session] = lane

    def received(self, lane: Lane, message: Any) -> None:
        try:
            self._on(message, lane)
        except Exception as error:
            logger.exception("a message of %s failed: %s", lane.peer, type(message).__name__)
            loan, number = getattr(message, "loan", None), getattr(message, "reply", None)
            if loan is not None:
                lane.send(m.Settled(loan, False))
            if number is not None and not isinstance(message, m.Reply):  # someone waits for an answer
                lane.send(m.Reply(number, None, as_op_error(error)))

    @singledispatchmethod
    def _on(self, message: Any, lane: Lane) -> None:
        raise InternalError(None, None, f"unknown message {message!r}")

    @_on.register
    def _(self, message: m.Start, lane: Lane) -> None:
        self.pool.submit(self._start, message, lane)

    def _start(self, message: m.Start, lane: Lane) -> None:
        owner = RemoteOwner(lane, message.step)
        try:
            self.check_session(message.session)
            outlet = self.outlet(message.step, message.session, message.device, message.plan, owner)
            host = self.hosts[message.device]
            part = host.start(
                message.session, message.plan, message.step, message.floor, message.feeds, outlet, self._in_pool
            )
        except Exception as error:
            owner.failed(message.device, as_op_error(error))
            return
        if lane.closed:  # meanwhile, so that `lane_closed` did not see the part
            part.cancel(CancelledError(None, None, f"{lane.peer}, which ran this step, is gone"))

    def _in_pool(self, work: Callable[[], None]) -> None:
        try:
            self.pool.submit(work)
        except RuntimeError:  # the process is closing
            logger.debug("a segment was dropped: the process is closing")

    @_on.register
    def _(self, message: m.Deliver, lane: Lane) -> None:
        loan = None if message.loan is None else partial(self._settled, lane, message.loan)
        self.hosts[message.device].deliver(message.step, message.edges, loan)

    @staticmethod
    def _settled(lane: Lane, loan: int, accepted: bool) -> None:
        lane.send(m.Settled(loan, accepted))

    @_on.register
    def _(self, message: m.Fetched, lane: Lane) -> None:
        step = self.steps.get(message.step)
        accepted = step is not None and step.fetched(message.edges, None, message.finished)
        if message.loan is not None:
            lane.send(m.Settled(message.loan, accepted))

    @_on.register
    def _(self, message: m.Finished, lane: Lane) -> None:
        step = self.steps.get(message.step)
        if step is not None:
            step.finished(message.device)

    @_on.register
    def _(self, message: m.Failed, lane: Lane) -> None:
        step = self.steps.get(message.step)
        if step is not None:
            step.failed(message.device, message.error)
            return
        host = self.hosts.get(message.device)  # a tensor for a part here could not be sent
        part = host.part(message.step) if host is not None else None
        if part is not None:
            part.fail(message.error)

    @_on.register
    def _(self, message: m.Cancel, lane: Lane) -> None:
        self.hosts[message.device].cancel(message.step, message.error)

    @_on.register
    def _(self, message: m.Settled, lane: Lane) -> None:
        lane.settle(message.loan, message.accepted)

    @_on.register
    def _(self, message: m.Reply, lane: Lane) -> None:
        with self._lock:
            _, future = self._requests.pop(message.reply, (None, None))
        if future is None:
            return
        if message.error is not None:
            future.set_exception(message.error)
        else:
            future.set_result(message.value)

    @_on.register
    def _(self, message: m.Ask, lane: Lane) -> None:
        key = (lane, message.number)
        self._serving[key] = None

        def answer(outcome: Any, settle: Callable[[bool], None] | None = None) -> None:
            with self._lock:
                wanted = key in self._serving
                self._serving.pop(key, None)
            if not wanted and settle is not None:
                settle(False)
            else:
                lane.send(m.Answer(message.number, outcome, lane.lend(settle)))

        try:
            host = self.hosts[message.device]
            host.session(message.session)  # it may have nothing else here
            machine = host.machine(message.queue, message.session)
            withdraw = machine.attempt(answer, message.method, *message.arguments)
        except Exception as error:
            answer(as_op_error(error))
            return
        with self._lock:
            if key in self._serving:
                self._serving[key] = withdraw

    @_on.register
    def _(self, message: m.Withdraw, lane: Lane) -> None:
        with self._lock:
            withdraw = self._serving.get((lane, message.number))
        if withdraw is not None:
            withdraw()

    @_on.register
    def _(self, message: m.Answer, lane: Lane) -> None:
        with self._lock:
            _, answer = self._asked.pop(message.number, (None, None))
        settle = None if message.loan is None else partial(self._settled, lane, message.loan)
        if answer is not None:
            self.pool.submit(answer, message.outcome, settle)
        elif settle is not None:
            settle(False)

    @_on.register
    def _(self, message: m.Install, lane: Lane) -> None:
        self.pool.submit(self._replying, lane, message.reply, partial(self._install, message))

    def _install(self, message: m.Install) -> None:
        self.check_session(message.session)
        host = self.hosts.get(message.device)
        if host is None:
            raise UnavailableError(None, None, f"{self.name} has no device {message.device}; it has {list(self.hosts)}")
        loaded = load_part(message.blob, self.name)
        host.install(message.session, loaded.part, loaded.kernels, loaded.formats)
        if self.session_lane(message.session) is None:  # it ended meanwhile
            host.drop_session(message.session, CancelledError(None, None, f"session {message.session} has ended"))

    @_on.register
    def _(self, message: m.Forget, lane: Lane) -> None:
        for host in self.hosts.values():
            host.forget_plan(message.session, message.plan)

    @_on.register
    def _(self, message: m.Reset, lane: Lane) -> None:
        self.pool.submit(self._replying, lane, message.reply, partial(self._reset, message))

    def _reset(self, message: m.Reset) -> None:
        for host in self.hosts.values():
            host.reset(message.containers or ("",))
        with self._lock:
            sessions = list(self._session_lanes)
            self.aborted.update(sessions)
        for session in sessions:
            self.end_session(session, AbortedError(None, None, "the session's target was reset"))

    @_on.register
    def _(self, message: m.Announce, lane: Lane) -> None:
        self.pool.submit(
            self._replying, lane, message.reply, partial(announce, self, message, RemoteOwner(lane, message.step))
        )

    @_on.register
    def _(self, message: m.TakeOver, lane: Lane) -> None:
        part = self.hosts[message.device].part(message.step)
        lane.send(m.Reply(message.reply, part is not None and part.take_over(message.segment)))

    @_on.register
    def _(self, message: m.EndStep, lane: Lane) -> None:
        part = self.hosts[message.device].part(message.step)
        if part is not None:
            part.finish()

    @_on.register
    def _(self, message: m.InstallLoop, lane: Lane) -> None:
        spec = message.spec
        self.loops[spec.session, spec.name] = LoopRun(self, spec, partial(self._report, spec))
        lane.send(m.Reply(message.reply))

    def _report(self, spec: LoopSpec, iteration: int, values: tuple[Any, ...]) -> None:
        lane = self.session_lane(spec.session)
        if lane is not None:
            lane.wait_for_room()
            lane.send(m.LoopReport(spec.session, spec.name, iteration, values))

    @_on.register
    def _(self, message: m.LoopReport, lane: Lane) -> None:
        self.on_loop_report(message)

    @_on.register
    def _(self, message: m.StopLoop, lane: Lane) -> None:
        loop = self.loops.get((message.session, message.loop))
        if loop is not None:
            loop.stop(message.error)

    @_on.register
    def _(self, message: m.EndOwner, lane: Lane) -> None:
        for host in self.hosts.values():
            host.end_owner(message.owner, message.error)

    def queue_rows(self) -> list[dict[str, Any]]:
        """How the queues of this process's devices are, and who waits for them."""
        return [row for host in list(self.hosts.values()) for row in host.queue_rows()]

    def ask_queue_rows(self, lane: Lane) -> Future[Any]:
        """The same of another process."""
        return self.request(lane, m.QueueRows)

    @_on.register
    def _(self, message: m.QueueRows, lane: Lane) -> None:
        lane.send(m.Reply(message.reply, self.queue_rows()))

    @_on.register
    def _(self, message: m.EndSession, lane: Lane) -> None:
        self.pool.submit(self.end_session, message.session, CancelledError(None, None, "Session::Close: it was closed"))

    def _replying(self, lane: Lane, number: int, work: Callable[[], Any]) -> None:
        try:
            lane.send(m.Reply(number, work()))
        except Exception as error:
            lane.send(m.Reply(number, None, as_op_error(error)))
