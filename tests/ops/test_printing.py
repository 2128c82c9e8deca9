"""`Print` and `print`: what they write, and how often."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.gradients import gradients
from dflow.ops.array.constants import placeholder
from dflow.ops.checks.summary import summarized, summarized_with_ends
from tests.ops.evaluate import Evaluator


def test_print_hands_its_input_on_and_writes_the_message_and_the_data(capfd: Any) -> None:
    x = placeholder("float32", [2])
    y = df.Print(x, [x, "text", np.arange(6).reshape(2, 3)], "values: ", first_n=2, summarize=4)
    assert y.shape.as_list() == [2]
    (dx,) = gradients(y * y, [x])
    run = Evaluator()
    for _ in range(3):
        np.testing.assert_array_equal(run(y, {x: [1.5, 0.1]}), np.float32([1.5, 0.1]))
    assert capfd.readouterr().err == "values: [1.5 0.1][text][[0 1 2][3...]]\n" * 2
    np.testing.assert_allclose(run(dx, {x: [1, 2]}), [2, 4])


def test_print_formats_nested_values_with_the_ends_of_each_axis(capfd: Any) -> None:
    x = df.constant(np.arange(16).reshape(2, 8))
    run = Evaluator()
    run(df.print("rows", {"b": [x[0], "text"], "a": (df.constant(0.5),)}, x, summarize=2, sep=": ", end="."))
    rows = "[[0 1 ... 6 7]\n [8 9 ... 14 15]]"
    assert capfd.readouterr().err == f"rows: {{'a': (0.5,), 'b': [[0 1 ... 6 7], 'text']}}: {rows}."


def test_print_writes_to_streams_logs_and_files(capfd: Any, caplog: Any, tmp_path: Path) -> None:
    run, file = Evaluator(), tmp_path / "printed.txt"
    with caplog.at_level(logging.INFO, "dflow.print"):
        for stream in (sys.stdout, logging.WARNING, logging.info, f"file://{file}", f"file://{file}"):
            run(df.print("a line", output_stream=stream))
    assert capfd.readouterr().out == "a line\n"
    assert [(it.levelname, it.message) for it in caplog.records] == [("WARNING", "a line"), ("INFO", "a line")]
    assert file.read_text() == "a line\n" * 2
    with pytest.raises(ValueError, match="Unknown output stream"):
        df.print("a line", output_stream="a file")


@pytest.mark.parametrize(
    ("value", "few", "ends"),
    [
        (np.float32(1 / 3), "0.333333343", "0.333333343"),
        (np.array([0.1, 1e30, -2.0]), "0.1 1e+30 -2", "[0.1 1e+30 -2]"),
        (np.array([True, False]), "1 0", "[1 0]"),
        (np.array([1 + 2j]), "(1,2)", "[(1,2)]"),
        (np.array([b"a", b"b"], object), "a b", "[a b]"),
        (np.arange(4), "0 1 2...", "[0 1 2 3]"),
        (np.zeros((0, 2)), "", "[]"),
        (np.array([np.nan, np.inf]), "nan inf", "[nan inf]"),
    ],
)
def test_values_are_shown_as_tensorflow_shows_them(value: Any, few: str, ends: str) -> None:
    assert summarized(value, 3) == few
    assert summarized_with_ends(value, 3) == ends
    assert "..." not in summarized(value, -1) + summarized_with_ends(value, -1)
