"""A random program, which its seed says."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz_graphs import arithmetic, pipelines, queues, runs, scenes
from tests.fuzz_graphs.interpret import Program
from tests.fuzz_graphs.writer import Writer

STEPS: dict[Callable[[Writer], None], float] = {
    queues.make_queue: 2,
    queues.enqueue: 5,
    queues.dequeue: 5,
    queues.look: 2,
    queues.close: 1,
    arithmetic.constant: 1,
    arithmetic.placeholder: 1.5,
    arithmetic.compute: 6,
    arithmetic.group: 0.7,
    arithmetic.variable: 1,
    arithmetic.assign: 1.5,
    arithmetic.read: 0.5,
    runs.run: 14,
    runs.again: 3,
    runs.make_callable: 1,
    runs.in_thread: 0.6,
    runs.initialize: 0.5,
    pipelines.producer: 0.3,
    pipelines.queue_runner: 0.3,
    scenes.misuse: 0.4,
    scenes.shared: 0.2,
    scenes.chosen: 0.2,
    scenes.failure: 0.2,
    scenes.nested_feeds: 0.2,
}


def program(seed: int) -> Program:
    writer = Writer(seed)
    for make in (queues.make_queue, arithmetic.placeholder, arithmetic.variable):
        if writer.maybe(0.8):
            make(writer)
    size = writer.random.choice([8, 15, 30, 50])
    while len(writer.lines) < size:
        writer.random.choices(list(STEPS), list(STEPS.values()))[0](writer)
    queues.finish(writer)
    if writer.maybe(0.15):
        scenes.end_of_session(writer)
    return writer.lines
