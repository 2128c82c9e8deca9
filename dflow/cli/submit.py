"""`dflow submit`: run a script on a cluster, and show its progress."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from dflow.cli.script import Interrupted, Signals, run_script
from dflow.cli.watch import display_for
from dflow.cluster.embedded import EmbeddedCluster
from dflow.cluster.scheduler import dashboard_link, full_address, reach
from dflow.cluster.target import SUBMISSION_VARIABLE, TARGET_VARIABLE, new_submission
from dflow.errors import OpError

CONNECT_SECONDS = 5.0
EMBEDDED_OPTIONS = {"ps": "--ps", "workers": "--workers", "virtual_gpus": "--virtual-gpus"}


class Unreachable(click.ClickException):
    """No scheduler answers."""

    exit_code = 2


@click.command(short_help="Run a script on a cluster.")
@click.argument("script", type=click.Path(exists=True, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS...]")
@click.option("--scheduler", metavar="ADDRESS", help="Run on this cluster, instead of a small one on this machine.")
@click.option("--ps", type=click.IntRange(0), default=1, show_default=True, help="Tasks of the job 'ps'.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Tasks of the job 'worker'.")
@click.option(
    "--virtual-gpus",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Virtual GPUs of each worker: CPU devices in truth, to try the placement of operations.",
)
@click.option(
    "--grace", type=click.FloatRange(0), default=10.0, show_default=True, help="Seconds to end in after Ctrl-C."
)
@click.option("--no-progress", is_flag=True, help="Show no progress, and leave the terminal to the script.")
@click.pass_context
def submit(
    context: click.Context,
    /,
    script: str,
    arguments: tuple[str, ...],
    scheduler: str | None,
    grace: float,
    no_progress: bool,
    **embedded: int,
) -> None:
    """Run SCRIPT, a Python program, on a cluster.

    Without --scheduler, a cluster of this machine's processes lives as long as the script.  The script finds the
    address with `dflow.cluster.target()`.  It is run unchanged, with ARGS as its arguments, and its exit code is
    this command's.

    Ctrl-C lets the script end its session and its loops; a second Ctrl-C kills it.
    """
    embedded_options = [option for name, option in EMBEDDED_OPTIONS.items() if _was_given(context, name)]
    if scheduler is not None and embedded_options:
        raise click.UsageError(
            f"{', '.join(embedded_options)} cannot be used with --scheduler: that cluster has its own tasks"
        )
    try:
        with Signals() as signals, _cluster(scheduler, embedded) as (address, link):
            click.echo(f"dflow: scheduler at {address}{f', dashboard at {link}' if link else ''}", err=True)
            variables = {TARGET_VARIABLE: address, SUBMISSION_VARIABLE: new_submission()}
            display = display_for(address, variables[SUBMISSION_VARIABLE], not no_progress)
            code = run_script(script, arguments, variables, display, signals, grace)
    except Interrupted as stop:
        code = stop.exit_code
    sys.exit(code)


def _was_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


@contextmanager
def _cluster(scheduler: str | None, embedded: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The address of the cluster's scheduler, and the link to dflow's page ("" if there is no dashboard)."""
    if scheduler is not None:
        yield _reach(scheduler)
        return
    try:
        cluster = EmbeddedCluster(**embedded)
    except OpError as error:
        raise click.ClickException(f"the cluster did not start: {error}") from error
    with cluster:
        yield cluster.scheduler_address, _dflow_page(cluster.dashboard_link)


def _reach(scheduler: str) -> tuple[str, str]:
    try:
        address = full_address(scheduler)
        link = dashboard_link(address, reach(address, CONNECT_SECONDS))
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0] or f"no answer within {CONNECT_SECONDS:.0f} s"
        raise Unreachable(f"cannot reach a scheduler at {scheduler}: {reason}") from error
    return address, _dflow_page(link)


def _dflow_page(link: str) -> str:
    return link.removesuffix("/status") + "/dflow" if link else ""
