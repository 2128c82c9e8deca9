"""The page /dflow in a real browser: `make test-browser`.

DFLOW_BROWSER is the path of a Chromium; without it these tests are skipped.  DFLOW_SCREENSHOTS is a folder for
pictures.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster, Scheduler, Worker, WorkerPlugin

from dflow.dashboard.page import add_page
from tests.dashboard.helpers import BusyWorkers, queue, sent

BROWSER = os.environ.get("DFLOW_BROWSER", "")
ROOT = Path(__file__).parents[2]
PROGRAM = Path("examples/train_csv.py")
TIMEOUT_MS = 60_000
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.skipif(not BROWSER, reason="DFLOW_BROWSER is not set: `make test-browser` sets it"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def window() -> Iterator[Any]:
    """An empty browser window; it is an error if its page raises one or asks anything of another machine."""
    from playwright.sync_api import sync_playwright

    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        window = browser.new_page(viewport={"width": 1500, "height": 1250})
        window.set_default_timeout(TIMEOUT_MS)
        window.on("pageerror", lambda error: wrong.append(str(error)))
        window.on("console", lambda line: wrong.append(line.text) if is_error(line) else None)
        window.on("request", lambda request: None if is_local(request.url) else wrong.append(request.url))
        yield window
        browser.close()
    assert wrong == []


def is_error(line: Any) -> bool:
    return line.type == "error" and "404" not in line.text  # see open_page


def is_local(url: str) -> bool:
    return re.match(r"(http|ws)://(127\.0\.0\.1|localhost)[:/]|data:|blob:", url) is not None


@pytest.fixture
def stand_in() -> Iterator[Client]:
    """A cluster whose workers report made-up numbers that move."""
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            protocol="tcp",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run_on_scheduler(add)
        yield client


def add(dask_scheduler: Scheduler) -> None:
    add_page(dask_scheduler)


def address(client: Client) -> str:
    return re.sub(r"/status$", "/dflow", str(client.dashboard_link))


@pytest.fixture
def submitted() -> Iterator[str]:
    """The example, submitted to a cluster of its own; the address of its page."""
    if not (ROOT / PROGRAM).exists():
        pytest.skip(f"there is no {PROGRAM}")
    process = subprocess.Popen(
        [sys.executable, "-m", "dflow", "submit", str(PROGRAM)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    rest = threading.Thread(target=lambda: said.extend(process.stdout or ()))  # or the pipe is full one day
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"(https?://\S+?)/(?:status|dflow)\b", line):
                break
        else:
            pytest.fail("the program ended and gave no link to its dashboard:\n" + "".join(said))
        rest.start()
        yield f"{found[1]}/dflow"
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it may have left
        if rest.ident is not None:
            rest.join()
        process.stdout.close()


@pytest.fixture(params=["stand_in", "submitted"])
def page_of(request: pytest.FixtureRequest) -> str:
    found = request.getfixturevalue(request.param)
    if isinstance(found, str):
        return found
    found.register_plugin(BusyWorkers())
    return address(found)


def open_page(window: Any, url: str) -> None:
    """Go there, again and again while there is no such page: a program's first session brings it."""
    deadline = time.monotonic() + TIMEOUT_MS / 1000
    while not window.goto(url).ok:
        assert time.monotonic() < deadline, f"there is no page {url}"
        window.wait_for_timeout(200)


def cells(window: Any, part: str, title: str) -> Any:
    """The cells of one column, once there are some."""
    table = window.locator(f'table[data-part="{part}"]')
    table.wait_for()
    place = table.locator("th").all_inner_texts().index(title) + 1
    return table.locator(f"td:nth-child({place})")


def test_queue_fill_and_loop_rates_move_on_the_page(page_of: str, window: Any, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    open_page(window, page_of)
    for part, title in (("queues", "Size"), ("loops", "Iterations/s")):
        found = cells(window, part, title)
        expect(found.filter(has_text=re.compile(r"\d"))).not_to_have_count(0, timeout=TIMEOUT_MS)
        expect(found).not_to_have_text(found.all_inner_texts(), timeout=TIMEOUT_MS)
    cells(window, "devices", "Device").first.wait_for()
    folder = Path(os.environ.get("DFLOW_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    window.screenshot(path=folder / "dashboard.png", full_page=True)


def test_an_empty_cluster_says_so_and_links_to_dasks_pages(stand_in: Client, window: Any) -> None:
    window.goto(address(stand_in))
    window.get_by_text("No queue yet").wait_for()
    window.get_by_role("link", name="Status", exact=True).click()
    window.wait_for_url("**/status")
    window.get_by_role("link", name="Dflow", exact=True).click()
    window.wait_for_url("**/dflow")


class OddNames(WorkerPlugin):
    name = "odd-names"

    def setup(self, worker: Worker) -> None:
        worker.metrics["dflow"] = lambda _: sent(1.0, queues=[queue("<img src=x onerror=fail()>")])["dflow"]


def test_a_name_that_looks_like_html_is_shown_as_text(stand_in: Client, window: Any) -> None:
    stand_in.register_plugin(OddNames())
    window.goto(address(stand_in))
    window.get_by_text("<img src=x onerror=fail()>").first.wait_for()
