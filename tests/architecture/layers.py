"""The layers of dflow, the rules of imports between them, and the faults: imports that break the rules.

A part of dflow imports parts of its own layer and of lower ones, and no files import each other in a circle.
The packages of `runtime/` are layers of their own.  So is `ops/rules`, on which the families of operations stand.
Every import counts, also those inside a function or for types alone.
"""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from tests.architecture.imports import import_graph, imports, module_of

LAYERS = (  # from the bottom up
    (
        "absent",
        "attr_text",
        "crc32c",
        "compat",
        "config_proto",
        "dead",
        "dimension",
        "errors",
        "dtypes",
        "shapes",
        "signatures",
        "devices",
        "specs",
        "summary_proto",
        "tensor_shape",
        "protos",
        "varint",
        "graph_proto",
        "tensor_proto",
        "tensor_content",
        "node_proto",
        "nest",
        "version",
    ),
    ("forks",),
    ("registry", "node_rules", "node_attrs", "node_attrs_images", "nodes", "node_reading", "graph_defs", "graph"),
    ("ops.rules", "sparse_tensor"),
    (
        "ops",
        "gradients",
        "loop_gradients",
        "gradient_rules",
        "custom_gradients",
        "hessians",
        "image",
        "blocks",
        "random",
        "manip",
        "tensor_util",
        "strings",
        "sparse",
        "sets",
        "lookup",
        "graph_import",
        "raw_formulas",
        "raw_ops",
        "graph_util",
        "bitwise",
        "debugging",
        "linalg",
        "math",
        "quantization",
        "signal",
        "spectral",
    ),
    ("losses", "metrics", "initializers", "keras", "layers", "rnn", "nn"),
    ("readers", "machines", "python_io", "checkpoints"),
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
    ("app", "flags", "gfile", "logging", "resource_loader"),
    ("summary",),
    ("train", "contrib", "client", "io", "saved_model", "test"),
    ("data",),
    ("pipelines",),
    ("cli", "dashboard", "visualize", "__main__"),
)
HEIGHT = {part: height for height, layer in enumerate(LAYERS) for part in layer}

WITH_DASK = {"runtime.dask", "cluster", "data", "cli", "dashboard"}
MAY_IMPORT = {  # foreign packages that only some parts may import
    "dask": WITH_DASK | {"runtime.base", "runtime.transport"},  # its configuration, its version
    "distributed": WITH_DASK | {"runtime.transport"},
}
FROM_OUTSIDE = {"readers", "pipelines"}  # written as a user would write them: with dflow's public names
MAY_IMPORT_DFLOW = FROM_OUTSIDE | {"cli", "dashboard"}  # `import dflow` itself brings every layer


def part_of(module: str) -> str | None:
    """`dflow.ops.math.powers` -> `ops`, `dflow.runtime.step.step` -> `runtime.step`.

    None: dflow itself, one of its public names, or what has no layer.
    """
    _, *parts = module.split(".")
    named = (".".join(parts[:length]) for length in (2, 1))
    return next((part for part in named if part in HEIGHT), None)


def offences(file: str, source: str) -> list[str]:
    """What `file` imports and may not, a sentence each.  `dflow/__init__.py` may import everything."""
    if file == "dflow/__init__.py":
        return []
    part = part_of(module_of(file))
    if part is None:
        return [f"{file} belongs to no layer: add it to LAYERS"]
    found = []
    for name in imports(file, source):
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


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules of which each imports the next one, the first one again at the end; no circle: []."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def faults(sources: Mapping[str, str]) -> list[str]:
    """What breaks the rules, a line each, which begins with the file."""
    found = [f"{file}: {offence}" for file, source in sources.items() for offence in offences(file, source)]
    files = {module_of(file): file for file in sources}
    if around := [files[module] for module in circle(import_graph(sources))]:
        found.append(f"{around[0]}: files import each other in a circle: {' -> '.join(around)}")
    return found
