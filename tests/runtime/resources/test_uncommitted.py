"""The order in which the blocks of several loops that read with one reader enter their queue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dflow.runtime.resources.uncommitted import Phase, ReadingOrder, UncommittedRecords


class AReader:
    """Blocks of a reader, and what is told of them."""

    def __init__(self) -> None:
        self.order = ReadingOrder()
        self.told: list[Any] = []
        self.blocks: dict[Any, UncommittedRecords] = {}

    def read(self, name: Any, start: int, count: int, owner: str) -> UncommittedRecords:
        records = np.empty(count, object)
        block = self.blocks[name] = UncommittedRecords(
            start,
            (records, records),
            lambda n: self.told.append((name, "committed", n)),
            lambda: self.told.append((name, "rolled back")),
            self.order,
            owner,
            lambda: self.told.append((name, "changed")),
        )
        self.order.add(block)
        return block

    def turns(self) -> list[Any]:
        return [name for name, block in self.blocks.items() if block.has_turn]

    def stale(self) -> list[Any]:
        return [name for name, block in self.blocks.items() if block.stale]


@pytest.fixture
def reader() -> AReader:
    return AReader()


def test_a_block_has_its_turn_when_those_of_other_loops_before_it_are_committed(reader: AReader) -> None:
    first, second = reader.read("first", 0, 4, "A"), reader.read("second", 4, 4, "B")
    reader.read("third", 8, 4, "C")
    assert reader.turns() == ["first"]
    first.commit(3)
    assert reader.turns() == ["first"]
    first.commit(1)
    assert reader.turns() == ["first", "second"]
    second.commit(4)
    assert reader.turns() == ["first", "second", "third"]
    assert reader.told[-1] == ("third", "changed")


def test_the_blocks_of_one_loop_do_not_wait_for_each_other(reader: AReader) -> None:
    reader.read("first", 0, 4, "A")
    reader.read("second", 4, 4, "A")
    reader.read("third", 8, 4, "B")
    assert reader.turns() == ["first", "second"]


def test_the_blocks_behind_one_that_is_rolled_back_are_stale(reader: AReader) -> None:
    first = reader.read("first", 0, 4, "A")
    reader.read("second", 4, 4, "B")
    reader.read("third", 8, 4, "C")
    first.commit(1)
    first.roll_back()
    assert reader.stale() == ["second", "third"]


def test_what_is_read_again_comes_before_the_stale_blocks(reader: AReader) -> None:
    first = reader.read("first", 0, 4, "A")
    second = reader.read("second", 4, 4, "B")
    first.roll_back()
    reader.read("again", 0, 4, "C")
    assert "again" in reader.turns()
    second.roll_back()
    assert not reader.blocks["again"].stale


def test_a_block_is_rolled_back_once_and_not_when_all_of_it_is_committed(reader: AReader) -> None:
    block = reader.read("block", 0, 2, "A")
    block.commit(2)
    block.roll_back()
    other = reader.read("other", 2, 2, "A")
    other.roll_back()
    other.roll_back()
    assert [what for what in reader.told if what[1] == "rolled back"] == [("other", "rolled back")]


def test_loops_in_one_phase_do_not_wait_for_each_other(reader: AReader) -> None:
    phases = reader.order.phases
    assert all(phases.enter(Phase.BLOCKS, lambda: None).inside for _ in range(3))


def test_who_wants_another_phase_waits_until_all_have_left(reader: AReader) -> None:
    phases, admitted = reader.order.phases, list[str]()
    first, second = (phases.enter(Phase.BLOCKS, lambda: None) for _ in range(2))
    single = phases.enter(Phase.SINGLE_RECORDS, lambda: admitted.append("single"))
    first.leave()
    assert (single.inside, admitted) == (False, [])
    second.leave()
    assert (single.inside, admitted) == (True, ["single"])


def test_the_phases_come_in_the_order_in_which_they_were_wanted(reader: AReader) -> None:
    phases, admitted = reader.order.phases, list[str]()
    first = phases.enter(Phase.BLOCKS, lambda: None)
    single = phases.enter(Phase.SINGLE_RECORDS, lambda: admitted.append("single"))
    second = phases.enter(Phase.BLOCKS, lambda: admitted.append("second"))
    assert not second.inside, "else single records would have to wait for ever"
    first.leave()
    assert admitted == ["single"]
    single.leave()
    assert admitted == ["single", "second"]


def test_who_waits_no_more_holds_up_nobody(reader: AReader) -> None:
    phases, admitted = reader.order.phases, list[str]()
    phases.enter(Phase.BLOCKS, lambda: None)
    single = phases.enter(Phase.SINGLE_RECORDS, lambda: admitted.append("single"))
    phases.enter(Phase.BLOCKS, lambda: admitted.append("second"))
    single.leave()
    assert admitted == ["second"]
