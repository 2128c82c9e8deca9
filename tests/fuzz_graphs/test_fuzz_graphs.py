"""Random programs give the same here, on a cluster, and on TensorFlow; and what the fuzz itself needs for that.

`make fuzz-graphs` tries more.  `DFLOW_ORACLE` is the Python of an environment with TensorFlow; `make oracle` makes one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz_graphs.differences import DIFFERENCES, reason
from tests.fuzz_graphs.interpret import DIED, Outcomes, Program
from tests.fuzz_graphs.judge import Disagreement, judged, minimised, unintended
from tests.fuzz_graphs.programs import program
from tests.fuzz_graphs.script import script
from tests.fuzz_graphs.sides import CLUSTER_PLACES, Dflow, Side, TensorFlow
from tests.in_process import in_process_cluster

ORACLE = os.environ.get("DFLOW_ORACLE")
PAGE = Path(__file__).parents[2] / "docs" / "tensorflow1.md"


class Made:
    """A side that gives `outcomes[line]` for a line, else None."""

    def __init__(self, name: str, **outcomes: object) -> None:
        self.name = name
        self._outcomes = outcomes
        self.ran: list[Program] = []

    def outcomes(self, program: Program, patience_ms: int) -> Outcomes:
        self.ran.append(program)
        return [self._outcomes.get(line) for line in program]


def complaints(sides: list[Side], seeds: range) -> list[str]:
    found = []
    for seed in seeds:
        tried = program(seed)
        for it in unintended(judged(sides, tried)):
            found.append(f"seed {seed}:\n{script(sides, minimised(sides, tried, it))}")
    return found


def test_random_programs_give_the_same_here_and_on_a_cluster() -> None:
    with in_process_cluster() as cluster:
        there = Dflow("cluster", cluster.scheduler_address, CLUSTER_PLACES)
        found = complaints([Dflow("local"), there], range(6))
    assert found == [], "\n".join(found)


@pytest.mark.skipif(not ORACLE, reason="DFLOW_ORACLE names no Python with TensorFlow")
@pytest.mark.timeout(600)
def test_random_programs_give_what_they_give_on_tensorflow() -> None:
    tensorflow = TensorFlow(str(ORACLE))
    try:
        found = complaints([Dflow("local"), tensorflow], range(100))
    finally:
        tensorflow.close()
    assert found == [], "\n".join(found)


def test_a_seed_says_its_program() -> None:
    assert program(3) == program(3)
    assert program(3) != program(4)


def test_sides_that_agree_have_nothing_to_say() -> None:
    sides = [Made("local", b=1), Made("cluster", b=1)]
    assert judged(sides, ["a", "b"]) == []
    assert len(sides[0].ran) == 1


def test_a_disagreement_is_one_that_is_there_again_with_more_patience() -> None:
    class Busy(Made):
        def outcomes(self, program: Program, patience_ms: int) -> Outcomes:
            found = super().outcomes(program, patience_ms)
            return found if len(self.ran) > 1 else ["late" for _ in found]

    assert judged([Made("local"), Busy("cluster")], ["a"]) == []
    assert [it.line for it in judged([Made("local", b=1), Made("cluster", b=2)], ["a", "b"])] == [1]


def test_a_program_is_minimised_to_the_lines_that_its_disagreement_needs() -> None:
    class Counts(Made):
        def outcomes(self, program: Program, patience_ms: int) -> Outcomes:
            return [program[:i].count("more") if line == "show" else None for i, line in enumerate(program)]

    sides = [Made("local", show=0), Counts("cluster")]
    tried = ["show", "other", "more", "other", "show", "other", "show"]
    (found,) = judged(sides, tried)
    assert found == Disagreement(("cluster", "local"), 4, expected=1, got=0)
    assert minimised(sides, tried, found) == ["more", "show"]


def test_a_script_says_what_each_side_gave() -> None:
    text = script([Made("local", show=0), Made("cluster", show=1)], ["x = 1", "show"])
    assert text.splitlines()[2:] == ["show(r'''", "x = 1", "show", "#   local      0", "#   cluster    1", "''')"]


def test_a_difference_on_purpose_is_one_of_dflow_and_tensorflow() -> None:
    line, given, refused = "run(p0, {p0: None})", 1, {"error": "TypeError", "op": None}
    assert "refused" in reason("tensorflow", [line], 0, [given], refused)
    assert reason("cluster", [line], 0, [given], refused) == ""
    assert reason("tensorflow", [line], 0, [given], 2) == ""
    assert reason("tensorflow", [line], 0, DIED, given) == "TensorFlow crashes."


def test_the_rest_of_a_priority_queue_is_lost_in_tensorflow_whatever_is_done_with_it() -> None:
    made, line = "q0 = tf.PriorityQueue(-1, [tf.int64], name='q')", "run(d1)"
    lost = {"error": "OutOfRangeError", "op": "q_DequeueUpTo"}
    for got in (1, {"error": "OutOfRangeError", "op": "q_DequeueMany"}, {"error": "InvalidArgumentError", "op": "e"}):
        assert "loses them" in reason("tensorflow", [made, line], 1, [None, lost], got)
        assert reason("tensorflow", [made.replace("Priority", "FIFO"), line], 1, [None, lost], got) == ""
    assert reason("tensorflow", [made, line], 1, [None, lost], {"error": "AbortedError", "op": "q_DequeueUpTo"}) == ""


def test_a_scalar_for_enqueue_many_is_refused_where_tensorflow_enqueues_it_or_waits_for_room() -> None:
    refused = {"error": "InvalidArgumentError", "op": "q_EnqueueMany"}
    for theirs in (None, {"error": "DeadlineExceededError", "op": None}):
        assert "with a scalar" in reason("tensorflow", ["run(e0)"], 0, [theirs], refused)
    assert reason("tensorflow", ["run(e0)"], 0, [{"error": "AbortedError", "op": "q_EnqueueMany"}], refused) == ""


def test_what_cannot_be_made_may_take_a_name() -> None:
    made, line = "tf.FIFOQueue('a', [tf.int32])", "run(i0)"
    refused = {"error": "TypeError", "op": None}
    theirs, ours, another = ({"error": "OutOfRangeError", "op": op} for op in ("q_Size", "q_1_Size", "q_1_Dequeue"))
    assert "its name may be taken" in reason("tensorflow", [made, line], 1, [refused, theirs], ours)
    assert reason("tensorflow", [made, line], 1, [None, theirs], ours) == ""
    assert reason("tensorflow", [made, line], 1, [refused, theirs], another) == ""


def test_text_that_is_fed_comes_back_as_bytes_beside_a_number_that_is_none() -> None:
    def outcome(number: float, text: Any) -> dict[str, Any]:
        numbers = {"array": "float64", "shape": [], "values": [number]}
        return {"list": [{"ndarray": numbers}, {"ndarray": {"array": "string", "shape": [], "values": [text]}}]}

    line, nan = "run([x0, p0], {p0: 'b'})", float("nan")
    assert "bytes" in reason("tensorflow", [line], 0, [outcome(nan, "b")], outcome(nan, {"bytes": "b"}))
    assert reason("tensorflow", [line], 0, [outcome(nan, "b")], outcome(1.0, {"bytes": "b"})) == ""


def test_tensorflow_leaves_out_what_others_only_wait_for() -> None:
    made, waits = "x0 = tf.gather(x9, 1)", "with tf.control_dependencies([x0]): e0 = q0.enqueue([1])"
    reads, waits_and_reads = "e0 = q0.enqueue([x0])", "with tf.control_dependencies([x0]): e0 = q0.enqueue([x0])"
    cancelled, refused = {"error": "CancelledError", "op": "e"}, {"error": "InvalidArgumentError", "op": "GatherV2"}

    def told(*lines: str) -> str:
        there = len(lines) + 1
        return reason("tensorflow", [made, *lines, "run(e0)"], there, [None] * there + [cancelled], refused)

    assert "only a control input" in told(waits)
    assert "only a control input" in told("run(x0)", waits), "another run reads it"
    assert told(reads) == told(waits_and_reads) == ""


def test_the_page_of_names_tells_each_difference_on_purpose() -> None:
    page = " ".join(PAGE.read_text().split())
    assert [why for why in DIFFERENCES if why not in page] == []
