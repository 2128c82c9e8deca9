"""Local sessions: device executors in this process, called directly, without server, socket and event loop."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from typing import Any

from dflow.compile import DeviceInfo, DeviceTable, Plan
from dflow.errors import CancelledError
from dflow.registry import OPS
from dflow.runtime.base import settings
from dflow.runtime.base.config import ConfigProto
from dflow.runtime.base.deadline import NEVER, Deadline, deadline_scope
from dflow.runtime.base.held import HeldBySession
from dflow.runtime.base.turns import Turns
from dflow.runtime.device.own_devices import local_executors
from dflow.runtime.device.trace import KernelCall
from dflow.runtime.loop.run import LoopRun
from dflow.runtime.session.loop_handle import Loop
from dflow.runtime.step.graph_loop import start_loop
from dflow.runtime.step.process import Process
from dflow.runtime.step.single_segment import run_step
from dflow.runtime.step.step import StepNumbers
from dflow.runtime.threads.malloc import keep_freed_memory


class LocalBackend:
    """The devices, steps and loops of one local session.  Its state ends with it."""

    def __init__(self, config: ConfigProto) -> None:
        self.session = f"local-{uuid.uuid4().hex[:8]}"
        self.process = Process(self.session, start_loop=start_loop)
        for executor in local_executors(config):
            self.process.add_executor(executor)
        self.process.begin_session(self.session)
        keep_freed_memory(settings.kept_memory())
        infos = [DeviceInfo(executor.name, "", executor.virtual) for executor in self.process.executors.values()]
        self._table = DeviceTable(tuple(infos))
        self._numbers = StepNumbers(self.session)
        self.turns = Turns()
        self._loops: dict[str, Loop] = {}  # loops that have not ended
        self._closed: CancelledError | None = None  # from `close` on: the error of its runs

    def table(self, fresh: bool = False, deadline: Deadline = NEVER) -> DeviceTable:
        return self._table

    def devices(self, fresh: bool = False, deadline: Deadline = NEVER) -> DeviceTable:
        return self._table

    def install(self, plan: Plan, deadline: Deadline) -> None:
        try:
            for one in plan.whole():
                for device, part in one.parts.items():
                    self.process.executors[device].install(self.session, part, OPS)
        except BaseException:
            self.forget(plan)
            raise

    def forget(self, plan: Plan) -> None:
        for executor in self.process.executors.values():
            for one in plan.whole():
                executor.forget_plan(self.session, one.number)

    def run(self, plan: Plan, feeds: Sequence[Any], deadline: Deadline) -> list[Any]:
        if deadline.left() is None:
            return run_step(self.process, self.session, plan.call, self._numbers, self.turns, feeds)
        with deadline_scope():  # for this thread, which runs the segments
            return run_step(self.process, self.session, plan.call, self._numbers, self.turns, feeds, deadline)

    def trace(self, plan: Plan, deadline: Deadline) -> dict[str, list[KernelCall]]:
        calls: dict[str, list[KernelCall]] = {}
        for one in plan.whole():
            for device in one.parts:
                calls.setdefault(device, []).extend(self.process.executors[device].take_trace(self.session, one.number))
        return calls

    def repeat(self, plan: Plan, loop: Loop, deadline: Deadline) -> None:
        run = LoopRun(self.process, loop.spec, report=loop.reported)
        loop.stopper = run.stop
        thread = threading.Thread(target=loop.run_here, args=(run,), name=f"dflow-loop-{loop.name}", daemon=True)
        self._loops[loop.spec.name] = loop
        loop.call_at_end(lambda: self._loops.pop(loop.spec.name, None))
        if self._closed is not None:  # `close` may have stopped the loops before this one was added
            loop.ended(None, self._closed)
            raise self._closed
        thread.start()

    def queue_rows(self) -> list[dict[str, Any]]:
        return self.process.queue_rows()

    def held(self) -> HeldBySession:
        return HeldBySession(self.process.held(), tuple(self._loops))

    def close(self, wait: bool = True) -> None:
        """Cancel all steps and loops, and drop the session's state."""
        self._closed = error = CancelledError(None, None, "the run was cancelled: its session was closed")
        for loop in list(self._loops.values()):
            loop.stop()
        self.process.cancel_steps(error)
        self._cancel_attempts(error)
        self.process.end_session(self.session, error)
        self._cancel_attempts(error)  # attempts that began meanwhile
        self.process.close()

    def _cancel_attempts(self, error: CancelledError) -> None:
        for attempt in list(self.process.attempts):
            attempt.stop(error.portable())
