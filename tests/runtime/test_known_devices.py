"""What a session knows of its devices while lanes end on another thread: races as plain calls."""

from __future__ import annotations

import pytest

from dflow.compile import DeviceInfo, DeviceTable
from dflow.runtime.known_devices import KnownDevices

ADDRESS = "tcp://127.0.0.1:1"
PS = DeviceInfo("/job:ps/replica:0/task:0/device:CPU:0", ADDRESS)


@pytest.fixture
def known() -> KnownDevices:
    return KnownDevices()


def keep(known: KnownDevices, version: int = 1, generation: int | None = None) -> DeviceTable | None:
    """An answer of the scheduler, which takes the worker for living."""
    return known.keep([PS], version, {ADDRESS}, known.generation if generation is None else generation)


def test_a_table_is_kept_until_a_lane_ends(known: KnownDevices) -> None:
    assert known.table is None
    table = keep(known)
    assert table is not None
    assert known.table is table
    known.lane_closed(ADDRESS)
    assert known.table is None


def test_a_table_that_was_asked_for_before_a_lane_ended_is_not_kept_after_it(known: KnownDevices) -> None:
    asked_in = known.generation
    known.lane_closed(ADDRESS)
    assert keep(known, generation=asked_in) is None
    assert known.table is None
    assert known.doubts({ADDRESS})  # the old answer says nothing of it


def test_a_lane_that_ends_to_a_living_worker_makes_a_new_version_once(known: KnownDevices) -> None:
    tables = [keep(known)]
    known.lane_closed(ADDRESS)
    assert known.doubts({ADDRESS})
    tables += [keep(known), keep(known)]
    assert [table.version for table in tables if table is not None] == [1, 2, 2]
    assert not known.doubts({ADDRESS})


def test_a_lane_that_ends_with_its_worker_leaves_the_version_to_the_scheduler(known: KnownDevices) -> None:
    known.lane_closed(ADDRESS)
    assert not known.doubts(set())
    table = known.keep([], 5, set(), known.generation)
    assert table is not None
    assert table.version == 5


def test_an_older_answer_that_comes_later_does_not_replace_a_newer_one(known: KnownDevices) -> None:
    newer = keep(known, version=6)
    assert keep(known, version=5) is newer
    assert known.table is newer
