"""The command `dflow`; each of its commands is one file of this folder."""

from __future__ import annotations

import click

from dflow.cli.convert import convert
from dflow.cli.submit import submit

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dflow")
def main() -> None:
    """Dataflow programs on Dask."""


main.add_command(submit)
main.add_command(convert)
