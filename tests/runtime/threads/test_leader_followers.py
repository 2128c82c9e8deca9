"""The threads of a process: what a message starts is done by who has the message, while another thread reads on."""

import threading
from collections.abc import Iterator
from functools import partial
from queue import SimpleQueue

import pytest

from dflow.runtime.threads.leader_followers import LeaderFollowers

TIMEOUT = 20  # seconds: of a test that fails, never of one that passes


@pytest.fixture
def pool() -> Iterator[LeaderFollowers]:
    pool = LeaderFollowers("pool", 2)
    yield pool
    pool.close()
    for thread in threads():
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "pool"]


class Report:
    """What was done, by which threads."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[tuple[object, int]] = SimpleQueue()

    def __call__(self, what: object) -> None:
        self.queue.put((what, threading.get_ident()))

    def next(self) -> tuple[object, int]:
        return self.queue.get(timeout=TIMEOUT)


def test_work_is_done_in_the_order_in_which_it_came_when_all_are_busy(pool: LeaderFollowers) -> None:
    report, go_on = Report(), threading.Event()
    for _ in range(2):
        pool.submit(partial(go_on.wait, TIMEOUT))
    for i in range(10):
        pool.submit(partial(report, i))
    assert report.queue.empty()
    go_on.set()
    assert sorted(str(report.next()[0]) for _ in range(10)) == [str(i) for i in range(10)]
    assert len(threads()) == 2


def test_what_is_started_does_not_wait_for_those_that_are_busy(pool: LeaderFollowers) -> None:
    report, go_on = Report(), threading.Event()
    for _ in range(5):
        pool.submit(partial(go_on.wait, TIMEOUT))
    assert pool.start(partial(report, "begun"))
    assert report.next()[0] == "begun"
    go_on.set()


def test_who_leads_does_what_its_message_starts_while_another_thread_leads(pool: LeaderFollowers) -> None:
    report, done = Report(), threading.Event()

    def lead() -> None:
        kept = pool.handle(partial(pool.submit, partial(report, "work")))
        assert report.queue.empty()
        report("leader")
        assert pool.do(kept, partial(report, "lead"))
        done.set()

    pool.start(lead)
    assert done.wait(TIMEOUT)
    said = dict(report.next() for _ in range(3))
    assert said["work"] == said["leader"] != said["lead"]


def test_who_leads_goes_on_leading_while_all_are_busy(pool: LeaderFollowers) -> None:
    report, go_on = Report(), threading.Event()
    for _ in range(2):
        pool.submit(partial(go_on.wait, TIMEOUT))
    kept = pool.handle(partial(pool.submit, partial(report, "work")))
    assert not pool.do(kept, partial(report, "lead"))
    assert report.queue.empty()
    go_on.set()
    assert report.next()[0] == "work"


def test_what_one_message_starts_is_done_by_several_threads(pool: LeaderFollowers) -> None:
    both = threading.Barrier(2)

    def handler() -> None:
        pool.submit(partial(both.wait, TIMEOUT))
        pool.submit(partial(both.wait, TIMEOUT))

    assert pool.do(pool.handle(handler), lambda: None)
    assert not both.broken


def test_who_leads_does_what_is_quick_and_what_that_starts_and_goes_on_leading(pool: LeaderFollowers) -> None:
    here, report = threading.get_ident(), Report()

    def quick() -> None:
        report("first")
        pool.submit(partial(report, "second"), quick=True)
        pool.submit(partial(report, "long"))

    kept = pool.handle(partial(pool.submit, quick, quick=True))
    assert [report.next() for _ in range(2)] == [("first", here), ("second", here)]
    assert report.queue.empty()
    assert [work() for work in kept] == [None]
    assert report.next()[0] == "long"


def test_what_is_quick_and_fails_is_logged(pool: LeaderFollowers, caplog: pytest.LogCaptureFixture) -> None:
    assert pool.handle(partial(pool.submit, lambda: 1 / 0, quick=True)) == []
    assert "ZeroDivisionError" in caplog.text


def test_a_handler_that_fails_leaves_its_thread_as_it_was(pool: LeaderFollowers) -> None:
    report = Report()
    with pytest.raises(ZeroDivisionError):
        pool.handle(lambda: 1 / 0)
    pool.submit(partial(report, "work"))
    assert report.next()[0] == "work"


def test_work_that_fails_is_logged_and_its_thread_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    pool, report = LeaderFollowers("pool", at_once=1), Report()
    pool.submit(lambda: 1 / 0)
    pool.submit(partial(report, "work"))
    assert report.next()[0] == "work"
    assert "ZeroDivisionError" in caplog.text
    pool.close()


def test_a_closed_pool_begins_nothing_but_what_must_go_on(pool: LeaderFollowers) -> None:
    report, go_on = Report(), threading.Event()
    for _ in range(2):
        pool.submit(partial(go_on.wait, TIMEOUT))
    pool.submit(partial(report, "stood in line"))
    pool.close()
    pool.submit(partial(report, "came late"))
    assert not pool.do(pool.handle(partial(pool.submit, partial(report, "handled late"))), lambda: None)
    go_on.set()
    assert pool.start(partial(report, "must"))
    assert report.next()[0] == "must"
    for thread in threads():
        thread.join(TIMEOUT)
    assert report.queue.empty()
