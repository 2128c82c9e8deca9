"""The program of `dflow convert`: TensorFlow's imports become dflow's, and names that dflow lacks are listed.

Pure: text in, text and notes out.  Python's parser finds the imports and the names; only the imports are rewritten, so
that the rest of the text stays as it is, with its comments and its layout.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from types import ModuleType
from typing import Any

from dflow.cli.tensorflow_modules import advice_about, dflow_module

TENSORFLOW = "tensorflow"


@dataclass(frozen=True, order=True)
class Note:
    """A line of the program that needs a look."""

    line: int
    text: str


@dataclass(frozen=True)
class Conversion:
    """A converted program, and what in it does not work."""

    text: str
    notes: list[Note]


def converted(text: str, dflow: ModuleType) -> Conversion:
    """The program with dflow's imports, and a note for each name that `dflow` lacks; SyntaxError if it is no Python."""
    tree = ast.parse(text)
    program = _Program(text.encode(), dflow)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == TENSORFLOW:
                    program.convert_import(alias)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == TENSORFLOW:
            program.convert_import_from(node, node.module or "")
    return Conversion(program.edited(), sorted({*program.notes, *_missing_names(tree, program.known)}))


@dataclass
class _Program:
    """What is found in a program.

    known: a name of the program -> TensorFlow's name for it, and the object of dflow.
    edits: (first byte, byte behind the last one, new text).
    """

    text: bytes
    dflow: ModuleType
    edits: list[tuple[int, int, str]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    known: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lines = self.text.split(b"\n")
        self._starts = [0, *accumulate(len(line) + 1 for line in lines)]

    def convert_import(self, alias: ast.alias) -> None:
        """`import tensorflow as tf` -> `import dflow as tf`, also for a module of it that dflow has."""
        module, found = self._module(alias.name)
        if found is None:
            self.notes.append(Note(alias.lineno, _no_module(alias.name)))
            return
        if alias.asname is None:  # the program writes the full name
            self._edit(alias, f"dflow as {TENSORFLOW}")
            self.known[TENSORFLOW] = ("tf", self.dflow)
        else:
            v1 = ".compat.v1" if alias.name == f"{TENSORFLOW}.compat.v1" else ""
            self._edit(alias, f"dflow{v1}{f'.{module}' if module else ''} as {alias.asname}")
            self.known[alias.asname] = (_shown(module), found)

    def convert_import_from(self, node: ast.ImportFrom, name: str) -> None:
        """`from tensorflow import flags` -> `from dflow import flags`."""
        module, found = self._module(name)
        if found is None:
            self._convert_modules(node, name)
            return
        for alias in node.names:
            if alias.name == "*":
                continue
            item = getattr(found, alias.name, None)
            if item is None:
                self.notes.append(Note(alias.lineno, _no_name(f"{_shown(module)}.{alias.name}", found, alias.name)))
            else:
                self.known[alias.asname or alias.name] = (f"{_shown(module)}.{alias.name}", item)
        start = self.text.find(name.encode(), self._place(node.lineno, node.col_offset))
        v1 = ".compat.v1" if name == f"{TENSORFLOW}.compat.v1" else ""
        self.edits.append((start, start + len(name), f"dflow{v1}{f'.{module}' if module else ''}"))

    def _convert_modules(self, node: ast.ImportFrom, name: str) -> None:
        """`from tensorflow.python.ops import math_ops` -> `import dflow as math_ops`."""
        modules = [self._module(f"{name}.{alias.name}") for alias in node.names]
        for alias, (_, found) in zip(node.names, modules, strict=True):
            if found is None:
                self.notes.append(Note(alias.lineno, _no_module(f"{name}.{alias.name}".removesuffix(".*"))))
        if any(found is None for _, found in modules):
            return
        statements = []
        for alias, (module, found) in zip(node.names, modules, strict=True):
            self.known[alias.asname or alias.name] = (_shown(module), found)
            statements.append(_import_of(module, alias.asname or alias.name))
        self._edit(node, f"\n{' ' * node.col_offset}".join(statements))

    def _module(self, name: str) -> tuple[str, Any]:
        """The module of dflow in the place of a module, and the module itself; None if there is none."""
        module = dflow_module(name)
        found: Any = self.dflow if module is not None else None
        for part in (module or "").split("."):
            found = getattr(found, part, None) if part else found
        return module or "", found

    def _place(self, line: int, column: int) -> int:
        return self._starts[line - 1] + column

    def _edit(self, node: ast.alias | ast.stmt, text: str) -> None:
        end = self._place(node.end_lineno or node.lineno, node.end_col_offset or 0)
        self.edits.append((self._place(node.lineno, node.col_offset), end, text))

    def edited(self) -> str:
        text = self.text
        for start, end, new in sorted(self.edits, reverse=True):
            text = text[:start] + new.encode() + text[end:]
        return text.decode()


def _import_of(module: str, name: str) -> str:
    """The statement that imports a module of dflow under a name."""
    if not module:
        return f"import dflow as {name}"
    package, _, last = f"dflow.{module}".rpartition(".")
    return f"from {package} import {last}{f' as {name}' if name != last else ''}"


def _shown(module: str) -> str:
    return f"tf.{module}" if module else "tf"


def _no_module(module: str) -> str:
    advice = advice_about(module)
    return f"dflow has no {module}{f': {advice}' if advice else ''}"


# -- names


def _missing_names(tree: ast.AST, known: dict[str, tuple[str, Any]]) -> Iterator[Note]:
    """A note for each chain such as `tf.layers.dense` of which a part does not exist."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or id(node) in inner:
            continue
        root, parts = _chain(node)
        if root not in known:
            continue
        shown, found = known[root]
        for part in parts:
            if not isinstance(found, (ModuleType, type)):
                break
            shown, owner = f"{shown}.{part}", found
            found = getattr(owner, part, None)
            if found is None and not hasattr(owner, part):
                yield Note(node.lineno, _no_name(shown, owner, part))
                break


def _chain(node: ast.expr) -> tuple[str, list[str]]:
    """`tf.nn.relu` -> ("tf", ["nn", "relu"]); ("", []) if it does not begin with a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, parts[::-1]) if isinstance(node, ast.Name) else ("", [])


def _no_name(shown: str, owner: Any, name: str) -> str:
    advice = advice_about(f"{TENSORFLOW}{shown.removeprefix('tf')}")
    if advice:
        return f"dflow has no {shown}: {advice}"
    near = difflib.get_close_matches(name, dir(owner), n=1, cutoff=0.8)
    return f"dflow has no {shown}{f'; it has {near[0]}' if near else ''}"
