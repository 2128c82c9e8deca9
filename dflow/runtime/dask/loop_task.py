"""The Dask task that runs a loop on its worker."""

from __future__ import annotations

from distributed import secede

from dflow.errors import OpError, UnavailableError
from dflow.runtime.dask.worker import current_plugin


def run_loop(session: str, name: str) -> tuple[int | None, OpError | None]:
    """Run a loop on the worker of its driver.  Returns the number of its steps, and the error of a planned end, if any.

    The number is None if the loop did not run; the error then says why.  In all other cases the loop has run to its
    end, and reports this over its channel as well.
    """
    try:
        plugin = current_plugin()
    except OpError as error:
        return None, error
    run = plugin.process.loops.get((session, name))
    if run is None or not run.claim():  # returned, as a raise would write a traceback to the worker's log
        fact = f"the loop {name!r} was lost with its worker, or its session ended; it is not started again"
        return None, UnavailableError(None, None, fact)
    secede()
    with plugin.task(run.stop) as task:
        steps, end = run.run()
        return steps, None if end is None else end.portable()
    raise task.failure
