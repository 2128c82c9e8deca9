"""The rows of the dashboard and their rates, from made-up numbers."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from dflow.dashboard.snapshot import PARTS, History, Snapshot, merge, rates, to_json
from tests.dashboard.helpers import CPU, GPU, PS, loop, queue, sent


def at(time: float, **parts: list[dict[str, Any]]) -> Snapshot:
    """A snapshot of one worker."""
    return merge({"tcp://a": sent(time, **parts)})


def test_a_merged_row_says_which_worker_sent_it_and_when() -> None:
    merged = merge({"tcp://b": sent(7.0, queues=[queue("b")]), "tcp://a": sent(5.0, queues=[queue("a")])})
    assert [(row["name"], row["worker"], row["time"]) for row in merged["queues"]] == [
        ("a", "tcp://a", 5.0),
        ("b", "tcp://b", 7.0),
    ]
    assert merged["time"] == 7.0
    assert merged["workers"] == ["tcp://a", "tcp://b"]


@pytest.mark.parametrize("metrics", [{}, {"cpu": 1.0}, {"dflow": None}, {"dflow": "starting"}])
def test_a_worker_without_dflow_is_left_out(metrics: dict[str, Any]) -> None:
    merged = merge({"tcp://a": metrics})
    assert merged == {"time": 0.0, "workers": [], **{part: [] for part in PARTS}}


def test_a_row_that_lacks_columns_gets_the_ones_it_lacks() -> None:
    merged = merge({"tcp://a": {"dflow": {"queues": [{"name": "q"}, None], "loops": None}}})
    assert merged["queues"] == [{**PARTS["queues"], "name": "q", "worker": "tcp://a", "time": 0.0, "virtual": False}]
    assert merged["loops"] == []


def test_rows_are_sorted_by_device_with_task_10_after_task_9() -> None:
    devices = [CPU.format(10), CPU.format(9), PS, CPU.format("²")]
    names = [row["device"] for row in at(0, queues=[queue(device=device) for device in devices])["queues"]]
    assert names == [PS, CPU.format(9), CPU.format(10), CPU.format("²")]


def test_everything_on_a_virtual_device_is_marked() -> None:
    gpu = GPU.format(0)
    devices = [{"name": gpu, "virtual": True}, {"name": PS, "virtual": False}]
    merged = at(0, devices=devices, queues=[queue("a", device=gpu), queue("b", device=PS)], loops=[loop(device=gpu)])
    assert {row["name"]: row["virtual"] for row in merged["queues"]} == {"a": True, "b": False}
    assert merged["loops"][0]["virtual"]


def test_rates_are_counts_per_second_of_the_workers_clock() -> None:
    before = at(
        10.0,
        queues=[queue(enqueued=100, dequeued=90)],
        readers=[{"name": "r", "device": PS, "records": 50}],
        loops=[loop(iterations=10, waiting_s=1.0, busy_s=1.0)],
    )
    after = at(
        12.0,
        queues=[queue(enqueued=140, dequeued=96)],
        readers=[{"name": "r", "device": PS, "records": 51}],
        loops=[loop(iterations=16, waiting_s=1.5, busy_s=2.5)],
    )
    rated = rates(before, after)
    assert (rated["queues"][0]["enqueued_per_s"], rated["queues"][0]["dequeued_per_s"]) == (20.0, 3.0)
    assert rated["readers"][0]["records_per_s"] == 0.5
    assert (rated["loops"][0]["iterations_per_s"], rated["loops"][0]["waiting_share"]) == (3.0, 0.25)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (at(1.0), at(2.0, loops=[loop(iterations=5)])),
        (at(2.0, loops=[loop(iterations=5)]), at(2.0, loops=[loop(iterations=5)])),
        (at(2.0, loops=[loop(iterations=5)]), at(1.0, loops=[loop(iterations=6)])),
        (at(1.0, loops=[loop(iterations=5)]), at(2.0, loops=[loop(iterations=1)])),
        (at(1.0, loops=[loop(busy_s=2.0)]), at(2.0, loops=[loop(busy_s=1.0, iterations=9)])),
    ],
    ids=["new", "no news", "clock set back", "restarted", "restarted and busier"],
)
def test_a_rate_that_cannot_be_known_is_none(before: Snapshot, after: Snapshot) -> None:
    (row,) = rates(before, after)["loops"]
    assert row["iterations_per_s"] is None
    assert row["waiting_share"] is None


def test_a_loop_that_did_nothing_has_a_rate_of_zero_and_no_waiting_share() -> None:
    (row,) = rates(at(1.0, loops=[loop(iterations=5)]), at(2.0, loops=[loop(iterations=5)]))["loops"]
    assert (row["iterations_per_s"], row["waiting_share"]) == (0.0, None)


def loop_rates(history: History, *counts: tuple[float, float, int]) -> list[float | None]:
    """The rate after each (time here, time of the worker, iterations)."""
    return [
        history.add(now, at(time, loops=[loop(iterations=count)]))["loops"][0]["iterations_per_s"]
        for now, time, count in counts
    ]


def test_a_history_averages_over_its_window() -> None:
    history = History(window=2.0)
    counts = [(float(t), float(t), count) for t, count in enumerate([0, 10, 30, 40, 40, 40, 40])]
    assert loop_rates(history, *counts) == [None, 10.0, 15.0, 15.0, 5.0, 0.0, 0.0]


def test_a_snapshot_between_two_heartbeats_keeps_the_rates() -> None:
    assert loop_rates(History(), (0, 0, 0), (1, 1, 8), (1.5, 1, 8)) == [None, 8.0, 8.0]


def test_the_rates_of_a_silent_worker_become_unknown() -> None:
    history = History(silence=5.0)
    assert loop_rates(history, (0, 0, 0), (1, 1, 8), (6, 1, 8), (6.5, 1, 8)) == [None, 8.0, 8.0, None]


def test_a_restarted_loop_is_measured_afresh() -> None:
    assert loop_rates(History(), (0, 0, 0), (1, 1, 8), (2, 2, 3), (3, 3, 5)) == [None, 8.0, None, 2.0]


def test_a_restarted_clock_is_measured_afresh() -> None:
    assert loop_rates(History(), (0, 100, 0), (1, 101, 8), (2, 1, 9), (3, 2, 12)) == [None, 8.0, None, 3.0]


def test_lines_reach_back_as_far_as_the_span_and_vanish_after_it() -> None:
    history = History(span=3.0)
    for now in range(6):
        history.add(now, at(now, queues=[queue(size=now)]))
    (line,) = history.lines("queues")
    assert (list(line.times), list(line.values)) == ([2, 3, 4, 5], [2, 3, 4, 5])
    history.add(8, at(8))
    assert list(history.lines("queues")[0].values) == [5]
    history.add(9, at(9))
    assert history.lines("queues") == []


def test_a_history_is_bounded() -> None:
    history = History(points=5, lines_limit=3)
    for now in range(50):
        history.add(now / 10, at(now, queues=[queue(f"q{i}-{now % 2}") for i in range(9)], loops=[loop()]))
    assert len(history.lines("queues")) == 3
    assert len(history.lines("loops")) == 1
    assert max(len(line.times) for part in ("queues", "loops") for line in history.lines(part)) == 5
    assert len(history._seen) == 10


def test_a_line_keeps_its_number_and_unknown_rates_are_gaps() -> None:
    history = History()
    history.add(0, at(0, queues=[queue("b")], loops=[loop(iterations=0)]))
    history.add(1, at(1, queues=[queue("a"), queue("b")], loops=[loop(iterations=4)]))
    numbers = {line.row["name"]: line.number for line in history.lines("queues")}
    assert numbers == {"b": 0, "a": 2}
    assert [history.line_number("queues", row) for row in history.latest["queues"]] == [2, 0]
    gap, rate = history.lines("loops")[0].values
    assert math.isnan(gap)
    assert rate == 4.0


@pytest.mark.parametrize(
    ("capacity", "sizes", "shares"), [(10, [0, 5], [0.0, 0.5]), (-1, [2, 8], [0.25, 1.0]), (-1, [0], [0.0])]
)
def test_a_queues_line_is_its_share_of_the_capacity(capacity: int, sizes: list[int], shares: list[float]) -> None:
    history = History()
    for now, size in enumerate(sizes):
        history.add(now, at(now, queues=[queue(size=size, capacity=capacity)]))
    assert history.lines("queues")[0].shares() == shares


def test_what_goes_out_as_json_is_strict_json() -> None:
    wild = {"loss": math.nan, 3: [math.inf, True, None, 1.5, "é"], "odd": b"x"}
    text = json.dumps(to_json(wild), allow_nan=False)
    assert json.loads(text) == {"loss": None, "3": [None, True, None, 1.5, "é"], "odd": "b'x'"}
