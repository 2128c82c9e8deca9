"""The search for silent processes: it logs the processes that a step waits for and that do not answer.

A process that works answers a ping at once.

Why: without a deadline, a step waits until a process that stands still goes on or ends, which may be never.  A step
that waits for a queue sends nothing either, so only a ping tells the two apart.
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
    """Pings the processes that one step waits for, again and again, until one of them does not answer.

    ask: sends a ping.  channels: to these processes, each with its devices.  waited_s: how long the step has waited.
    """

    def __init__(
        self, ask: Callable[[Channel], Future[Any]], channels: Mapping[Channel, Sequence[str]], waited_s: float
    ) -> None:
        self._ask = ask
        self._channels = channels
        self._since = time.monotonic() - waited_s
        self._pause_s = timeouts.LOG_SLOW_AFTER
        self._next: float | None = self._since + self._pause_s  # the time of the next `look`; None: never again
        self._asked: list[tuple[Channel, Future[Any]]] = []

    def pause(self) -> float | None:
        """The seconds until the next `look`; None: no more looks are needed."""
        return None if self._next is None else max(0.0, self._next - time.monotonic())

    def look(self) -> None:
        """Ping all processes or, at the next look, log the silent ones.  If all have answered, begin again later."""
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
