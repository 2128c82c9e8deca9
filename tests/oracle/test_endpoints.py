"""The page `docs/tensorflow1.md` tells of every public name that TensorFlow itself has in the areas of the page."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.test_tensorflow1_page import endpoints, names, rows

ORACLE = os.environ.get("DFLOW_ORACLE")

pytestmark = pytest.mark.skipif(not ORACLE, reason="DFLOW_ORACLE names no Python with TensorFlow")


GONE = (
    "tf.contrib.",
    "tf.layers.",
    "tf.nn.rnn_cell.",
    "tf.keras.",
)  # later versions do not have them, or need an older Keras for them


def owners() -> set[str]:
    """The modules and the classes on the page of which it lists the names."""
    return {owner for name in endpoints() if (owner := name.rpartition(".")[0]) != "tf" and not name.startswith(GONE)}


@pytest.fixture(scope="module")
def public() -> set[str]:
    """The names that TensorFlow has, of the modules of the page and of its classes with a row for an attribute."""
    command = [str(ORACLE), str(Path(__file__).with_name("endpoints.py")), *sorted(owners())]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_every_name_of_tensorflow_is_on_the_page(public: set[str]) -> None:
    modules = {name for section, cells in rows() for name in names(cells[0]) if section == "Whole modules"}
    told = endpoints().keys() | modules | owners() | {gone.rstrip(".") for gone in GONE}
    left_out = [name for name in public - told if endpoints().get(name.rpartition(".")[0]) != "absent"]
    assert sorted(left_out) == []


def test_the_page_names_nothing_that_tensorflow_does_not_have(public: set[str]) -> None:
    assert sorted(name for name in endpoints().keys() - public if not name.startswith(GONE)) == []
