"""The drawing of dflow's layers in docs/architecture.md, made from the files' imports and docstrings.

    make drawing                                    # write it
    .venv/bin/python -m tests.architecture.drawing  # the same

Where an import breaks the rules of `layers.py`, nothing is drawn: the command fails and names the file.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from tests.architecture.imports import ROOT, imports, module_of, sources
from tests.architecture.layers import HEIGHT, LAYERS, faults, part_of

PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- `make drawing` makes what follows -->", "<!-- end of the drawing -->"
WIDTH = 100
NAMES = max(map(len, HEIGHT))  # the width of the column of names


def main(page: Path = PAGE) -> int:
    found = sources()
    if broken := faults(found):
        print("No drawing, as imports break the rules:", *broken, sep="\n", file=sys.stderr)
        return 1
    page.write_text(with_drawing(page.read_text(encoding="utf-8"), drawing(found)), encoding="utf-8")
    return 0


def with_drawing(page: str, drawing: str) -> str:
    """The page with this drawing between its two marks.  ValueError if it has no marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page has no lines {BEGIN!r} and {END!r}; the drawing goes between them")
    return f"{before}{begin}\n\n```text\n{drawing}\n```\n\n{end}{after}"


def drawing(sources: Mapping[str, str]) -> str:
    """A box for each layer, the highest one first: its parts, what each is, and which parts it imports."""
    boxes = ([line for part in layer for line in _lines(part, sources)] for layer in reversed(LAYERS))
    top, between, bottom = (f"{left}{'─' * (WIDTH - 2)}{right}" for left, right in ("┌┐", "├┤", "└┘"))
    drawn = ("\n".join(f"│ {line:{WIDTH - 4}} │" for line in box) for box in boxes)
    return "\n".join([top, f"\n{between}\n".join(drawn), bottom])


def _lines(part: str, sources: Mapping[str, str]) -> Iterator[str]:
    indent = " " * (NAMES + 2)
    yield from _wrapped(f"{part:{NAMES}}  {summary(part, sources)}", indent)
    if found := imported(part, sources):
        yield from _wrapped(f"{indent}→ {_listed(found)}", indent + "  ")


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH - 4, subsequent_indent=indent, break_on_hyphens=False)


def _listed(parts: Iterable[str]) -> str:
    """`data, runtime.loop, runtime.step, ops` -> `data; runtime: loop, step; ops`."""
    groups = groupby(parts, lambda part: part.rpartition(".")[0])
    listed = ((package, ", ".join(part.rpartition(".")[2] for part in group)) for package, group in groups)
    return "; ".join(f"{package}: {names}" if package else names for package, names in listed)


def summary(part: str, sources: Mapping[str, str]) -> str:
    """The first sentence of the docstring of a package or module."""
    path = "dflow/" + part.replace(".", "/")
    source = sources.get(f"{path}/__init__.py") or sources[f"{path}.py"]
    paragraph, _, _ = (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")
    sentence, _, _ = " ".join(paragraph.split()).partition(". ")
    return sentence.removesuffix(".")


def imported(part: str, sources: Mapping[str, str]) -> list[str]:
    """The other parts that the files of a part import, the highest first; `dflow` are the public names."""
    names = (
        name
        for file, source in sources.items()
        if part_of(module_of(file)) == part
        for name in imports(file, source)
        if name.split(".")[0] == "dflow"
    )
    found = {part_of(name) or "dflow" for name in names} - {part}
    return sorted(found, key=lambda name: (-HEIGHT.get(name, len(LAYERS)), name))


if __name__ == "__main__":
    sys.exit(main())
