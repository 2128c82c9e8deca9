"""What a session knows of its devices while channels end on another thread: races as plain calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dflow.compile import DeviceInfo, DeviceTable
from dflow.runtime.dask.known_devices import KnownDevices

ADDRESS = "tcp://127.0.0.1:1"
PS = DeviceInfo("/job:ps/replica:0/task:0/device:CPU:0", ADDRESS, incarnation="first")
AGAIN = replace(PS, incarnation="second")  # started again, at the same address
LOST = replace(PS, lost=True)


@pytest.fixture
def known() -> KnownDevices:
    return KnownDevices()


def keep(known: KnownDevices, version: int = 1, generation: int | None = None) -> DeviceTable | None:
    """An answer of the scheduler, which takes the worker for living."""
    return known.keep([PS], version, known.generation if generation is None else generation)


def test_a_table_is_kept_until_a_channel_ends(known: KnownDevices) -> None:
    assert known.table is None
    table = keep(known)
    assert table is not None
    assert known.table is table
    known.channel_closed(ADDRESS)
    assert known.table is None


def test_a_table_that_was_asked_for_before_a_channel_ended_is_not_kept_after_it(known: KnownDevices) -> None:
    keep(known)
    asked_in = known.generation
    known.channel_closed(ADDRESS)
    assert keep(known, generation=asked_in) is None
    assert known.table is None
    assert known.doubts([PS])  # the old answer says nothing of it


def test_a_channel_that_ends_to_a_living_worker_makes_a_new_version_once(known: KnownDevices) -> None:
    tables = [keep(known)]
    known.channel_closed(ADDRESS)
    assert known.doubts([PS])
    tables += [keep(known), keep(known)]
    assert [table.version for table in tables if table is not None] == [1, 2, 2]
    assert not known.doubts([PS])


def test_a_channel_that_ends_with_its_worker_leaves_the_version_to_the_scheduler(known: KnownDevices) -> None:
    keep(known)
    known.channel_closed(ADDRESS)
    assert not known.doubts([LOST])
    table = known.keep([LOST], 5, known.generation)
    assert table is not None
    assert table.version == 5


def test_a_channel_that_ends_to_a_living_worker_is_another_connection_to_the_same_process(known: KnownDevices) -> None:
    before = keep(known)
    known.channel_closed(ADDRESS)
    after = keep(known)
    assert before is not None
    assert after is not None
    assert [before.devices[0].connection, after.devices[0].connection] == [0, 1]
    assert before.devices[0].incarnation == after.devices[0].incarnation


def test_a_worker_that_is_started_again_at_its_address_is_another_process_without_a_doubt(known: KnownDevices) -> None:
    keep(known)
    known.channel_closed(ADDRESS)
    assert known.doubts([PS])  # the scheduler has not heard of it yet
    assert not known.doubts([AGAIN])
    table = known.keep([AGAIN], 3, known.generation)
    assert table is not None
    assert (table.version, table.devices[0].connection) == (3, 0)
    assert known.process_at(ADDRESS) == "second"


def test_an_older_answer_that_comes_later_does_not_replace_a_newer_one(known: KnownDevices) -> None:
    newer = keep(known, version=6)
    assert keep(known, version=5) is newer
    assert known.table is newer
