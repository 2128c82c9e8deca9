"""The progress line: pure, from two snapshots."""

from typing import Any

import pytest

from dflow.cli.progress import device_label, only_of, progress_line

GPU = "/job:worker/replica:0/task:1/device:GPU:0"
PS = "/job:ps/replica:0/task:0/device:CPU:0"


def snapshot(time: float, **parts: Any) -> dict[str, Any]:
    return {"time": time, "queues": [], "readers": [], "loops": [], "containers": [], "devices": [], **parts}


def queue(name: str, size: int, capacity: int, **parts: Any) -> dict[str, Any]:
    return {"name": name, "device": PS, "size": size, "capacity": capacity, "closed": False, **parts}


def loop(identity: str, iterations: int, **parts: Any) -> dict[str, Any]:
    return {"id": identity, "name": "train", "device": GPU, "iterations": iterations, "state": "running", **parts}


def test_before_a_session_has_begun_the_line_says_so_and_promises_none() -> None:
    assert progress_line(None, None) == "no session yet"


def test_a_program_without_readers_queues_and_loops_is_running() -> None:
    assert progress_line(None, snapshot(1.0)) == "running"


def test_records_are_the_sum_over_the_readers_and_their_rate() -> None:
    before = snapshot(10.0, readers=[{"records": 1_000}, {"records": 0}])
    after = snapshot(12.0, readers=[{"records": 2_000}, {"records": 1_500}])
    assert progress_line(before, after) == "3,500 records, 1,250/s"


def test_the_first_snapshot_has_no_rates() -> None:
    first = snapshot(10.0, readers=[{"records": 7}], loops=[loop("a", 3, values={})])
    assert progress_line(None, first) == "7 records | train on worker:1/gpu:0 3 steps"


def test_a_counter_that_went_back_has_no_rate() -> None:
    before, after = snapshot(1.0, readers=[{"records": 9}]), snapshot(2.0, readers=[{"records": 4}])
    assert progress_line(before, after) == "4 records"


def test_a_queue_shows_its_size_and_capacity() -> None:
    queues = [queue("shuffle", 812, 1_000), queue("files", 3, 32, closed=True), queue("open", 5, -1)]
    assert progress_line(None, snapshot(1.0, queues=queues)) == (
        "queue files 3/32 closed | queue open 5 | queue shuffle 812/1,000"
    )


def test_queues_of_one_name_show_their_devices() -> None:
    queues = [queue("q", 1, 2), queue("q", 2, 2, device=GPU)]
    assert (
        progress_line(None, snapshot(1.0, queues=queues)) == "queue q on ps:0/cpu:0 1/2 | queue q on worker:1/gpu:0 2/2"
    )


def test_each_loop_shows_its_steps_their_rate_and_its_values() -> None:
    before = snapshot(10.0, loops=[loop("a", 100, values={}), loop("b", 7, values={})])
    loops = [
        loop("b", 8, name="fill", values={}, state="stopping"),
        loop("a", 140, values={"loss": 0.123456, "accuracy": 0.5}),
    ]
    assert progress_line(before, snapshot(12.0, loops=loops)) == (
        "train on worker:1/gpu:0 140 steps, 20/s, accuracy 0.5, loss 0.1235"
        " | fill on worker:1/gpu:0 8 steps, 0.5/s (stopping)"
    )


def test_a_new_loop_has_no_rate() -> None:
    after = snapshot(2.0, loops=[loop("new", 5, values={})])
    assert progress_line(snapshot(1.0), after) == "train on worker:1/gpu:0 5 steps"


def test_a_value_that_is_not_a_number_is_shown() -> None:
    line = progress_line(None, snapshot(1.0, loops=[loop("a", 1, values={"loss": float("nan")})]))
    assert line.endswith("loss nan")


def test_of_many_queues_the_first_are_shown_and_the_rest_is_counted() -> None:
    queues = [queue(f"q{i}", i, 10) for i in range(9)]
    assert progress_line(None, snapshot(1.0, queues=queues)).endswith("queue q5 5/10 | and 3 more")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        (GPU, "worker:1/gpu:0"),
        ("/job:ps/task:0/cpu:0", "ps:0/cpu:0"),
        ("/job:localhost/replica:0/task:0/device:CPU:0", "localhost:0/cpu:0"),
        ("elsewhere", "elsewhere"),
    ],
)
def test_a_device_has_a_short_label(name: str, label: str) -> None:
    assert device_label(name, snapshot(1.0)) == label


def test_a_virtual_gpu_is_called_virtual() -> None:
    devices = [{"name": GPU, "worker": "w", "virtual": True}, {"name": PS, "worker": "p", "virtual": False}]
    now = snapshot(1.0, devices=devices)
    assert device_label(GPU, now) == "worker:1/gpu:0 (virtual)"
    assert device_label(PS, now) == "ps:0/cpu:0"


def test_what_only_other_programs_use_is_left_out() -> None:
    mine, other = "session-1-a", "session-10-b"
    rows = [{"records": 1, "sessions": used} for used in ([mine], [other], [other, mine], [])]
    queues = [queue(f"q{i}", i, 10, sessions=row["sessions"]) for i, row in enumerate(rows)]
    loops = [loop(session, 5, session=session, values={}) for session in (mine, other, "session-2")]
    found = only_of("session-1", snapshot(1.0, readers=rows, queues=queues, loops=loops))
    assert found["readers"] == [rows[0], rows[2]]
    assert [row["name"] for row in found["queues"]] == ["q0", "q2"]
    assert [row["id"] for row in found["loops"]] == [mine]
