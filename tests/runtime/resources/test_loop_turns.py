"""The turns of several loops that read with one reader for one queue."""

from __future__ import annotations

from dflow.runtime.resources.loop_turns import LoopTurns


class Loops:
    """Loops by name, and those that were told that it is their turn."""

    def __init__(self) -> None:
        self.turns = LoopTurns()
        self.told: list[str] = []

    def take(self, name: str) -> bool:
        return self.turns.take(name, lambda: self.told.append(name))


def test_the_first_one_has_its_turn_and_the_others_in_their_order() -> None:
    loops = Loops()
    assert [loops.take(name) for name in "abc"] == [True, False, False]
    loops.turns.leave("a")
    assert loops.told == ["b"]
    assert [loops.take(name) for name in "bc"] == [True, False]
    loops.turns.leave("b")
    assert loops.told == ["b", "c"]


def test_a_turn_lasts_until_it_is_left() -> None:
    loops = Loops()
    assert loops.take("a")
    assert not loops.take("b")
    assert loops.take("a")
    assert loops.told == []


def test_who_waits_no_more_holds_up_nobody() -> None:
    loops = Loops()
    for name in "abc":
        loops.take(name)
    loops.turns.leave("b")
    assert loops.told == []
    loops.turns.leave("a")
    assert loops.told == ["c"]
    loops.turns.leave("c")
    loops.turns.leave("c")
    assert loops.take("d")


def test_turns_are_contended_while_others_wait() -> None:
    loops = Loops()
    contended = []
    for change in (loops.take, loops.turns.leave):
        for name in "ab":
            change(name)
            contended.append(loops.turns.contended)
    assert contended == [False, True, False, False]
