"""The page `docs/tensorflow1.md` is true: its links lead to tests, its names exist, and no public name is left out."""

from __future__ import annotations

import ast
import functools
import itertools
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import dflow as df
from tests.oracle.intended import ABSENT, INTENDED

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tensorflow1.md"
STATES = {"same", "extended", "partly", "absent"}
TABLES = {  # the tables that a test goes through name the functions
    "tests/ops/test_oracle.py": "tests/ops/oracle*.py",
    **{
        path: path
        for path in (
            "tests/contrib/test_arg_scope.py",
            "tests/contrib/test_layers.py",
            "tests/layers/test_base.py",
            "tests/layers/test_convolutional.py",
            "tests/ops/test_initializers.py",
            "tests/ops/test_losses.py",
            "tests/ops/test_metrics.py",
        )
    },
}
OTHERS = {"tf.no_gradient"}  # absent, and dflow has another function of this name

Row = tuple[str, list[str]]  # the section of a table row, and its cells


@functools.cache
def rows() -> list[Row]:
    """All rows of all tables, without their heads."""
    found, section = [], ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith(("| `", "| [`")):
            found.append((section, [cell.strip() for cell in line.strip("|").split(" | ")]))
    return found


@functools.cache
def endpoints() -> dict[str, str]:
    """Each name of TensorFlow 1 that a table with states has: name -> state."""
    found: dict[str, str] = {}
    for _, cells in rows():
        if len(cells) == 4:
            for name in names(cells[0]):
                assert name not in found, f"{name} is on the page twice"
                found[name] = cells[1]
    return found


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def links(cell: str) -> list[tuple[str, str]]:
    """(function, file) of each link of a cell; files from the root of the project."""
    return [(function, f"tests/{path}") for function, path in re.findall(r"\[`(\w+)`\]\(\.\./tests/([^)]+)\)", cell)]


@functools.cache
def functions(path: str) -> dict[str, str]:
    """The text of each function of a file, from its decorators on, with that of the table that it goes through."""
    text = (ROOT / path).read_text()
    lines = text.splitlines()
    table = "".join(it.read_text() for it in sorted(ROOT.glob(TABLES[path]))) if path in TABLES else ""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            first = min(it.lineno for it in (node, *node.decorator_list))
            found[node.name] = "\n".join(lines[first - 1 : node.end_lineno]) + table
    return found


@pytest.fixture
def instances() -> dict[str, Any]:
    """An object of each class whose attributes are on the page."""
    coord, queue, v = df.train.Coordinator(), df.FIFOQueue(1, df.int32), df.Variable(1.0)
    with df.variable_scope("scope") as scope, df.Session() as session:
        return {
            "tf.ConfigProto": df.ConfigProto(),
            "tf.DType": df.int32,
            "tf.DeviceSpec": df.DeviceSpec(),
            "tf.Dimension": df.Dimension(1),
            "tf.Graph": v.graph,
            "tf.Operation": v.op,
            "tf.QueueBase": queue,
            "tf.ReaderBase": df.IdentityReader(),
            "tf.RunMetadata": df.RunMetadata(),
            "tf.RunOptions": df.RunOptions(),
            "tf.Session": session,
            "tf.SparseTensor": df.SparseTensor([[0]], [1], [1]),
            "tf.Tensor": df.constant(1),
            "tf.TensorShape": df.TensorShape([]),
            "tf.Variable": v,
            "tf.VariableScope": scope,
            "tf.train.ClusterSpec": df.train.ClusterSpec({}),
            "tf.train.Coordinator": coord,
            "tf.train.LooperThread": df.train.LooperThread(coord, None),
            "tf.train.Optimizer": df.train.GradientDescentOptimizer(1.0),
            "tf.train.Saver": df.train.Saver([v]),
            "tf.train.QueueRunner": df.train.QueueRunner(queue, [queue.enqueue(1)]),
        }


def test_each_link_leads_to_a_test_and_each_name_is_used_by_one() -> None:
    wrong = []
    for section, cells in rows():
        used = ""
        for function, path in links(cells[0]) + links(cells[-1]):
            if not (ROOT / path).exists() or function not in functions(path):
                wrong.append(f"{section}: there is no {function} in {path}")
            else:
                used += functions(path)[function]
        if cells[0].startswith("[") or section == "Whole modules" or cells[1] == "absent":
            continue
        for name in names(cells[0]):
            last = name.rpartition(".")[2]
            if not re.search(rf"\b{last}\b", used):
                wrong.append(f"{section}: no test of {name} uses it")
    assert wrong == [], "\n".join(wrong)


def test_each_table_has_a_head() -> None:
    """Without one it is shown as text."""
    lines = ["", *PAGE.read_text().splitlines()]
    firsts = [row for before, row in itertools.pairwise(lines) if row.startswith("|") and not before]
    assert [row for row in firsts if "`" in row] == []
    assert sum(row.startswith("| ---") for row in lines) == len(firsts)


def test_a_row_has_a_state_and_what_is_not_as_in_tensorflow_has_a_reason() -> None:
    wrong = [
        names(cells[0])[0]
        for _, cells in rows()
        if len(cells) == 4 and (cells[1] not in STATES or (cells[1] != "same" and not cells[2]))
    ]
    assert wrong == []


def test_what_is_there_exists_and_what_is_absent_does_not(instances: dict[str, Any]) -> None:
    wrong = []
    for name, state in endpoints().items():
        owner, _, attribute = name.rpartition(".")
        if (_exists(name, instances.get(owner), attribute) and name not in OTHERS) != (state != "absent"):
            wrong.append(f"{name} is {state} on the page")
    assert wrong == [], "\n".join(wrong)


def _exists(name: str, instance: Any, attribute: str) -> bool:
    if instance is not None:
        return hasattr(instance, attribute)
    found: Any = df
    *owners, last = name.split(".")[1:]
    for part in owners:
        found = getattr(found, part, None)
    return hasattr(found, last)  # its value may be None: `tf.newaxis`


def test_every_public_name_of_dflow_is_on_the_page() -> None:
    modules = {
        "": df,
        "data.": df.data,
        "train.": df.train,
        "nn.": df.nn,
        "image.": df.image,
        "python_io.": df.python_io,
        "cluster.": df.cluster,
        "contrib.framework.": df.contrib.framework,
        "contrib.lookup.": df.contrib.lookup,
        "contrib.opt.": df.contrib.opt,
        "contrib.rnn.": df.contrib.rnn,
        "contrib.training.": df.contrib.training,
        "graph_util.": df.graph_util,
        "contrib.layers.": df.contrib.layers,
        "initializers.": df.initializers,
        "layers.": df.layers,
        "losses.": df.losses,
        "metrics.": df.metrics,
        "lookup.": df.lookup,
        "sets.": df.sets,
        "sparse.": df.sparse,
        "strings.": df.strings,
        "flags.": df.flags,
        "gfile.": df.gfile,
        "logging.": df.logging,
        "resource_loader.": df.resource_loader,
        "summary.": df.summary,
        "test.": df.test,
    }
    public = {prefix + name for prefix, module in modules.items() for name in module.__all__}
    public -= {name for name in public if isinstance(getattr(df, name, None), ModuleType)}
    public -= {"gfile.v2"}
    others = set(public) | {name.partition(".")[2] for name in public}
    public |= {f"io.{name}" for name in df.io.__all__ if name not in others}
    public |= {f"random.{name}" for name in df.random.__all__ if name not in public}
    more = ("bitwise", "debugging", "linalg", "math", "quantization", "signal", "spectral")
    public -= set(more)
    for area in more:
        names_of_others = public | {name.removeprefix("nn.") for name in public}
        public |= {f"{area}.{name}" for name in getattr(df, area).__all__ if name not in names_of_others}
    own = {
        name.removeprefix("df.") for section, cells in rows() for name in names(cells[0]) if section == "dflow's own"
    }
    there = {name.removeprefix("tf.") for name, state in endpoints().items() if state != "absent"}
    missing = public - there - own
    assert missing == set(), "add a row to docs/tensorflow1.md: under dflow's own, if TensorFlow lacks the name"


def test_the_page_and_the_oracle_agree_on_what_is_absent_and_what_differs() -> None:
    assert {name for name in ABSENT.values() if endpoints()[f"tf.train.{name}"] != "absent"} == set()
    different = [links(cells[0])[0] for section, cells in rows() if section == "Different on purpose"]
    assert sorted(f"{Path(path).stem}.{program}" for program, path in different) == sorted(INTENDED)
