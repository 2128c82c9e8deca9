"""The stages of a loop (`run.py`): sources feed an iteration, bodies compute, sinks put the results into a queue.

The methods of stages are called in the loop's thread, except for those that may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Callable

from dflow.errors import OpError


class Stage:
    """A source, a body or a sink of a loop.  The base class never waits and holds nothing.

    before_wait: called before the loop waits in this stage for long.  It calls `release` of the other stages.
    """

    waited_s = 0.0  # seconds that the loop has waited in this stage
    before_wait: Callable[[], None] = staticmethod(lambda: None)

    def finish(self) -> None:
        """Begin no work for further iterations.  Called from any thread."""

    def stop(self, error: OpError) -> None:
        """End each wait in this stage, now and later, with `error`.  Called from any thread."""

    def release(self) -> None:
        """Release elements and room that others could use: the loop is about to wait in another stage."""

    def close(self, failed: bool) -> None:
        """End the stage with its loop: release unused elements, wait until elements that were put are in their queue.

        failed: the loop has ended with an error.  Otherwise raises the error of an element that was put and cannot
        enter.
        """
