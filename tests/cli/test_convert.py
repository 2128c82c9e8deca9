"""`dflow convert`: the imports of a program, and the names that dflow lacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import dflow as df
from dflow.cli import main
from dflow.cli.conversion import converted


def imports(line: str) -> str:
    return converted(line, df).text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import tensorflow as tf", "import dflow as tf"),
        ("import tensorflow.compat.v1 as tf  # ä", "import dflow.compat.v1 as tf  # ä"),
        ("import os, tensorflow as tf, sys", "import os, dflow as tf, sys"),
        ("import tensorflow", "import dflow as tensorflow"),
        ("from tensorflow import flags, gfile as g", "from dflow import flags, gfile as g"),
        ("from tensorflow.compat import v1 as tf", "from dflow.compat import v1 as tf"),
        ("from tensorflow import (\n    nn,\n    train,\n)", "from dflow import (\n    nn,\n    train,\n)"),
        ("if x:\n    import tensorflow as tf", "if x:\n    import dflow as tf"),
        ("from tensorflow.python.platform import gfile", "from dflow import gfile"),
        ("from tensorflow.python.platform.gfile import GFile", "from dflow.gfile import GFile"),
        (
            "from tensorflow.python.ops import math_ops, nn_ops as n",
            "import dflow as math_ops\nfrom dflow import nn as n",
        ),
        (
            "if x:\n    from tensorflow.python.framework import (\n        ops,\n        dtypes)  # y",
            "if x:\n    import dflow as ops\n    import dflow as dtypes  # y",
        ),
        ("from tensorflow.core.framework import summary_pb2", "import dflow as summary_pb2"),
        ("text = 'import tensorflow as tf'", "text = 'import tensorflow as tf'"),
    ],
)
def test_imports_become_dflows_and_all_else_stays(before: str, after: str) -> None:
    assert imports(before) == after


def test_names_that_dflow_lacks_are_listed_with_their_lines() -> None:
    program = (
        "import tensorflow as tf\n"
        "from tensorflow.contrib import no_such_module\n"
        "from tensorflow.examples.tutorials.mnist import input_data\n"
        "from tensorflow.python.eager import context\n"
        "x = tf.constant(1.0)\n"
        "y = tf.nn.no_such_layer(x)\n"
        "z = tf.reduce_summ(x).shape.anything\n"
        "opt = tf.train.GradientDescentOptimizer.no_such_method\n"
        "tf.nn.relu(x).foo, tf.nn.relu, x.nothing\n"
    )
    notes = converted(program, df).notes
    assert [note.line for note in notes] == [2, 3, 4, 6, 7, 8]
    assert "lists what dflow has of tf.contrib" in notes[0].text
    assert "fetch_openml" in notes[1].text
    assert "private" in notes[2].text
    assert "import dflow as tf" in converted(program, df).text
    assert notes[3].text == "dflow has no tf.nn.no_such_layer"
    assert notes[4].text == "dflow has no tf.reduce_summ; it has reduce_sum"
    assert notes[5].text.startswith("dflow has no tf.train.GradientDescentOptimizer.no_such_method")


def test_the_command_writes_the_program_and_its_notes(tmp_path: Path) -> None:
    source, target = tmp_path / "a.py", tmp_path / "b.py"
    source.write_text("import tensorflow as tf\ntf.no_such_name()\n")
    ended = CliRunner().invoke(main, ["convert", str(source), "-o", str(target)])
    assert (ended.exit_code, target.read_text()) == (0, "import dflow as tf\ntf.no_such_name()\n")
    assert f"{source}:2: dflow has no tf.no_such_name" in ended.output
    shown = CliRunner().invoke(main, ["convert", str(target)])
    assert shown.output.startswith("import dflow as tf\n")
    assert "dflow has all the names that it uses" in shown.output


def test_a_program_of_python_2_is_refused_with_its_line(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("import tensorflow as tf\nprint 'x'\n")
    ended = CliRunner().invoke(main, ["convert", str(source)])
    assert ended.exit_code == 1
    assert f"{source}:2: this is no Python 3" in ended.output
