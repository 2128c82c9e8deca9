"""Handlers of the messages that a process receives over its channels, one for each kind of message.

A handler runs in the thread that reads the channel, before the channel's next message.  So handlers never wait: work
that may wait or that takes long goes to the pool of the process (`Process.in_pool`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial, singledispatch
from typing import Any

from dflow.errors import AbortedError, CancelledError, InternalError, UnavailableError
from dflow.runtime.base.answers import Settle, Then, Withdraw
from dflow.runtime.base.attempt import Attempt
from dflow.runtime.base.code import load_part
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.loop.run import LoopRun
from dflow.runtime.step.process import Process
from dflow.runtime.step.routing import RemoteOwner
from dflow.runtime.transport import messages as m
from dflow.runtime.transport.calls import end_future
from dflow.runtime.transport.channel import Channel

logger = logging.getLogger("dflow.process")


def handle(process: Process, channel: Channel, message: Any) -> None:
    """Handle a message.  If that fails, its call ends with the error, and its deliveries are released."""
    try:
        _handle(message, process, channel)
    except Exception as error:
        logger.exception("a message of %s failed: %s", channel.peer, type(message).__name__)
        for delivery in m.deliveries(message):
            channel.send(m.Settled(delivery, False))
        if hasattr(message, "call") and not isinstance(message, m.Return):
            channel.send(m.Return(message.call, as_op_error(error)))


@singledispatch
def _handle(message: Any, process: Process, channel: Channel) -> None:
    raise InternalError(None, None, f"unknown message {message!r}")


def _return(channel: Channel, call: int, work: Callable[[], Any]) -> None:
    """End a call with the result of `work`, or with its error."""
    try:
        channel.send(m.Return(call, work()))
    except Exception as error:
        channel.send(m.Return(call, as_op_error(error)))


def _settler(channel: Channel, delivery: int | None) -> Settle | None:
    """The function that settles a delivery of the other process; None if there is no delivery."""

    def settle(accepted: bool, then: Then | None = None) -> None:
        assert delivery is not None
        channel.send(m.Settled(delivery, accepted), then)

    return None if delivery is None else settle


# -- steps: messages for a part in this process


@_handle.register(m.Start)
def _start(message: m.Start, process: Process, channel: Channel) -> None:
    if process.closing is not None:
        return
    if message.device in process.copy_queues:  # copies the feeds first, which takes long
        process.in_pool(_start_part, message, process, channel)
    else:
        _start_part(message, process, channel)


def _start_part(message: m.Start, process: Process, channel: Channel) -> None:
    owner, settle = (
        RemoteOwner(channel, message.step, process.executors, process.channel_to),
        _settler(channel, message.delivery),
    )
    session, plan, step, low_water = message.session, message.plan, message.step, message.low_water
    try:
        executor = process.executors[message.device]
        part = executor.start(session, plan, step, low_water, message.feeds, owner, process.threads.submit, settle)
    except Exception as error:
        if settle is not None:
            settle(False)
        owner.failed(message.device, as_op_error(error))
        return
    if channel.closed:  # `channel_closed` may have run before the part was added
        part.cancel(CancelledError(None, None, f"{channel.peer}, which ran this step, is gone"))


@_handle.register(m.Deliver)
def _deliver(message: m.Deliver, process: Process, channel: Channel) -> None:
    process.deliver(message.step, message.device, message.edges, _settler(channel, message.delivery))


@_handle.register(m.Cancel)
def _cancel(message: m.Cancel, process: Process, channel: Channel) -> None:
    process.executors[message.device].cancel(message.step, message.error)
    channel.take_back(message.step)


@_handle.register(m.EndOwner)
def _end_owner(message: m.EndOwner, process: Process, channel: Channel) -> None:
    for executor in process.executors.values():
        executor.end_owner(message.owner, message.error)


@_handle.register(m.Announce)
def _announce(message: m.Announce, process: Process, channel: Channel) -> None:
    process.in_pool(_return, channel, message.call, partial(_start_paced, message, process, channel))


def _start_paced(message: m.Announce, process: Process, channel: Channel) -> None:
    """Start a part whose segments Dask tasks will run."""
    owner = RemoteOwner(channel, message.step, process.executors, process.channel_to)
    executor = process.executors[message.device]
    part = executor.start(
        message.session, message.plan, message.step, message.low_water, message.feeds, owner, run=None
    )
    if channel.closed:  # `channel_closed` may have run before the part was added
        part.cancel(CancelledError(None, None, f"{channel.peer}, which ran this step, is gone"))


# -- steps: messages for an owner in this process


@_handle.register(m.Fetched)
def _fetched(message: m.Fetched, process: Process, channel: Channel) -> None:
    step, settle = process.steps.get(message.step), _settler(channel, message.delivery)
    if step is not None:
        step.fetched(message.edges, settle, message.finished)
    elif settle is not None:
        settle(False)


@_handle.register(m.Finished)
def _finished(message: m.Finished, process: Process, channel: Channel) -> None:
    step = process.steps.get(message.step)
    if step is not None:
        step.finished(message.device)


@_handle.register(m.Failed)
def _failed(message: m.Failed, process: Process, channel: Channel) -> None:
    step = process.steps.get(message.step)
    if step is not None:
        step.failed(message.device, message.error)
        return
    executor = process.executors.get(message.device)  # a tensor for a part in this process could not be sent
    part = executor.part(message.step) if executor is not None else None
    if part is not None:
        part.fail(message.error)


# -- deliveries and calls


@_handle.register(m.Settled)
def _settled(message: m.Settled, process: Process, channel: Channel) -> None:
    channel.settle(message.delivery, message.accepted)


@_handle.register(m.QueueCall)
def _call_queue(message: m.QueueCall, process: Process, channel: Channel) -> None:
    def begin(attempt: Attempt) -> Withdraw:
        resource = process.executors[message.device].resource_of(message.queue, message.session)
        withdraw: Withdraw = resource.attempt(attempt, message.method, *message.arguments, times=message.times)
        return withdraw

    process.served.serve(channel, message, begin)


@_handle.register(m.Withdraw)
def _withdraw(message: m.Withdraw, process: Process, channel: Channel) -> None:
    process.served.withdraw(channel, message.call)


@_handle.register(m.Return)
def _returned(message: m.Return, process: Process, channel: Channel) -> None:
    answer = process.calls.pop(message.call)
    if isinstance(answer, Future):
        end_future(answer, message.outcome)
    elif answer is not None:
        quick = getattr(answer, "quick", False)  # the answer of a reader is not: it goes on to read the file
        further = [(outcome, _settler(channel, delivery)) for outcome, delivery in message.more]
        process.threads.submit(partial(answer, message.outcome, _settler(channel, message.delivery), *further), quick)
    else:
        for delivery in m.deliveries(message):
            channel.send(m.Settled(delivery, False))


# -- sessions, their plans and their loops


@_handle.register(m.Ping)
def _ping(message: m.Ping, process: Process, channel: Channel) -> None:
    channel.send(m.Return(message.call))


@_handle.register(m.Install)
def _install(message: m.Install, process: Process, channel: Channel) -> None:
    process.in_pool(_return, channel, message.call, partial(_install_part, message, process))


def _install_part(message: m.Install, process: Process) -> None:
    executor = process.executors.get(message.device)
    if executor is None:
        fact = f"{process.name} has no device {message.device}; it has {list(process.executors)}"
        raise UnavailableError(None, None, fact)
    loaded = load_part(message.blob, process.name)
    executor.install(message.session, loaded.part, loaded.kernels, loaded.formats)


@_handle.register(m.TakeTrace)
def _take_trace(message: m.TakeTrace, process: Process, channel: Channel) -> None:
    _return(channel, message.call, partial(process.executors[message.device].take_trace, message.session, message.plan))


@_handle.register(m.Forget)
def _forget(message: m.Forget, process: Process, channel: Channel) -> None:
    for executor in process.executors.values():
        executor.forget_plan(message.session, message.plan)


@_handle.register(m.InstallLoop)
def _install_loop(message: m.InstallLoop, process: Process, channel: Channel) -> None:
    session, name = message.spec.session, message.spec.name

    def report(iteration: int, values: tuple[Any, ...]) -> None:
        channel.send(m.LoopReport(session, name, iteration, values))

    def done() -> None:
        channel.send(m.LoopDone(session, name, run.iterations))

    run = LoopRun(process, message.spec, report, channel.wait_until_writable, done)
    _return(channel, message.call, partial(process.add_loop, run))


@_handle.register(m.LoopReport)
@_handle.register(m.LoopDone)
def _loop_report(message: m.LoopReport | m.LoopDone, process: Process, channel: Channel) -> None:
    process.on_loop_report(message)


@_handle.register(m.StopLoop)
def _stop_loop(message: m.StopLoop, process: Process, channel: Channel) -> None:
    loop = process.loops.get((message.session, message.loop))
    if loop is not None:
        loop.stop(message.error)


@_handle.register(m.EndSession)
def _end_session(message: m.EndSession, process: Process, channel: Channel) -> None:
    error = CancelledError(None, None, "Session::Close: it was closed")
    process.in_pool(process.end_session, message.session, error)


# -- the whole process


@_handle.register(m.Reset)
def _reset(message: m.Reset, process: Process, channel: Channel) -> None:
    process.in_pool(_return, channel, message.call, partial(_reset_all, message, process))


def _reset_all(message: m.Reset, process: Process) -> None:
    for session in process.sessions():  # before the state: else a step might fail with another error
        process.end_session(session, AbortedError(None, None, "the session's target was reset"))
    for executor in process.executors.values():
        executor.state.reset(message.containers)


@_handle.register(m.QueueRows)
def _queue_rows(message: m.QueueRows, process: Process, channel: Channel) -> None:
    channel.send(m.Return(message.call, process.queue_rows()))
