"""`add_page(scheduler)`: the live page `/dflow` and `/dflow/snapshot.json`, on the scheduler's own HTTP server.

Why a second Bokeh application and not one more page of Dask's: Bokeh takes its pages when an application is made, and
Dask has made its own before any plugin starts.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import RequestHandler

from dflow.dashboard.snapshot import History, merge, to_json
from dflow.runtime.dask.extension import AT_START

if TYPE_CHECKING:
    from bokeh.document import Document
    from bokeh.server.tornado import BokehTornado
    from distributed import Scheduler

SAMPLE_MS = 500
CALLBACK = "dflow-dashboard"  # the name of the page's timer among the scheduler's
WITHOUT: WeakSet[Scheduler] = WeakSet()  # schedulers without a page, of which the log has a line already

log = logging.getLogger(__name__)

# Links are relative: a proxy may show the dashboard under another path.
TEMPLATE = """
{% block postamble %}
<link rel="shortcut icon" href="statics/images/favicon.ico">
<style>
  body { font-family: system-ui, "Helvetica Neue", Helvetica, Arial, sans-serif; background: #fff; }
  header { display: flex; align-items: baseline; gap: 22px; padding: 12px 28px; background: #1f2a3d; color: #fff; }
  header b { font-size: 19px; letter-spacing: .3px; margin-right: 10px; }
  header a { color: #c3cedf; text-decoration: none; font-size: 14px; }
  header a:hover { color: #fff; }
  header .right { margin-left: auto; }
  main { padding: 14px 28px 28px; }
</style>
{% endblock %}
{% block contents %}
<header>
  <b>dflow</b>
  {% for page in pages %}<a href="{{ page }}">{{ page | title }}</a>{% endfor %}
  <a class="right" href="dflow/snapshot.json">JSON</a>
</header>
<main>{{ super() }}</main>
{% endblock %}
"""


def add_page(scheduler: Scheduler) -> None:
    """Add the page to the scheduler's dashboard; call it in the scheduler's event loop.

    A second call does nothing.  Where the dashboard is off or Bokeh is missing there is no page, and the log says so.
    """
    if CALLBACK in scheduler.periodic_callbacks:
        return
    dask_pages = find_dask_pages(scheduler)
    if dask_pages is None:
        if scheduler not in WITHOUT:
            WITHOUT.add(scheduler)
            log.info("no page /dflow: Dask's dashboard is switched off, or Bokeh is not installed")
        return
    from distributed.dashboard.core import BokehApplication

    from dflow.dashboard.view import show

    history = History()
    sample = sampler(scheduler, history)
    sample()
    pages = link_from_dask(scheduler)

    def document(server: Scheduler, extra: dict[str, Any], document: Document) -> None:
        show(history, document, TEMPLATE)
        document.template_variables.update(extra)

    application = BokehApplication(
        {"/dflow": document}, scheduler, prefix=dask_pages.prefix, template_variables={"pages": pages}
    )
    scheduler.http_application.add_application(application)
    application.initialize(IOLoop.current())
    address = f"{dask_pages.prefix}/dflow/snapshot.json"
    application.add_handlers(r".*", [(address, SnapshotHandler, {"sample": sample, "history": history})])
    application.start()
    # The scheduler stops its timers, and its HTTP server's applications, when it closes.
    scheduler.periodic_callbacks[CALLBACK] = PeriodicCallback(sample, SAMPLE_MS)
    scheduler.periodic_callbacks[CALLBACK].start()


def find_dask_pages(scheduler: Scheduler) -> BokehTornado | None:
    """Dask's own Bokeh application, None if it has none: its prefix is not kept anywhere else."""
    try:
        from bokeh.server.tornado import BokehTornado
    except ImportError:
        return None
    applications = scheduler.http_application.applications
    return next((each for each in applications if isinstance(each, BokehTornado) and "/status" in each.app_paths), None)


def link_from_dask(scheduler: Scheduler) -> list[str]:
    """Put "dflow" into the navigation of Dask's own pages, and return those pages without it.

    This is not public in distributed: `template_variables` keeps one dictionary a scheduler, whose list of pages is
    shown by all of Dask's pages.  There is no other way to put a link there.  If it changes, only the link is missing.
    """
    try:
        from distributed.dashboard.scheduler import template_variables

        shown = template_variables(scheduler)["pages"]
        pages = [page for page in shown if page != "dflow"]
        if "dflow" not in shown:
            shown.insert(1, "dflow")
    except (ImportError, LookupError, TypeError, AttributeError):
        return ["status", "workers", "tasks", "system", "graph", "info"]
    return pages


def sampler(scheduler: Scheduler, history: History, clock: Callable[[], float] = time.monotonic) -> Callable[[], None]:
    """A function that adds the scheduler's present state to the history: twice a second, or 200 workers a second."""

    def sample() -> None:
        now = clock()
        if history.added and now - history.now < max(0.4, len(scheduler.workers) / 200):
            return
        history.add(now, merge({address: worker.metrics for address, worker in scheduler.workers.items()}))

    return sample


class SnapshotHandler(RequestHandler):
    """The newest snapshot with its rates, as JSON."""

    def initialize(self, sample: Callable[[], None], history: History) -> None:
        self.sample, self.history = sample, history

    def get(self) -> None:
        self.sample()
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps(to_json(self.history.latest), allow_nan=False))


AT_START.append(add_page)
