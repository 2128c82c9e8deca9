"""The stages of a loop: sources give an iteration its elements, sinks put into a queue what it computed.

All stages of a loop work in the loop's thread, but for what is said to be called from any thread.
"""

from __future__ import annotations

from collections.abc import Callable

from dflow.errors import OpError


class Stage:
    """A source, a body or a sink of a loop.  This one never waits and holds nothing.

    before_wait: called before the loop waits in this stage for long: `release` of its other stages.
    """

    waited_s = 0.0  # how long the loop has waited in it
    before_wait: Callable[[], None] = staticmethod(lambda: None)

    def finish(self) -> None:
        """Begin nothing for further iterations.  Called from any thread."""

    def stop(self, error: OpError) -> None:
        """End what it waits for, now and later, with `error`.  Called from any thread."""

    def release(self) -> None:
        """Hold nothing that others could use: the loop is about to wait for something else."""

    def close(self, failed: bool) -> None:
        """The loop has ended: give back what was not used, wait until what was put is in.

        failed: with an error.  Else raises why an element that was put is not in.
        """
