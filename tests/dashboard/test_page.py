"""The page: its document alone, and on the HTTP server of a real scheduler."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast
from urllib.request import ProxyHandler, build_opener

import pytest
from bokeh.client import pull_session
from bokeh.document import Document
from distributed import Client, LocalCluster, Scheduler, Worker

from dflow.dashboard import page
from dflow.dashboard.page import TEMPLATE, add_page, find_dask_pages, link_from_dask, sampler
from dflow.dashboard.snapshot import History
from dflow.dashboard.tables import UNKNOWN
from dflow.dashboard.view import LOWEST_RATE, View, show
from dflow.runtime.dask.extension import AT_START
from tests.dashboard.helpers import GPU, BusyWorkers, loop, queue, sent, table_rows


class Cluster(SimpleNamespace):
    """A scheduler without Dask, and a clock that the test sets."""

    def __init__(self, **metrics: dict[str, Any]) -> None:
        super().__init__(workers={}, now=0.0)
        self.report(**metrics)

    def report(self, **metrics: dict[str, Any]) -> None:
        self.workers = {address: SimpleNamespace(metrics=each) for address, each in metrics.items()}


def open_page(cluster: Cluster) -> tuple[Document, Any]:
    """A document, and a function that lets half a second pass in it."""
    history = History()
    sample = sampler(cast(Scheduler, cluster), history, lambda: cluster.now)
    sample()
    document = Document()
    show(history, document, TEMPLATE)
    (callback,) = document.session_callbacks

    def tick() -> None:
        cluster.now += 0.5
        sample()
        callback.callback()

    return document, tick


def rows(document: Document, part: str) -> list[dict[str, str]]:
    """The table of a part, as the document has it."""
    return table_rows(cast(Any, document.get_model_by_name(part)).text)


def lines(document: Document, part: str) -> dict[str, Any]:
    return dict(cast(Any, document.get_model_by_name(f"{part}_lines")).data)


def test_the_page_follows_what_the_workers_send() -> None:
    gpu = GPU.format(0)
    devices = [{"name": gpu, "virtual": True}]
    cluster = Cluster(a=sent(0.0))
    document, tick = open_page(cluster)
    assert rows(document, "queues") == []
    assert lines(document, "queues")["ys"] == []

    cluster.report(a=sent(0.5, devices=devices, queues=[queue(size=5)], loops=[loop(device=gpu)]))
    tick()
    assert [row["Size"] for row in rows(document, "queues")] == ["5"]
    assert [row["Iterations/s"] for row in rows(document, "loops")] == [UNKNOWN]

    cluster.report(a=sent(1.0, devices=devices, queues=[queue(size=10)], loops=[loop(device=gpu, iterations=4)]))
    tick()
    assert [row["Size"] for row in rows(document, "queues")] == ["10"]
    assert [row["Iterations/s"] for row in rows(document, "loops")] == ["8.0"]
    assert lines(document, "queues")["ys"] == [[0.5, 1.0]]
    assert lines(document, "queues")["xs"] == [[-0.5, 0.0]]
    assert lines(document, "queues")["text"] == ["10 of 10"]
    assert lines(document, "loops")["device"] == [gpu + " (virtual)"]

    cluster.report()
    tick()
    assert rows(document, "queues") == []


def test_a_loop_that_stands_still_is_drawn_at_the_lower_end_of_its_axis() -> None:
    cluster = Cluster(a=sent(0.0, loops=[loop(iterations=4)]))
    document, tick = open_page(cluster)
    cluster.report(a=sent(1.0, loops=[loop(iterations=4)]))
    tick()
    (values,) = lines(document, "loops")["ys"]
    assert math.isnan(values[0])
    assert values[1] == LOWEST_RATE


def test_two_windows_show_one_history() -> None:
    history = History()
    first, second = View(history), View(history)
    sampler(cast(Scheduler, Cluster(a=sent(0.0, queues=[queue()]))), history)()
    for view in (first, second):
        view.update()
        assert len(table_rows(view.tables["queues"].text)) == 1


def test_many_workers_are_looked_at_less_often() -> None:
    history = History()
    cluster = Cluster(**{f"w{i}": sent(0.0) for i in range(1000)})
    sample = sampler(cast(Scheduler, cluster), history, lambda: cluster.now)
    for _ in range(20):
        sample()
        cluster.now += 0.5
    assert history.added == 2


def test_the_extension_adds_the_page_when_it_starts() -> None:
    assert AT_START.count(add_page) == 1


# ---------------------------------------------------------------------------------------- with a real scheduler


async def beat(dask_worker: Worker) -> None:
    await dask_worker.heartbeat()


def add(dask_scheduler: Scheduler) -> int:
    """Add the page; the number of applications on the HTTP server."""
    add_page(dask_scheduler)
    return len(dask_scheduler.http_application.applications)


def new_cluster(**scheduler: Any) -> LocalCluster:
    return LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs=scheduler,
        silence_logs=False,
    )


def get(url: str) -> tuple[int, str]:
    with build_opener(ProxyHandler({})).open(url, timeout=30) as reply:
        return reply.status, reply.read().decode()


@pytest.fixture(params=["/", "/proxied"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    with new_cluster(http_prefix=request.param) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture
def root(client: Client) -> str:
    """The address that the page's links are relative to."""
    assert isinstance(client.cluster, LocalCluster)
    prefix = client.run_on_scheduler(prefix_of_dask_pages)
    return f"http://127.0.0.1:{client.cluster.scheduler.http_server.port}{prefix}"


def prefix_of_dask_pages(dask_scheduler: Scheduler) -> str:
    pages = find_dask_pages(dask_scheduler)
    assert pages is not None
    return pages.prefix


def test_the_page_is_on_the_running_dashboard_with_the_rows_of_its_workers(client: Client, root: str) -> None:
    client.register_plugin(BusyWorkers())
    client.run(beat)
    client.run_on_scheduler(add)

    status, html = get(f"{root}/dflow")
    assert status == 200
    assert "<title>dflow</title>" in html
    assert 'href="status"' in html
    session = pull_session(url=f"{root}/dflow")
    try:
        assert "input/files" in {row["Queue"] for row in rows(session.document, "queues")}
        assert [row["Device"].endswith("virtual") for row in rows(session.document, "loops")] == [False, True] * 2
    finally:
        session.close()

    status, text = get(f"{root}/dflow/snapshot.json")
    snapshot = json.loads(text)
    assert status == 200
    assert {row["name"] for row in snapshot["readers"]} == {"TextLineReader"}
    assert len(snapshot["workers"]) == 2


def test_adding_the_page_twice_adds_it_once_and_dask_keeps_its_own(client: Client, root: str) -> None:
    once = client.run_on_scheduler(add)
    assert client.run_on_scheduler(add) == once
    status, html = get(f"{root}/status")
    assert status == 200
    assert html.count('href="dflow"') == 1


def test_dask_still_remembers_the_pages_of_its_navigation() -> None:
    """Fails when Dask changes what `link_from_dask` reads; the page then works, but nothing links to it."""
    from distributed.dashboard.scheduler import template_variables

    scheduler = cast(Scheduler, SimpleNamespaceWithHash(jupyter=False))
    pages = link_from_dask(scheduler)
    assert template_variables(scheduler)["pages"] == ["status", "dflow", *pages[1:]]
    assert link_from_dask(scheduler) == pages


class SimpleNamespaceWithHash(SimpleNamespace):
    __hash__ = object.__hash__  # type: ignore[assignment]


def test_where_dask_has_no_such_pages_ours_still_has_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distributed.dashboard.scheduler.template_variables", lambda _: {})
    assert link_from_dask(cast(Scheduler, None))[0] == "status"


def twice(dask_scheduler: Scheduler) -> tuple[int, int]:
    add(dask_scheduler)
    return add(dask_scheduler), len(dask_scheduler.periodic_callbacks)


@pytest.mark.parametrize("missing", ["dashboard", "bokeh"])
def test_without_a_dashboard_there_is_no_page_and_one_line_in_the_log(
    missing: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, page.__name__)
    with new_cluster(dashboard=missing != "dashboard") as cluster, Client(cluster) as client:
        before = len(cluster.scheduler.http_application.applications), len(cluster.scheduler.periodic_callbacks)
        if missing == "bokeh":
            monkeypatch.setitem(sys.modules, "bokeh.server.tornado", None)
        assert client.run_on_scheduler(twice) == before
    assert [record.message for record in caplog.records if record.name == page.__name__] == [
        "no page /dflow: Dask's dashboard is switched off, or Bokeh is not installed"
    ]
