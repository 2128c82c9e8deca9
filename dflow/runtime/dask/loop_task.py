"""The Dask task that runs a loop on its worker."""

from __future__ import annotations

from distributed import secede

from dflow.errors import OpError, UnavailableError
from dflow.runtime.dask.worker import current_plugin


def run_loop(session: str, name: str) -> tuple[int | None, OpError | None]:
    """The Dask task of a loop, on the worker of its driver device: how many steps it did, and what ended it quietly.

    None steps if it did not run.  Whatever else comes, the loop ran to its end, and says so over its channel as well.
    """
    try:
        plugin = current_plugin()
    except OpError as error:
        return None, error
    run = plugin.process.loops.get((session, name))
    if run is None or not run.claim():  # no failure of this task: that would be a traceback in the worker's log
        fact = f"the loop {name!r} was lost with its worker, or its session ended; it is not started again"
        return None, UnavailableError(None, None, fact)
    secede()
    with plugin.task(run.stop) as task:
        steps, end = run.run()
        return steps, None if end is None else end.portable()
    raise task.failure
