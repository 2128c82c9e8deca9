"""The imports between dflow's files, read from their source.

Every import counts: also those inside a function, and those for types alone, under `if TYPE_CHECKING`.
"""

import ast
import glob
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def sources(root: Path = ROOT) -> dict[str, str]:
    """The files of dflow below `root`, a checkout of the project, with their text."""
    files = sorted(glob.glob("dflow/**/*.py", root_dir=root, recursive=True))  # follows the links, as to readers/
    return {file: (root / file).read_text(encoding="utf-8") for file in files}


def module_of(file: str) -> str:
    """`dflow/ops/__init__.py` -> `dflow.ops`."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(file: str, source: str) -> Iterator[str]:
    """The full name of everything that a file imports: of modules, and of what it takes out of modules."""
    package = file.rpartition("/")[0].split("/")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, node.module] if node.module else above)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def import_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """For each module of dflow the modules of dflow that it imports, without `dflow` itself.

    Why without: `dflow/__init__.py` imports all of them, and the readers import it, as their users' own readers do.
    """
    modules = {module_of(file): file for file in sources}
    del modules["dflow"]
    return {module: _modules_in(modules, imports(file, sources[file])) - {module} for module, file in modules.items()}


def _modules_in(modules: dict[str, str], names: Iterator[str]) -> set[str]:
    """The modules that names are, or come out of."""
    found = set()
    for name in names:
        while name and name not in modules:
            name = name.rpartition(".")[0]
        found.add(name)
    return found - {""}
