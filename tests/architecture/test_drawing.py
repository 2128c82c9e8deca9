"""The drawing in docs/architecture.md is that of the files, and there is none where imports break the rules."""

from pathlib import Path

import pytest

from tests.architecture import drawing as drawings
from tests.architecture.drawing import BEGIN, END, PAGE, drawing, imported, main, summary, with_drawing
from tests.architecture.imports import sources
from tests.architecture.layers import HEIGHT

SOURCES = sources()


def test_the_page_has_the_drawing_of_the_present_imports() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_drawing(page, drawing(SOURCES)), "the imports or a docstring have changed: run `make drawing`"


def test_a_part_is_drawn_with_its_first_sentence_and_above_the_parts_that_it_imports() -> None:
    lines = drawing({"dflow/__init__.py": ""} | _stubs()).splitlines()
    top, bottom = (next(i for i, line in enumerate(lines) if f"│ {part} " in line) for part in ("cli", "errors"))
    assert "All about cli  " in lines[top]
    assert "→ runtime: session, step; errors  " in lines[top + 1]
    assert top < bottom
    assert {len(line) for line in lines} == {100}


def test_imports_for_types_and_in_functions_are_drawn() -> None:
    source = "if TYPE_CHECKING:\n    from dflow.graph import Graph\ndef f():\n    from dflow import errors, Tensor"
    assert imported("cli", {"dflow/cli/a.py": source}) == ["dflow", "graph", "errors"]


def test_the_summary_of_a_part_is_the_first_sentence_of_its_docstring() -> None:
    source = '"""One sentence of\ntwo lines, as of 1.15.  A second one.\n\nMore."""'
    assert (
        summary("runtime.step", {"dflow/runtime/step/__init__.py": source}) == "One sentence of two lines, as of 1.15"
    )


def test_a_page_without_the_marks_is_an_error_that_names_them() -> None:
    with pytest.raises(ValueError, match=END):
        with_drawing(f"# A page\n{BEGIN}\n", "")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("dflow/errors.py", "if TYPE_CHECKING:\n    from dflow import ops"),
        ("dflow/shapes.py", "def f():\n    from dflow.specs import TensorSpec"),
    ],
    ids=["from above", "in a circle"],
)
def test_nothing_is_written_and_the_file_named_if_an_import_breaks_the_rules(
    file: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}{END}")
    monkeypatch.setattr(drawings, "sources", lambda: SOURCES | {file: f"{SOURCES[file]}\n{line}\n"})
    assert main(page) == 1
    assert file in capsys.readouterr().err
    assert page.read_text() == f"{BEGIN}{END}"


def _stubs() -> dict[str, str]:
    """A file for each part; only `cli` imports."""
    files = {f"dflow/{part.replace('.', '/')}.py": f'"""All about {part}."""' for part in HEIGHT}
    files["dflow/cli.py"] += "\nfrom dflow import errors\nimport dflow.runtime.session, dflow.runtime.step"
    return files
