"""Limits for the data that Dask keeps of ended tasks and clients as long as its process runs.

* On the scheduler, all of dflow's tasks belong to one span (`in_our_span` in `client.py`), which is tidied, and so are
  the topics and subscriptions of clients that are gone.
* In each process, Dask's cache of task names is emptied now and then.

Dask itself limits the number of its log records, transitions, events and profiles.  Two timers remain for each client
that is gone, until `distributed.scheduler.events-cleanup-delay` is over.

Why: on a cluster with thousands of sessions, of five runs each, each session left 36 KB on the scheduler: spans, with
the groups of their tasks, which stay for ever, and events, which stay for an hour.  In each process, the names of tasks
stayed, for 100,000 keys.
"""

from __future__ import annotations

from typing import Any

from dask.utils import key_split

from dflow.runtime.dask.client import CLIENT, SPAN

EACH = 100  # graphs and clients between two clean-ups
GROUPS_KEPT = 100  # groups of ended tasks
KEYS_KEPT = 100  # keys whose names a process remembers


class Leftovers:
    """Counts the graphs and clients of one scheduler, and tidies now and then."""

    def __init__(self) -> None:
        self._seen = 0

    def one_more(self, scheduler: Any) -> None:
        """Count a new graph, or a client that is gone."""
        self._seen += 1
        if self._seen % EACH == 0:
            tidy_span(scheduler)
            tidy_topics(scheduler)
            tidy_keys()


def tidy_span(scheduler: Any) -> None:
    """Keep the groups with tasks and the newest others.  The span would keep all groups, and a line for each graph."""
    spans: dict[str, Any] = getattr(scheduler.extensions.get("spans"), "spans", {})
    span = spans.get(SPAN)
    if span is None:
        return
    ended = [group for group in span.groups if scheduler.task_groups.get(group.name) is not group]
    ended.sort(key=lambda group: group.stop)
    span.groups.difference_update(ended[:-GROUPS_KEPT])
    if span.metadata is not None:
        span.metadata["collections"].clear()
    getattr(span, "_metadata_seen", set()).clear()  # before Dask 2026.8: a number for each graph


def tidy_topics(scheduler: Any) -> None:
    """Drop the topics and the subscriptions of dflow's clients that are gone.

    Dask has a topic for each client, and each client subscribes to two others.  When a client is gone, Dask drops its
    events after a while, but neither its topic nor its subscriptions, 1.5 KB in all.  No public method removes a topic.
    """
    topics: dict[str, Any] = scheduler._broker._topics
    gone = {name for name in topics if name.startswith(f"Client-{CLIENT}-") and name not in scheduler.clients}
    for name in gone:
        del topics[name]
    for topic in topics.values():
        topic.subscribers -= gone


def tidy_keys() -> None:
    """Empty Dask's cache of the names of tasks, which has up to 100,000 keys with 0.2 KB each."""
    if key_split.cache_info().currsize > KEYS_KEPT:
        key_split.cache_clear()
