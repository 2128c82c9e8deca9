"""A part of dflow imports parts of its own layer and of lower ones, and no files import each other in a circle.

The packages of `runtime/` are layers of their own.  So is `ops/rules`, on which the families of operations stand.
Every import counts, also those inside a function or for types alone.
"""

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.imports import FILES, ROOT, import_graph, imports, module_of

LAYERS = (  # from the bottom up
    (
        "absent",
        "errors",
        "dtypes",
        "shapes",
        "devices",
        "specs",
        "protos",
        "tensor_proto",
        "tensor_content",
        "node_proto",
        "version",
    ),
    ("forks",),
    ("registry", "node_attrs", "nodes", "graph"),
    ("ops.rules",),
    ("ops", "sparse", "gradients", "nn", "blocks"),
    ("readers", "machines", "python_io"),
    ("compile", "cluster"),
    ("runtime", "runtime.base"),
    ("runtime.threads",),
    ("runtime.transport",),
    ("runtime.resources",),
    ("runtime.device",),
    ("runtime.step",),
    ("runtime.loop",),
    ("runtime.dispatch",),
    ("runtime.dask",),
    ("runtime.session",),
    ("train", "contrib", "io"),
    ("data",),
    ("pipelines",),
    ("cli", "dashboard", "visualize", "__main__"),
)
HEIGHT = {part: height for height, layer in enumerate(LAYERS) for part in layer}

WITH_DASK = {"runtime.dask", "runtime.session", "cluster", "data", "cli", "dashboard"}
MAY_IMPORT = {  # foreign packages that only some parts may import
    "dask": WITH_DASK | {"runtime.base", "runtime.transport"},  # its configuration, its version
    "distributed": WITH_DASK | {"runtime.transport", "runtime.device"},
}
FROM_OUTSIDE = {"readers", "pipelines"}  # written as a user would write them: with dflow's public names
MAY_IMPORT_DFLOW = FROM_OUTSIDE | {"cli", "dashboard"}  # `import dflow` itself brings every layer

CHECKED = [Path(file) for file in FILES if file != "dflow/__init__.py"]


def part_of(module: str) -> str | None:
    """`dflow.ops.math.powers` -> `ops`, `dflow.runtime.step.step` -> `runtime.step`.

    None: dflow itself, one of its public names, or what has no layer.
    """
    _, *parts = module.split(".")
    named = (".".join(parts[:length]) for length in (2, 1))
    return next((part for part in named if part in HEIGHT), None)


def offences(file: Path, source: str) -> list[str]:
    """What `file` imports and may not, a sentence each."""
    part = part_of(module_of(file.as_posix()))
    assert part is not None, f"{file} belongs to no layer: add it to LAYERS"
    found = []
    for name in imports(file.as_posix(), source):
        top, *inner = name.split(".")
        if part not in MAY_IMPORT.get(top, {part}):
            found.append(f"{part} imports {name}: only {', '.join(sorted(MAY_IMPORT[top]))} may")
        if top != "dflow":
            continue
        target = part_of(name)
        if target is None and part not in MAY_IMPORT_DFLOW:
            found.append(f"{part} imports {name}: say which module of dflow it needs")
        elif target is not None and HEIGHT[target] > HEIGHT[part]:
            found.append(f"{part} imports {name}: {target} lies above it")
        if part in FROM_OUTSIDE and target != part and any(step.startswith("_") for step in inner):
            found.append(f"{part} imports {name}: it may use public names only")
    return found


def test_every_part_of_dflow_has_a_layer() -> None:
    assert [file for file in CHECKED if part_of(module_of(file.as_posix())) is None] == []


def test_every_package_of_the_runtime_has_a_layer() -> None:
    modules = [module_of(file.as_posix()) for file in CHECKED]
    assert [name for name in modules if part_of(name) == "runtime"] == ["dflow.runtime"]


@pytest.mark.parametrize("file", CHECKED, ids=str)
def test_a_file_imports_nothing_from_above_it(file: Path) -> None:
    assert offences(file, (ROOT / file).read_text(encoding="utf-8")) == []


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
        ("dflow/runtime/transport/lane.py", "from dflow.runtime.step.process import Process"),
        ("dflow/runtime/step/step.py", "if TYPE_CHECKING:\n    from dflow.runtime.session import session"),
        ("dflow/runtime/step/step.py", "import distributed"),
        ("dflow/runtime/dispatch.py", "from dflow.runtime.dask import worker"),
        ("dflow/registry.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dflow.ops import math"),
    ],
)
def test_an_import_from_above_is_found(file: str, source: str) -> None:
    assert len(offences(Path(file), source)) == 1


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
    assert offences(Path(file), source) == []


# -- circles


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, the first one again at the end; none: []."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circle(import_graph()) == []


def test_one_import_for_types_alone_is_a_circle() -> None:
    graph = import_graph()
    for name in imports(
        "dflow/runtime/transport/lane.py", "if TYPE_CHECKING:\n    from dflow.runtime.step.process import Process"
    ):
        graph["dflow.runtime.transport.lane"].add(name.rpartition(".")[0])
    assert {"dflow.runtime.transport.lane", "dflow.runtime.step.process"} <= set(circle(graph))
