"""The state of one process (`Process`): its device executors, channels, sessions, steps and loops.

A worker has one `Process`, which the worker plugin makes.  Each session on a cluster has one of its own in the client's
process.  Each local session has one with executors and without channels.

`dispatch.py` handles the messages of the channels.  When a channel ends, `Process.channel_closed` ends everything that
depends on it: sessions, parts, steps, loops and calls.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol

import numpy as np

from dflow.compile import LoopSpec, LoopSteps, Threads
from dflow.errors import CancelledError, InternalError, OpError
from dflow.runtime.base.answers import Settle
from dflow.runtime.base.failures import lost, unknown_session
from dflow.runtime.base.held import Held
from dflow.runtime.base.ids import Edges, StepId
from dflow.runtime.device.blocking_attempt import BlockingAttempt
from dflow.runtime.device.executor import DeviceExecutor
from dflow.runtime.device.part import end_parts
from dflow.runtime.threads.blas import BLAS
from dflow.runtime.threads.leader_followers import LeaderFollowers
from dflow.runtime.threads.serial_executor import SerialExecutor
from dflow.runtime.transport import messages as m
from dflow.runtime.transport.calls import Calls, ServedCalls
from dflow.runtime.transport.channel import Channel
from dflow.specs import QueueSpec

LOOPS_KEPT = 100  # ended loops that are kept for the dashboard; the oldest are dropped first


class RunningStep(Protocol):
    """A step whose owner is in this process: `Step` in `step.py`."""

    def fetched(self, edges: Edges, delivery: Settle | None, finished: str = "") -> object: ...

    def finished(self, device: str) -> None: ...

    def failed(self, device: str, error: OpError) -> None: ...

    def cancel(self, error: BaseException) -> None: ...

    def channel_closed(self, channel: Channel) -> None: ...


class RunningLoop(Protocol):
    """A loop that runs, or is about to run, in this process: `LoopRun` in `loop/run.py`.

    The user's handle of a loop is another object: `Loop` in `session/loop_handle.py`.
    """

    spec: LoopSpec

    @property
    def over(self) -> bool: ...

    def devices_at(self, address: str) -> list[str]: ...

    def stop(self, error: OpError | None = None) -> None: ...

    def claim(self) -> bool: ...

    def run(self) -> tuple[int, OpError | None]: ...

    def row(self, process: str) -> dict[str, Any]: ...


class Process:
    """The runtime of one worker, or of one session in its client.

    A process of the operating system with several workers or sessions has several `Process` objects.

    name: the name that peers use, a worker's address or a session's id.
    connect: opens a channel to an address.  handle: handles a message, see `dispatch.py`.  A local session has neither.
    start_loop: starts a `while_loop` whose iterations are steps, see `graph_loop.py`.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[Process, str], Channel] | None = None,
        handle: Callable[[Process, Channel, Any], None] | None = None,
        start_loop: Callable[..., Callable[[], None]] | None = None,
    ) -> None:
        self.name = name
        self._start_loop = start_loop
        self.incarnation = uuid.uuid4().hex  # a restarted worker has the same devices, empty
        self.threads = LeaderFollowers(f"dflow-{name}", max(2, os.cpu_count() or 1))
        self.executors: dict[str, DeviceExecutor] = {}
        self.copy_queues: dict[str, SerialExecutor] = {}  # GPU -> copies tensors of channels to it
        self.steps: dict[StepId, RunningStep] = {}
        self.attempts: set[BlockingAttempt] = set()  # steps that are one attempt each
        self.loops: dict[tuple[str, str], RunningLoop] = {}
        self.calls = Calls()
        self.served = ServedCalls()
        self.on_loop_report: Callable[[m.LoopReport | m.LoopDone], None] = lambda report: None
        self.on_channel_closed: Callable[[Channel], None] = lambda channel: None
        self.closing: OpError | None = None  # why nothing new starts, while it closes
        self._connect = connect
        self._handle = handle
        self._no_steps = threading.Event()  # set when the last step ends while it closes
        self._lock = threading.RLock()
        self._channels: dict[str, Channel] = {}
        self._semaphores: dict[str, threading.Semaphore] = {}  # session -> limits its programs that run at once
        self._sessions: dict[str, Channel | None] = {}  # began here -> channel to the client, if any
        self._ending = threading.RLock()  # held while a session ends: one of its name begins afterwards

    # -- running

    def add_executor(self, executor: DeviceExecutor) -> None:
        executor.process = self
        self.executors[executor.name] = executor
        if executor.xp is not np:
            self.copy_queues[executor.name] = SerialExecutor(self.in_pool)

    def cancel_steps(self, error: OpError) -> None:
        """End all steps with an owner here, each with its own copy of the error: a raise adds a traceback to it."""
        for step in list(self.steps.values()):
            step.cancel(error.portable())

    def step_ended(self, step: StepId) -> None:
        """Forget a step that has ended and whose owner is here."""
        del self.steps[step]
        if self.closing is not None and not self.steps:
            self._no_steps.set()

    def wait_for_steps(self, seconds: float) -> None:
        """Wait until the steps with an owner here have ended: they acknowledge their deliveries first.

        `closing` has to be set.
        """
        self._no_steps.clear()
        if self.steps:
            self._no_steps.wait(seconds)

    def in_pool(self, work: Callable[..., object], *arguments: Any) -> None:
        """Run the work of a message in a thread of the pool.  No work starts while the process closes."""
        if self.closing is None:
            self.threads.submit(partial(work, *arguments))

    def deliver(self, step: StepId, device: str, edges: Edges, delivery: Settle | None) -> None:
        """Deliver tensors of another process to a step's part on a device here; to a GPU, in their order."""
        deliver, copies = partial(self.executors[device].deliver, step, edges, delivery), self.copy_queues.get(device)
        if copies is None:
            deliver()
        else:
            copies.add(deliver)

    def call_queue(
        self,
        session: str,
        device: str,
        address: str,
        queue: QueueSpec,
        method: str,
        answer: Callable[..., None],
        *arguments: Any,
    ) -> Callable[[], None]:
        """Make one attempt on a queue of any device, outside of a step.  Returns the function that withdraws it."""
        executor = self.executors.get(device)
        if executor is None:
            channel = self.channel_to(address)
            withdraw = self.calls.call_queue(channel, session, device, queue, method, answer, *arguments)
            self._check_calls(channel)
        else:
            withdraw = executor.resource_of(queue, session).attempt(answer, method, *arguments)
        return withdraw

    def start_loop(
        self, session: str, loop: LoopSteps, operands: Sequence[Any], reply: Callable[..., None]
    ) -> Callable[[], None]:
        """Start a `while_loop` whose iterations are steps.  Returns the function that withdraws it."""
        assert self._start_loop is not None, "a process that runs steps has it"
        return self._start_loop(self, session, loop, operands, reply)

    def queue_rows(self) -> list[dict[str, Any]]:
        """The rows of the queues on this process's devices, with the attempts that wait for them."""
        return [row for executor in list(self.executors.values()) for row in executor.state.queue_rows()]

    def held(self) -> Held:
        """The sessions, steps, attempts, loops, calls, parts and messages that this process holds now."""
        return Held(
            sessions=tuple(self.sessions()),
            steps=tuple(self.steps),
            attempts=len(self.attempts),
            loops=tuple(self.loops),
            calls=len(self.calls),
            serving=len(self.served),
            devices={name: executor.held() for name, executor in list(self.executors.items())},
            channels={channel.peer: channel.held() for channel in self.channels()},
        )

    # -- sessions and their loops

    def begin_session(self, session: str, channel: Channel | None = None) -> None:
        """Let a session use this process, until `end_session`.

        channel: to its client, if there is one: the session ends with it.
        """
        with self._lock:
            self._sessions[session] = channel
            for executor in self.executors.values():
                executor.begin_session(session)

    def allow(self, session: str, threads: Threads) -> AbstractContextManager[Any]:
        """Limit the threads of a session's steps here.  Returns the context in which each program runs.

        AbortedError for a session that did not begin here, or has ended.
        """
        with self._lock:
            self.check_session(session)
            if threads.intra:
                BLAS.limit(f"{session} on {self.name}", threads.intra)  # an OS process may have several workers
            if threads.inter <= 0:
                return nullcontext()
            return self._semaphores.setdefault(session, threading.Semaphore(threads.inter))

    def end_session(self, session: str, error: OpError) -> None:
        """Cancel the session's steps and loops here, and drop its private state."""
        with self._ending:
            with self._lock:
                BLAS.release(f"{session} on {self.name}")
                self._sessions.pop(session, None)
                self._semaphores.pop(session, None)
                loops = [self.loops.pop(key) for key in list(self.loops) if key[0] == session]
            for loop in loops:
                loop.stop(error)
            for executor in list(self.executors.values()):
                executor.drop_session(session, error)

    def check_session(self, session: str) -> None:
        """AbortedError for a session that did not begin here, or has ended."""
        with self._lock:
            if session not in self._sessions:
                raise unknown_session(session, self.name)

    def sessions(self) -> list[str]:
        """The sessions that may use this process."""
        with self._lock:
            return list(self._sessions)

    def add_loop(self, run: RunningLoop) -> None:
        """Add a loop that a Dask task will run here; AbortedError if its session did not begin here, or has ended."""
        with self._lock:
            self.check_session(run.spec.session)
            self.loops[run.spec.session, run.spec.name] = run
            for old in [key for key, loop in self.loops.items() if loop.over][:-LOOPS_KEPT]:
                del self.loops[old]

    # -- channels

    def channel_to(self, address: str) -> Channel:
        """The channel to a process.  If there is none, one is opened, without waiting for the connection."""
        with self._lock:
            channel = self._channels.get(address)
            if channel is None or channel.closed:
                if self.closing is not None:
                    raise self.closing
                if self._connect is None:
                    raise InternalError(None, None, f"a local session has no channel to {address!r}")
                channel = self._channels[address] = self._connect(self, address)
            return channel

    def channels(self) -> list[Channel]:
        """The channels that have not ended."""
        with self._lock:
            return list(self._channels.values())

    def accepted(self, channel: Channel, hello: m.Hello) -> None:
        """Add a channel that another process opened, and begin the session of that client.

        A client opens a second channel after it has seen the end of the first one, perhaps before this process has seen
        it.  The client then expects that its session's private state, such as its own queues, is gone.  So a session
        that is still here is ended first.
        """
        with self._ending:
            if self._sessions.get(hello.session) is not None:
                self.end_session(hello.session, _client_gone(hello.session))
            with self._lock:
                current = self._channels.get(hello.peer)
                if current is None or current.closed:
                    self._channels[hello.peer] = channel
                if hello.session:
                    self.begin_session(hello.session, channel)

    def handler(self, channel: Channel) -> Callable[[Any], None]:
        """The function that is called with each message of a channel."""
        assert self._handle is not None  # a process that has channels
        return partial(self._handle, self, channel)

    def request(self, channel: Channel, make: Callable[[int], Any]) -> Future[Any]:
        """Send the message `make(call)` of a new call.  The future ends with the answer, or with the channel."""
        future = self.calls.request(channel, make)
        self._check_calls(channel)
        return future

    def _check_calls(self, channel: Channel) -> None:
        """End the calls over a closed channel: `channel_closed` may have run before the last call was added."""
        if channel.closed:
            self.calls.channel_closed(channel, self.closing)

    def ask_queue_rows(self, channel: Channel) -> Future[Any]:
        """Request the `queue_rows` of another process."""
        return self.request(channel, m.QueueRows)

    # -- the end

    def channel_closed(self, channel: Channel) -> None:
        """Handle the end of a channel: the other process is gone.

        Withdraws the attempts of that process, fails calls, steps, parts and loops that need it, and ends its sessions.
        """
        self.served.channel_closed(channel)
        self.calls.channel_closed(channel, self.closing)
        self._steps_lost(channel)
        self._parts_lost(channel)
        self._loops_lost(channel)
        self._sessions_lost(channel)
        self.on_channel_closed(channel)
        with self._lock:  # at the end: a process that is not in `channels` any more is known to be gone
            if self._channels.get(channel.peer) is channel:
                del self._channels[channel.peer]

    def _steps_lost(self, channel: Channel) -> None:
        for step in list(self.steps.values()):
            step.channel_closed(channel)

    def _parts_lost(self, channel: Channel) -> None:
        """End the parts whose owner is gone; fail the parts that send tensors to a lost part."""
        executors = list(self.executors.values())
        error = CancelledError(None, None, f"{channel.peer}, which ran this step, is gone")
        end_parts(
            [p for executor in executors for p in executor.parts_of(lambda part: part.router.channel is channel)], error
        )
        for cut in [
            p for executor in executors for p in executor.parts_of(lambda part: bool(part.sends_to(channel.peer)))
        ]:
            cut.fail(lost(channel.peer, cut.sends_to(channel.peer), "this step's part there"))

    def _loops_lost(self, channel: Channel) -> None:
        """End the loops that use devices of a process that is gone, also a loop that is between two steps.

        Such a loop would otherwise go on with a new, empty device at the same address.
        """
        with self._lock:
            loops = list(self.loops.values())
        for loop in loops:
            devices = loop.devices_at(channel.peer)
            if devices and not loop.over:
                loop.stop(lost(channel.peer, devices, f"what the loop {loop.spec.label!r} uses there"))

    def _sessions_lost(self, channel: Channel) -> None:
        """End the sessions of a client that is gone, except for a session that goes on over another channel."""
        with self._ending:
            with self._lock:
                sessions = [session for session, own in self._sessions.items() if own is channel]
            for session in sessions:
                self.end_session(session, _client_gone(session))

    def close(self) -> None:
        """Close all channels and the pool of threads.  No work starts from now on."""
        with self._lock:
            self.closing = self.closing or CancelledError(None, None, f"{self.name} is closing")
            channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            channel.close()
        self.threads.close()


def _client_gone(session: str) -> OpError:
    return CancelledError(None, None, f"the client of session {session} is gone")
