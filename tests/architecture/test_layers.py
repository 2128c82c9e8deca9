"""The files of dflow keep the rules of `layers.py`, and what breaks them is found."""

import pytest

from tests.architecture.imports import import_graph, module_of, sources
from tests.architecture.layers import LAYERS, circle, faults, offences, part_of

SOURCES = sources()
MODULES = [module_of(file) for file in SOURCES if file != "dflow/__init__.py"]


def test_every_part_of_dflow_has_a_layer() -> None:
    assert [module for module in MODULES if part_of(module) is None] == []


def test_every_part_of_a_layer_exists() -> None:
    assert {part for layer in LAYERS for part in layer} - {part_of(module) for module in MODULES} == set()


def test_every_package_of_the_runtime_has_a_layer() -> None:
    assert [module for module in MODULES if part_of(module) == "runtime"] == ["dflow.runtime"]


@pytest.mark.parametrize("file", SOURCES)
def test_a_file_imports_nothing_from_above_it(file: str) -> None:
    assert offences(file, SOURCES[file]) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("dflow/registry.py", "import dflow.ops"),
        ("dflow/registry.py", "from dflow import ops"),
        ("dflow/registry.py", "from . import ops"),
        ("dflow/registry.py", "from .ops.math import add"),
        ("dflow/registry.py", "def f():\n    from dflow.runtime.device import executor"),
        ("dflow/registry.py", "import dflow as df"),
        ("dflow/ops/random.py", "from ..runtime.device import executor"),
        ("dflow/ops/math/powers.py", "from ...runtime.device import executor"),
        ("dflow/ops/rules/static.py", "from dflow.ops.array.constants import constant"),
        ("dflow/ops/rules/static.py", "from ..array import constants"),
        ("dflow/ops/rules/static.py", "import dflow.ops"),
        ("dflow/registry.py", "from dflow.ops.rules import static"),
        ("dflow/ops/__init__.py", "from ..machines.queue.fifo import FifoQueue"),
        ("dflow/machines/queue/fifo.py", "import dask"),
        ("dflow/compile/lower.py", "from distributed import Client"),
        ("dflow/train/loop.py", "import distributed.client as dc"),
        ("dflow/readers/text.py", "from dflow.train import Saver"),
        ("dflow/readers/csv/reader.py", "from dflow.train import Saver"),
        ("dflow/pipelines/csv.py", "from dflow import _secret"),
        ("dflow/pipelines/csv.py", "from dflow.ops.math.arithmetic import _add"),
        ("dflow/registry.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import dflow.ops"),
        ("dflow/runtime/transport/channel.py", "from dflow.runtime.step.process import Process"),
        ("dflow/runtime/step/step.py", "if TYPE_CHECKING:\n    from dflow.runtime.session import session"),
        ("dflow/runtime/step/step.py", "import distributed"),
        ("dflow/runtime/dispatch.py", "from dflow.runtime.dask import worker"),
        ("dflow/registry.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dflow.ops import math"),
    ],
)
def test_an_import_from_above_is_found(file: str, source: str) -> None:
    assert len(offences(file, source)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("dflow/registry.py", "import numpy as np\nfrom dflow import errors\nfrom .shapes import as_shape"),
        ("dflow/ops/random.py", "from . import array\nfrom .array import _shape\nfrom ..graph import Tensor"),
        (
            "dflow/ops/math/powers.py",
            "from ..array import fill\nfrom ..rules.static import only\nfrom . import division",
        ),
        (
            "dflow/ops/rules/late.py",
            "from . import static\nfrom dflow.ops.rules.arrays import ints\nfrom dflow import graph",
        ),
        ("dflow/runtime/dask/cold.py", "from dask.highlevelgraph import HighLevelGraph"),
        ("dflow/runtime/dask/worker.py", "from distributed import WorkerPlugin\nfrom dflow.compile import lower"),
        ("dflow/readers/text.py", "import dflow as df\nfrom dflow import Tensor\nfrom dflow.registry import define"),
        ("dflow/pipelines/csv.py", "from ._rows import split\nfrom dflow.readers.csv.reader import CsvReader"),
    ],
)
def test_an_import_of_the_same_layer_or_from_below_is_fine(file: str, source: str) -> None:
    assert offences(file, source) == []


# -- circles


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circle(import_graph(SOURCES)) == []


def test_one_import_for_types_alone_is_a_circle() -> None:
    """Between two files of one layer, so that nothing else is wrong."""
    line = "if TYPE_CHECKING:\n    from dflow.{} import anything\n"
    found = faults(
        SOURCES | {"dflow/shapes.py": line.format("dtypes"), "dflow/dtypes.py": line.format("shapes")},
    )
    assert [fault.partition(": files import each other in a circle: ")[2] for fault in found] in (
        ["dflow/shapes.py -> dflow/dtypes.py -> dflow/shapes.py"],
        ["dflow/dtypes.py -> dflow/shapes.py -> dflow/dtypes.py"],
    )
