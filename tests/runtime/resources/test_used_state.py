"""What a session has used of the state of devices, and when it is told that it is gone: losses as plain calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

import dflow as df
from dflow.compile import DeviceInfo, DeviceTable
from dflow.runtime.resources.used_state import UsedState
from tests.compile.helpers import compiled, cpu

PS, W0 = cpu(job="ps"), cpu(job="worker")
FIRST = DeviceTable(
    (DeviceInfo(PS, "tcp://ps", incarnation="ps-1"), DeviceInfo(W0, "tcp://w0", incarnation="w0-1")), version=1
)


def changed(table: DeviceTable, device: str, **fields: Any) -> DeviceTable:
    """The table after something became of a device."""
    devices = [replace(info, **fields) if info.name == device else info for info in table.devices]
    return DeviceTable(tuple(devices), table.version + 1)


def restarted(table: DeviceTable, device: str) -> DeviceTable:
    fields: dict[str, Any] = {"lost": False, "starting": False, "address": "tcp://again"}
    return changed(table, device, incarnation=f"{table.version}-again", **fields)


class Session:
    """What `Plans` does, without running anything."""

    def __init__(self) -> None:
        self.used = UsedState()

    def run(self, fetches: Any, table: DeviceTable) -> None:
        plan = compiled(fetches, table=table)
        self.check([segment.device for segment in plan.segments], table)
        self.used.use(plan, table)

    def check(self, devices: Sequence[str], table: DeviceTable) -> None:
        self.used.check({device: [] for device in devices}, table)

    def told(self, devices: Sequence[str], table: DeviceTable) -> str:
        """What the AbortedError says; "" if there is none."""
        try:
            self.check(devices, table)
        except df.errors.AbortedError as error:
            return error.message
        return ""


@pytest.fixture
def session() -> Session:
    return Session()


def queue(device: str = PS, shared_name: str | None = "q", container: str = "") -> df.FIFOQueue:
    with df.device(device), df.container(container):
        return df.FIFOQueue(3, [df.string], shapes=[[]], name="queue", shared_name=shared_name)


def test_a_device_that_lives_has_lost_nothing(session: Session) -> None:
    session.run(queue().size(), FIRST)
    later = replace(FIRST, version=9)
    assert not session.used.may_be_lost(later)
    assert session.told([PS, W0], later) == ""


def test_a_device_that_was_started_again_has_lost_all_that_was_used_there_and_this_is_told_once(
    session: Session,
) -> None:
    """By kind and name, with the worker before and after, and the container."""
    names = queue(shared_name=None)
    with df.device(PS):
        reader = df.TextLineReader(name="lines")
        variable = df.Variable(0.0, name="w")
        local = df.Variable(0.0, name="epochs", collections=[df.GraphKeys.LOCAL_VARIABLES])
    session.run([queue().dequeue(), queue(shared_name="r", container="c").size()], FIRST)
    session.run([reader.read(names)[0], variable.initializer, local.initializer], FIRST)
    table = restarted(FIRST, PS)
    assert session.used.may_be_lost(table)
    said = session.told([PS], table)
    things = "queues 'q', 'queue', 'r' of container 'c', reader 'lines', variables 'epochs', 'w'"
    assert said.startswith(f"the worker tcp://ps with {PS} was lost, and with it what this session has used there: ")
    assert f": {things}.  Its device is back at tcp://again, empty" in said
    assert session.told([PS], table) == ""
    assert not session.used.may_be_lost(table)


def test_the_operations_of_the_run_on_the_lost_device_are_named_with_their_lines(session: Session) -> None:
    size = queue().size()
    session.run(size, FIRST)
    (instruction,) = [i for s in compiled(size, table=FIRST).segments for i in s.instructions if "Size" in i.op.kind]
    with pytest.raises(
        df.errors.AbortedError, match=r"(?s)of the step there:.*queue_Size \(QueueSizeV2\), made at .*:"
    ):
        session.used.check({PS: [instruction.op]}, restarted(FIRST, PS))


def test_a_run_that_does_not_touch_the_lost_device_is_not_disturbed_and_takes_nothing_away(session: Session) -> None:
    session.run([queue().size(), queue(W0).size()], FIRST)
    table = restarted(FIRST, PS)
    assert session.told([W0], table) == ""
    assert "queue 'q'" in session.told([PS, W0], table)


def test_several_lost_devices_are_told_of_in_one_error(session: Session) -> None:
    session.run([queue().size(), queue(W0, "r").size()], FIRST)
    said = session.told([PS, W0], restarted(restarted(FIRST, PS), W0))
    assert "queue 'q'" in said
    assert "queue 'r'" in said


def test_each_loss_of_what_is_used_again_is_told(session: Session) -> None:
    session.run(queue().size(), FIRST)
    second = restarted(FIRST, PS)
    assert session.told([PS], second)
    session.run(queue(shared_name="only").size(), second)
    third = restarted(second, PS)
    assert "queue 'only'." in session.told([PS], third)


def test_a_lost_worker_that_is_not_back_is_told_of_and_not_again_when_it_comes(session: Session) -> None:
    session.run(queue().size(), FIRST)
    away = changed(FIRST, PS, lost=True)
    assert "has not come back yet" in session.told([PS], away)
    coming = changed(away, PS, lost=False, starting=True, incarnation="", address="tcp://again")
    assert session.told([PS], coming) == ""
    assert session.told([PS], restarted(coming, PS)) == ""


def test_a_cut_connection_takes_only_what_is_private(session: Session) -> None:
    """The worker lives, so that what is shared is still there."""
    session.run([queue(shared_name=None).size(), queue().size()], FIRST)
    cut = changed(FIRST, PS, connection=1)
    said = session.told([PS], cut)
    assert said.startswith(
        f"the connection to the worker tcp://ps with {PS} was lost, and with it what was there of this"
    )
    assert "queue 'queue'" in said
    assert "'q'" not in said
    assert "queue 'q'" in session.told([PS], restarted(cut, PS))


def test_a_plan_that_was_made_before_the_loss_does_not_let_it_be_told_twice(session: Session) -> None:
    """A thread installs it after another thread was told."""
    plan = compiled(queue().size(), table=FIRST)
    session.used.use(plan, FIRST)
    table = restarted(FIRST, PS)
    assert session.told([PS], table)
    session.used.use(plan, FIRST)
    assert session.told([PS], table) == ""
    away = changed(table, PS, lost=True)
    assert session.told([PS], away)
    session.used.use(plan, table)
    assert session.told([PS], away) == ""


def test_what_a_plan_that_was_made_before_the_loss_makes_after_it_is_told_of_at_the_next_one(session: Session) -> None:
    """Another thread has told of the loss while the plan was installed, over the new connection."""
    late, own = queue(shared_name="late").size(), queue(shared_name=None).size()
    session.run(own, FIRST)
    cut = changed(FIRST, PS, connection=1)
    assert session.told([PS], cut)
    for size in (late, own):
        session.used.use(compiled(size, table=FIRST), FIRST)
    assert session.told([PS], cut) == ""
    assert "queue 'queue_1'." in session.told([PS], again := changed(cut, PS, connection=2))
    assert "queue 'late'." in session.told([PS], restarted(again, PS))


def test_a_thread_that_still_sees_the_device_lost_takes_nothing_from_the_new_one(session: Session) -> None:
    """It asked the scheduler before the worker came back, and another thread has used the new one since."""
    session.run(queue().size(), FIRST)
    away = changed(FIRST, PS, lost=True)
    back = restarted(away, PS)
    assert session.told([PS], back)
    session.run(queue().size(), back)
    assert session.told([PS], away) == ""
    assert session.told([PS], back) == ""


def test_the_queue_of_file_names_of_a_reader_on_another_device_is_used_too(session: Session) -> None:
    names = queue(PS, "names")
    with df.device(W0):
        read = df.TextLineReader(name="lines").read(names)[0]
    session.run(read, FIRST)
    assert "queue 'names'" in session.told([PS], restarted(FIRST, PS))
    assert "reader 'lines'" in session.told([W0], restarted(FIRST, W0))


def test_of_many_things_the_error_names_some(session: Session) -> None:
    with df.device(PS):
        variables = [df.Variable(0.0, name=f"v{i:02}") for i in range(30)]
    session.run([variable.initializer for variable in variables], FIRST)
    assert "'v19' and 10 more." in session.told([PS], restarted(FIRST, PS))
