"""Name in the log the processes that a step waits for and that do not answer.

Why: without a deadline a step waits until a process that stands still goes on or ends, and that may be never.  A step
that waits for a queue is as quiet, so the processes are asked: one that lives answers at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from dflow.runtime.base import timeouts
from dflow.runtime.transport.channel import Channel

logger = logging.getLogger("dflow.cluster")


class Silence:
    """Asks the processes that one step waits for, again and again, until there is one to name.

    channels: to these processes, each with its devices.  waited_s: how long the step has waited already.
    """

    def __init__(
        self, ask: Callable[[Channel], Future[Any]], channels: Mapping[Channel, Sequence[str]], waited_s: float
    ) -> None:
        self._ask = ask
        self._channels = channels
        self._since = time.monotonic() - waited_s
        self._pause_s = timeouts.LOG_SLOW_AFTER
        self._next: float | None = self._since + self._pause_s  # when to look; None: never again
        self._asked: list[tuple[Channel, Future[Any]]] = []

    def pause(self) -> float | None:
        """Seconds until `look` is to be called; None: not any more."""
        return None if self._next is None else max(0.0, self._next - time.monotonic())

    def look(self) -> None:
        """Ask all, or, later, name those that have not answered; if all have, they are asked again after a while."""
        now, asked = time.monotonic(), self._asked
        if not asked:
            self._asked = [(channel, self._ask(channel)) for channel in list(self._channels)]
            self._next = now + timeouts.SILENT_ANSWER if self._asked else None
            return
        silent, self._asked = [channel for channel, answer in asked if not answer.done()], []
        self._pause_s = min(2 * self._pause_s, timeouts.SILENT_AGAIN)
        self._next = None if silent else now + self._pause_s
        for channel in silent:
            logger.warning(
                "worker %s with %s does not answer; a run waits until it does or ends, so far for %.1f s",
                channel.peer, ", ".join(self._channels[channel]), now - self._since,
            )  # fmt: skip
