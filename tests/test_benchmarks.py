"""The benchmarks themselves do not run here: only what computes and prints their tables."""

import ast
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
HELPERS = {"measure.py", "programs.py", "run.py"}


@pytest.fixture(autouse=True)
def _scripts_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a script of the folder runs."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("measure", "run"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_a_table_has_medians_spreads_and_speeds() -> None:
    import measure

    rows = [measure.Row("read", ours=[30.0, 10.0, 20.0], peer=[40.0, 40.0, 40.0], by_hand=[5.0])]
    assert measure.table(rows, measure.RECORDS, "Peer 1").splitlines() == [
        "| records/s | dflow | Peer 1 | by hand | dflow's speed, Peer 1 = 1 | dflow's speed, by hand = 1 |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| read | **20.0** (10.0 to 30.0) | **40.0** (40.0 to 40.0) | **5.00** (5.00 to 5.00) | 0.50 | 4.00 |",
    ]


def test_a_shorter_time_is_a_higher_speed() -> None:
    import measure

    assert measure.MILLISECONDS.speed(ours=2.0, base=6.0) == 3.0
    assert measure.RECORDS.speed(ours=2.0, base=6.0) == pytest.approx(1 / 3)


def test_the_words_say_in_how_many_rounds_dflow_was_faster() -> None:
    import measure

    rows = [
        measure.Row("a", ours=[3.0, 4.0], peer=[1.0, 2.0]),
        measure.Row("b", ours=[1.0, 2.0], peer=[3.0, 4.0]),
        measure.Row("c", ours=[1.0, 3.0], peer=[2.0, 1.0]),
        measure.Row("d", ours=[2.0, 9.0], peer=[1.0, 8.0]),
    ]
    slower, faster, both = measure.verdict(rows, measure.MILLISECONDS, "Peer 1").splitlines()
    assert slower == "* dflow was **slower** than Peer 1 in every round: a; d."
    assert faster == "* dflow was **faster** than Peer 1 in every round: b."
    assert both == "* dflow was faster than Peer 1 in 1 of 2 rounds: c."


def test_a_peer_that_is_not_there_is_said_to_be_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    import measure

    monkeypatch.setenv("DFLOW_BENCH_PEERS", "/nowhere/python")
    assert measure.Peer.start("tf1_local_run.py") is None
    text = measure.report("What?\n\nThis.", measure.RECORDS, {"a": lambda: 1.0}, {}, None, rounds=2)
    assert text.startswith("## What?\n\nThis.\n\n| records/s |")
    assert "| a | **1.00** (1.00 to 1.00) | not measured | not measured |  |  |" in text
    assert text.endswith("TensorFlow 1 was not measured: its environment is not there (`make bench-peers` makes it).")


def test_samples_are_taken_in_turns_and_the_first_round_is_dropped() -> None:
    import measure

    taken: list[str] = []

    def sample(name: str) -> float:
        taken.append(name)
        return float(len(taken))

    ours = {"a": lambda: sample("a"), "b": lambda: sample("b")}
    a, b = measure.take_turns(ours, {"a": lambda: sample("a by hand")}, None, rounds=2)
    assert taken == ["a", "a by hand", "b"] * 3
    assert (a.ours, a.by_hand, b.ours, b.by_hand) == ([4.0, 7.0], [5.0, 8.0], [6.0, 9.0], [])


def test_versions_and_machine_say_what_was_measured() -> None:
    import measure

    assert "Python 3" in measure.versions()
    assert "distributed 20" in measure.versions()
    assert "cores" in measure.machine()


def test_tables_go_between_the_markers_of_the_readme() -> None:
    import run

    assert run.put_between(f"a\n{run.BEGIN}\nold\n{run.END}\nb\n", "new") == (
        f"a\n{run.BEGIN}\n\nnew\n\n{run.END}\nb\n"
    )
    with pytest.raises(ValueError, match="no markers"):
        run.put_between("a", "new")
    run.put_between((FOLDER / "README.md").read_text(), "new")


def test_every_benchmark_begins_with_its_question_and_is_run() -> None:
    import run

    scripts = {path.name for path in FOLDER.glob("*.py")} - HELPERS
    assert set(run.SCRIPTS) == scripts
    for name in scripts:
        question = ast.get_docstring(ast.parse((FOLDER / name).read_text())) or ""
        assert question.partition("\n")[0].endswith("?"), name


def test_every_script_of_the_peers_is_started_by_a_benchmark() -> None:
    import run

    started = "".join((FOLDER / name).read_text() for name in run.SCRIPTS)
    for path in (FOLDER / "peers").glob("tf1_*.py"):
        assert path.name == "tf1_cluster.py" or path.name in started
