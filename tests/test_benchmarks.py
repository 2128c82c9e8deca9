"""What compares and prints; and dflow's side of each benchmark in miniature, with `make test-benchmarks`."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
HELPERS = {"measure.py", "competitors.py", "tables.py", "run.py"}
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if path.name not in HELPERS)


@pytest.fixture(autouse=True)
def _scripts_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a script of the folder runs."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("DFLOW_BENCH_PEERS", "/nowhere")
    for name in ("measure", "competitors", "tables", "run"):
        monkeypatch.delitem(sys.modules, name, raising=False)


# -- tables


def test_a_table_has_medians_spreads_speeds_and_targets() -> None:
    from measure import RECORDS
    from tables import BY_HAND, Target, table

    samples = {"read": {"dflow": [30.0, 10.0, 20.0], "A": [40.0] * 3, "B": [5.0] * 3, BY_HAND: [100.0] * 3}}
    targets = {"read": [Target(3, "B"), Target(2), Target(0.7, BY_HAND)]}
    assert table(samples, RECORDS, targets).splitlines() == [
        "| case |  | records/s | ratio (> 1: dflow better) | target |",
        "| --- | --- | ---: | ---: | --- |",
        "| read | dflow | **20.0** (10.0 to 30.0) |  |  |",
        "|  | A | **40.0** (40.0 to 40.0) | 0.50 | 2 (the best): **missed** |",
        "|  | B | **5.00** (5.00 to 5.00) | 4.00 | 3: met |",
        "|  | by hand | **100** (100 to 100) | 0.20 | 0.7: **missed** |",
    ]


def test_the_best_of_the_peers_is_the_one_with_the_shortest_time() -> None:
    from measure import MILLISECONDS
    from tables import Target, table

    lines = table({"run": {"dflow": [2.0], "A": [3.0], "B": [1.0]}}, MILLISECONDS, {"run": [Target(1)]}).splitlines()
    assert lines[3:] == [
        "|  | A | **3,000** (3,000 to 3,000) | 1.50 |  |",
        "|  | B | **1,000** (1,000 to 1,000) | 0.50 | 1 (the best): **missed** |",
    ]


def test_rounds_that_disagree_with_the_ratio_are_counted() -> None:
    from measure import RECORDS
    from tables import table

    *_, line = table({"read": {"dflow": [1.0, 3.0, 3.0], "A": [2.0] * 3}}, RECORDS, {}).splitlines()
    assert "| 1.50 (faster in 2 of 3 rounds) |" in line


def test_a_limit_of_its_own_cost_stands_in_the_line_of_dflow() -> None:
    from measure import MICROSECONDS
    from tables import AtMost, table

    *_, line = table({"loop": {"dflow": [30e-6]}}, MICROSECONDS, {"loop": [AtMost(20)]}).splitlines()
    assert line == "| loop | dflow | **30.0** (30.0 to 30.0) |  | 20 us: **missed** |"


def test_a_shorter_time_is_a_higher_speed() -> None:
    from measure import MILLISECONDS, RECORDS

    assert MILLISECONDS.speed(ours=2.0, base=6.0) == 3.0
    assert RECORDS.speed(ours=2.0, base=6.0) == pytest.approx(1 / 3)


# -- samples


def test_a_peer_whose_environment_is_not_there_is_left_out_and_said_to_be_not_measured() -> None:
    from competitors import Here, Peer
    from measure import RECORDS
    from tables import report

    peer = Peer("TF1", "tensorflow", "tf1_local_run.py")
    text = report("What?\n\nThis.", RECORDS, [Here("dflow", {"a": lambda: 1.0}), peer], rounds=2)
    assert text.startswith("## What?\n\nThis.\n\n| case |")
    assert "| a | dflow | **1.00** (1.00 to 1.00) |  |  |\n\n" in text
    assert text.endswith("* TF1 was not measured: its environment is not there (`make bench-peers` makes it).")


def test_a_peer_answers_from_its_own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import competitors

    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / "script.py").write_text(
        "import sys\nfrom competitors import serve\n"
        "serve('Peer 1', {'a': lambda: print('noise') or 0.5}, {'a': lambda: [float(sys.argv[1])]})\n"
    )
    (tmp_path / "mine" / "bin").mkdir(parents=True)
    (tmp_path / "mine" / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setenv("DFLOW_BENCH_PEERS", str(tmp_path))
    monkeypatch.setattr(competitors, "PEERS", tmp_path / "peers")
    peer = competitors.Peer("P", "mine", "script.py", "7")
    assert (peer.version, peer.cases, peer.sample("a"), peer.fact("a")) == ("Peer 1", ["a"], 0.5, [7.0])
    peer.close()


def test_samples_are_taken_in_turns_and_the_first_round_is_dropped() -> None:
    from competitors import Here
    from tables import take_turns

    taken: list[str] = []

    def sample(name: str) -> float:
        taken.append(name)
        return float(len(taken))

    ours = Here("dflow", {"a": lambda: sample("a"), "b": lambda: sample("b")})
    by_hand = Here("by hand", {"a": lambda: sample("a by hand")})
    samples = take_turns([ours, by_hand], rounds=2)
    assert taken == ["a", "a by hand", "b"] * 3
    assert samples == {"a": {"dflow": [4.0, 7.0], "by hand": [5.0, 8.0]}, "b": {"dflow": [6.0, 9.0]}}


def test_competitors_that_computed_different_things_are_not_compared() -> None:
    from competitors import Here
    from tables import take_turns

    ours = Here("dflow", {"a": lambda: 1.0}, {"a": lambda: [10.0, 2.5]})
    other = Here("A", {"a": lambda: 1.0}, {"a": lambda: [10.0, 2.6]})
    with pytest.raises(ValueError, match=r"a: dflow computed \[10.0, 2.5\], but A computed \[10.0, 2.6\]"):
        take_turns([ours, other], rounds=1)


def test_versions_and_machine_say_what_was_measured() -> None:
    import measure

    assert "Python 3" in measure.versions()
    assert "distributed 20" in measure.versions()
    assert "cores" in measure.machine()


# -- the folder


def test_a_table_goes_between_the_markers_of_its_script() -> None:
    import run

    begin, end = run.markers("a.py")
    assert run.put_between(f"x\n{begin}\nold\n{end}\ny\n", "a.py", "new") == f"x\n{begin}\n\nnew\n\n{end}\ny\n"
    with pytest.raises(ValueError, match="no markers"):
        run.put_between("a", "a.py", "new")


def test_every_script_is_in_one_set_and_has_its_place_in_the_readme() -> None:
    import run

    assert sorted(run.SCRIPTS) == SCRIPTS
    readme = (FOLDER / "README.md").read_text()
    for script in SCRIPTS:
        assert run.put_between(readme, script, "new") != readme


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_begins_with_its_question(script: str) -> None:
    question = ast.get_docstring(ast.parse((FOLDER / script).read_text())) or ""
    assert question.partition("\n")[0].endswith("?")


def test_every_script_of_the_peers_is_started_by_a_benchmark() -> None:
    started = "".join((FOLDER / script).read_text() for script in SCRIPTS)
    for path in (FOLDER / "peers").glob("*.py"):
        assert path.name == "tf1_cluster.py" or path.name in started


@pytest.mark.skipif("DFLOW_BENCHMARKS" not in os.environ, reason="a minute or two: `make test-benchmarks`")
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_side_of_dflow_runs_in_miniature(script: str) -> None:
    environment = os.environ | {"DFLOW_BENCH_SMALL": "1", "PYTHONPATH": str(FOLDER.parent)}
    ran = subprocess.run(
        [sys.executable, str(FOLDER / script), "--rounds", "1"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("## ")
    assert "| **" in ran.stdout  # a figure of dflow
