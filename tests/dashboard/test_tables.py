"""The tables as HTML, from made-up numbers."""

from __future__ import annotations

from typing import Any

import pytest

from dflow.dashboard.snapshot import PARTS, History, merge
from dflow.dashboard.tables import ROWS_SHOWN, TABLES, UNKNOWN, size_of, summary, table_html, tenths, whole
from tests.dashboard.helpers import GPU, PS, loop, queue, sent, table_rows


def history(**parts: list[dict[str, Any]]) -> History:
    """After one snapshot of one worker."""
    found = History()
    found.add(0.0, merge({"tcp://a": sent(0.0, **parts)}))
    return found


def test_every_part_of_a_snapshot_has_a_table() -> None:
    assert TABLES.keys() == PARTS.keys()


@pytest.mark.parametrize("part", TABLES)
def test_a_table_without_rows_says_so(part: str) -> None:
    html = table_html(part, history())
    assert TABLES[part].empty in html
    assert table_rows(html) == []


@pytest.mark.parametrize("part", TABLES)
def test_a_row_of_which_the_worker_sent_only_a_name_is_shown(part: str) -> None:
    (row,) = table_rows(table_html(part, history(**{part: [{"name": "x"}]})))
    assert list(row) == [column.title for column in TABLES[part].columns]


def test_a_queue_shows_its_fill_and_who_waits() -> None:
    html = table_html("queues", history(queues=[queue(size=500, capacity=2000, waiting_dequeues=2, closed=True)]))
    (row,) = table_rows(html)
    assert "width:25%" in html
    assert (row["Size"], row["Capacity"], row["Dequeues waiting"], row["State"]) == ("500", "2,000", "2", "closed")
    assert row["Enqueued/s"] == UNKNOWN


def test_a_queue_without_a_bound_has_no_bar() -> None:
    html = table_html("queues", history(queues=[queue(size=7, capacity=-1)]))
    assert 'class="bar"' not in html
    assert table_rows(html)[0]["Capacity"] == "no bound"


def test_a_loop_shows_its_values() -> None:
    values = {"loss": 0.123456, "step": 7, "<note>": "a & b"}
    (row,) = table_rows(table_html("loops", history(loops=[loop(values=values)])))
    assert row["Values"] == "loss 0.1235, step 7, <note> a & b"


def test_a_loop_without_a_name_is_shown_by_its_id() -> None:
    (row,) = table_rows(table_html("loops", history(loops=[loop("s1/3", name="")])))
    assert row["Loop"] == "s1/3"


@pytest.mark.parametrize("part", TABLES)
def test_names_are_text_never_html(part: str) -> None:
    bad = "<script>alert('&')</script>"
    columns = {"name", "container", "device", "kind", "id", "session", "state"}
    html = table_html(part, history(**{part: [dict.fromkeys(columns, bad)]}))
    assert "<script" not in html
    assert bad in table_rows(html)[0].values()


def test_what_is_on_a_virtual_device_is_marked() -> None:
    gpu = GPU.format(0)
    devices = [{"name": PS, "virtual": False}, {"name": gpu, "virtual": True}]
    found = history(devices=devices, loops=[loop("a", device=PS), loop("b", device=gpu)])
    assert [row["Device"] for row in table_rows(table_html("loops", found))] == [PS, gpu + "virtual"]
    assert [row["Device"] for row in table_rows(table_html("devices", found))] == [PS, gpu + "virtual"]
    assert "2 devices (1 virtual" in summary(found.latest)


def test_a_row_has_the_colour_of_its_line() -> None:
    found = History(lines_limit=1)
    found.add(0.0, merge({"tcp://a": sent(0.0, queues=[queue("a"), queue("b")])}))
    html = table_html("queues", found)
    assert html.count("background:#1f77b4") == 2  # its square and its bar
    assert html.count("background:#b8c0cc") == 2


def test_a_long_table_is_cut_and_says_so() -> None:
    html = table_html("queues", history(queues=[queue(f"q{i}") for i in range(ROWS_SHOWN + 5)]))
    assert len(table_rows(html)) == ROWS_SHOWN
    assert "and 5 more" in html


def test_the_first_line_counts() -> None:
    assert summary(history(queues=[queue()]).latest) == "1 worker · 0 devices · 1 queue · 0 loops · 0 readers"


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (size_of(0), "0 B"),
        (size_of(1023), "1,023 B"),
        (size_of(1536), "1.5 KiB"),
        (size_of(5 * 2**40), "5.0 TiB"),
        (size_of(5000 * 2**40), "5,000.0 TiB"),
        (whole(1234567), "1,234,567"),
        (tenths(1234.56), "1,234.6"),
        (tenths(None), UNKNOWN),
    ],
)
def test_numbers_are_short(shown: str, text: str) -> None:
    assert shown == text
