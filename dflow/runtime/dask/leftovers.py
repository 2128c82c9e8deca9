"""What Dask keeps of tasks and clients that are gone, for as long as a process runs; here it is kept within bounds.

Found with thousands of sessions on one cluster, of five runs each, by looking for what grows.  On the scheduler each
left 36 KB: spans, with the groups of their tasks, that last for ever, and events that last for an hour.  All of dflow's
tasks belong to one span now (`dask_client.in_our_span`), and what Dask noted of a session's client is dropped.  In each
process the names of tasks remained, for 100,000 keys.

Most that Dask keeps, it bounds by itself: log records, transitions, events and profiles by their number.  What is left
are two timers for each client that is gone, for as long as `distributed.scheduler.events-cleanup-delay` says.
"""

from __future__ import annotations

from typing import Any

from dask.utils import key_split

from dflow.runtime.dask.client import CLIENT, SPAN

EACH = 100  # graphs and clients, after which it is tidied
GROUPS_KEPT = 100  # groups of tasks that are gone
KEYS_KEPT = 100  # keys whose names a process remembers


class Leftovers:
    """Those of one scheduler."""

    def __init__(self) -> None:
        self._seen = 0

    def one_more(self, scheduler: Any) -> None:
        """A graph came, or a client went.  Tidies now and then."""
        self._seen += 1
        if self._seen % EACH == 0:
            tidy_span(scheduler)
            tidy_topics(scheduler)
            tidy_keys()


def tidy_span(scheduler: Any) -> None:
    """Keep the groups that have tasks, and the newest others; the span would keep them all, and a line a graph."""
    spans: dict[str, Any] = getattr(scheduler.extensions.get("spans"), "spans", {})
    span = spans.get(SPAN)
    if span is None:
        return
    gone = [group for group in span.groups if scheduler.task_groups.get(group.name) is not group]
    gone.sort(key=lambda group: group.stop)
    span.groups.difference_update(gone[:-GROUPS_KEPT])
    if span.metadata is not None:
        span.metadata["collections"].clear()
    getattr(span, "_metadata_seen", set()).clear()  # before Dask 2026.8: a number for each graph


def tidy_topics(scheduler: Any) -> None:
    """Drop the events of dflow's clients that are gone, and what those had subscribed to.

    Dask has a topic for each client, and each client subscribes to two others.  Of a client that is gone it drops the
    events after a while, but neither the topic nor the subscriptions, 1.5 KB in all; nothing public removes a topic.
    """
    topics: dict[str, Any] = scheduler._broker._topics
    gone = {name for name in topics if name.startswith(f"Client-{CLIENT}-") and name not in scheduler.clients}
    for name in gone:
        del topics[name]
    for topic in topics.values():
        topic.subscribers -= gone


def tidy_keys() -> None:
    """Dask remembers for 100,000 keys what it calls their tasks, 0.2 KB each: a cache, so that it may be emptied."""
    if key_split.cache_info().currsize > KEYS_KEPT:
        key_split.cache_clear()
