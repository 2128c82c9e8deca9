"""The threads of a process: what a message starts is done by who has the message, while another thread reads on."""

import threading
from collections.abc import Iterator
from functools import partial
from queue import SimpleQueue

import pytest

from dflow.runtime.threads.crew import Crew

TIMEOUT = 20  # seconds: of a test that fails, never of one that passes


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew("crew", 2)
    yield crew
    crew.close()
    for thread in threads():
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "crew"]


class Report:
    """What was done, by which threads."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[tuple[object, int]] = SimpleQueue()

    def __call__(self, what: object) -> None:
        self.queue.put((what, threading.get_ident()))

    def next(self) -> tuple[object, int]:
        return self.queue.get(timeout=TIMEOUT)


def test_work_is_done_in_the_order_in_which_it_came_when_all_are_busy(crew: Crew) -> None:
    report, go_on = Report(), threading.Event()
    for _ in range(2):
        crew.submit(partial(go_on.wait, TIMEOUT))
    for i in range(10):
        crew.submit(partial(report, i))
    assert report.queue.empty()
    go_on.set()
    assert sorted(str(report.next()[0]) for _ in range(10)) == [str(i) for i in range(10)]
    assert len(threads()) == 2


def test_what_is_started_does_not_wait_for_those_that_are_busy(crew: Crew) -> None:
    report, go_on = Report(), threading.Event()
    for _ in range(5):
        crew.submit(partial(go_on.wait, TIMEOUT))
    assert crew.start(partial(report, "begun"))
    assert report.next()[0] == "begun"
    go_on.set()


def test_who_leads_does_what_its_message_starts_while_another_thread_leads(crew: Crew) -> None:
    report, done = Report(), threading.Event()

    def lead() -> None:
        kept = crew.handle(partial(crew.submit, partial(report, "work")))
        assert report.queue.empty()
        report("leader")
        assert crew.do(kept, partial(report, "lead"))
        done.set()

    crew.start(lead)
    assert done.wait(TIMEOUT)
    said = dict(report.next() for _ in range(3))
    assert said["work"] == said["leader"] != said["lead"]


def test_who_leads_goes_on_leading_while_all_are_busy(crew: Crew) -> None:
    report, go_on = Report(), threading.Event()
    for _ in range(2):
        crew.submit(partial(go_on.wait, TIMEOUT))
    kept = crew.handle(partial(crew.submit, partial(report, "work")))
    assert not crew.do(kept, partial(report, "lead"))
    assert report.queue.empty()
    go_on.set()
    assert report.next()[0] == "work"


def test_what_one_message_starts_is_done_by_several_threads(crew: Crew) -> None:
    both = threading.Barrier(2)

    def handler() -> None:
        crew.submit(partial(both.wait, TIMEOUT))
        crew.submit(partial(both.wait, TIMEOUT))

    assert crew.do(crew.handle(handler), lambda: None)
    assert not both.broken


def test_who_leads_does_what_is_quick_and_what_that_starts_and_goes_on_leading(crew: Crew) -> None:
    here, report = threading.get_ident(), Report()

    def quick() -> None:
        report("first")
        crew.submit(partial(report, "second"), quick=True)
        crew.submit(partial(report, "long"))

    kept = crew.handle(partial(crew.submit, quick, quick=True))
    assert [report.next() for _ in range(2)] == [("first", here), ("second", here)]
    assert report.queue.empty()
    assert [work() for work in kept] == [None]
    assert report.next()[0] == "long"


def test_what_is_quick_and_fails_is_logged(crew: Crew, caplog: pytest.LogCaptureFixture) -> None:
    assert crew.handle(partial(crew.submit, lambda: 1 / 0, quick=True)) == []
    assert "ZeroDivisionError" in caplog.text


def test_a_handler_that_fails_leaves_its_thread_as_it_was(crew: Crew) -> None:
    report = Report()
    with pytest.raises(ZeroDivisionError):
        crew.handle(lambda: 1 / 0)
    crew.submit(partial(report, "work"))
    assert report.next()[0] == "work"


def test_work_that_fails_is_logged_and_its_thread_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    crew, report = Crew("crew", at_once=1), Report()
    crew.submit(lambda: 1 / 0)
    crew.submit(partial(report, "work"))
    assert report.next()[0] == "work"
    assert "ZeroDivisionError" in caplog.text
    crew.close()


def test_a_closed_crew_begins_nothing_but_what_must_go_on(crew: Crew) -> None:
    report, go_on = Report(), threading.Event()
    for _ in range(2):
        crew.submit(partial(go_on.wait, TIMEOUT))
    crew.submit(partial(report, "stood in line"))
    crew.close()
    crew.submit(partial(report, "came late"))
    assert not crew.do(crew.handle(partial(crew.submit, partial(report, "handled late"))), lambda: None)
    go_on.set()
    assert crew.start(partial(report, "must"))
    assert report.next()[0] == "must"
    for thread in threads():
        thread.join(TIMEOUT)
    assert report.queue.empty()
