"""`dflow convert`: rewrite the imports of a TensorFlow 1 program, and list the names that dflow lacks."""

from __future__ import annotations

from pathlib import Path

import click

import dflow
from dflow.cli.conversion import converted


@click.command(short_help="Rewrite the imports of a TensorFlow 1 program.")
@click.argument("program", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it here, instead of to the output."
)
def convert(program: Path, output: Path | None) -> None:
    """Rewrite the imports of PROGRAM, a TensorFlow 1 program in Python 3, so that it uses dflow.

    Nothing else in its text is changed.  Each name that dflow does not have is listed with its line;
    docs/tensorflow1.md says what to use in its place.
    """
    try:
        result = converted(program.read_text(), dflow)
    except (SyntaxError, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", None)
        raise click.ClickException(
            f"{program}{f':{line}' if line else ''}: this is no Python 3: {error}. 2to3 converts programs of Python 2."
        ) from error
    if output is None:
        click.echo(result.text, nl=False)
    else:
        output.write_text(result.text)
    for note in result.notes:
        click.echo(f"{program}:{note.line}: {note.text}", err=True)
    count = len(result.notes)
    said = "dflow has all the names that it uses" if not count else f"{count} to be looked at"
    click.echo(f"dflow: {program}: {said}", err=True)
