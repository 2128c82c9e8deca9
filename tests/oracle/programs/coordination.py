"""Coordinator, LooperThread and QueueRunner."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from tests.oracle.tools import error, kind_of_error, session, until_the_end


def stop(tf: Any, folder: Path) -> dict[str, Any]:
    coord = tf.train.Coordinator()
    found: dict[str, Any] = {"at first": [coord.should_stop(), coord.wait_for_stop(0.01), coord.joined]}
    found["asked"] = coord.request_stop()
    found["then"] = [coord.should_stop(), coord.wait_for_stop(0.01)]
    found["join"] = coord.join()
    found["joined"] = coord.joined
    coord.clear_stop()
    found["cleared"] = [coord.should_stop(), coord.joined]
    return found


def threads_that_stop(tf: Any, folder: Path) -> dict[str, Any]:
    coord = tf.train.Coordinator()
    ended: list[int] = []

    def work(index: int) -> None:
        while not coord.wait_for_stop(0.01):
            pass
        ended.append(index)

    threads = [threading.Thread(target=work, args=(it,)) for it in range(3)]
    for it in threads:
        it.start()
    coord.request_stop()
    coord.join(threads)
    return {"ended": sorted(ended)}


def threads_that_run_until_one_stops_them(tf: Any, folder: Path) -> dict[str, Any]:
    """All come to their turn: none of them fills the queue before that one has begun."""
    queue = tf.FIFOQueue(1000, tf.float32, shapes=())
    enqueue = queue.enqueue(tf.random_normal([]))
    ran = [0] * 10
    with session(tf) as sess:
        coord = tf.train.Coordinator()

        def work(index: int) -> None:
            while not coord.should_stop():
                sess.run(enqueue)
                ran[index] += 1
                if index == 1 and ran[index] == 5:
                    coord.request_stop()

        threads = [threading.Thread(target=work, args=(it,)) for it in range(len(ran))]
        for it in threads:
            it.start()
        coord.join(threads)
        return {"that one": ran[1], "size": bool(sess.run(queue.size()) == sum(ran))}


def exceptions(tf: Any, folder: Path) -> dict[str, Any]:
    def report(*errors: Any, **options: Any) -> dict[str, Any]:
        coord = tf.train.Coordinator(**options)

        def work() -> None:
            for it in errors:
                try:
                    raise it
                except Exception as error:
                    coord.request_stop(error)

        thread = threading.Thread(target=work)
        coord.register_thread(thread)
        thread.start()
        return kind_of_error(coord.join, "first", "second")

    return {
        "one": report(ValueError("first")),
        "two": report(ValueError("first"), KeyError("second")),
        "the end of input": report(tf.errors.OutOfRangeError(None, None, "first")),
        "an end and an error": report(tf.errors.OutOfRangeError(None, None, "first"), ValueError("second")),
        "clean types": report(KeyError("first"), clean_stop_exception_types=(KeyError,)),
        "no longer clean": report(
            tf.errors.OutOfRangeError(None, None, "first"), clean_stop_exception_types=(KeyError,)
        ),
        "cancelled": report(tf.errors.CancelledError(None, None, "first")),
    }


def exceptions_with_tracebacks(tf: Any, folder: Path) -> dict[str, Any]:
    coord = tf.train.Coordinator()
    try:
        raise ValueError("first")
    except ValueError:
        coord.request_stop(sys.exc_info())
    found = {"raise": error(coord.raise_requested_exception, "first"), "join": error(coord.join, "first")}
    return found | {"a stop without an error": _after_a_plain_stop(tf)}


def _after_a_plain_stop(tf: Any) -> dict[str, Any]:
    coord = tf.train.Coordinator()
    coord.request_stop()
    try:
        raise ValueError("late")
    except ValueError as late:
        coord.request_stop(late)
    return error(coord.join)


def stop_on_exception(tf: Any, folder: Path) -> dict[str, Any]:
    coord = tf.train.Coordinator()
    with coord.stop_on_exception():
        raise KeyError("inside")
    clean = tf.train.Coordinator()
    with clean.stop_on_exception():
        raise tf.errors.OutOfRangeError(None, None, "end")
    none = tf.train.Coordinator()
    with none.stop_on_exception():
        pass
    return {
        "stopped": [coord.should_stop(), clean.should_stop(), none.should_stop()],
        "join": [error(coord.join, "inside"), error(clean.join)],
    }


def threads_that_do_not_stop(tf: Any, folder: Path) -> dict[str, Any]:
    release = threading.Event()

    def join(fails: bool, **options: Any) -> dict[str, Any]:
        coord = tf.train.Coordinator()
        thread = threading.Thread(target=release.wait, args=(20,), name="stubborn", daemon=True)
        thread.start()
        try:
            raise KeyError("cause")
        except KeyError as cause:
            coord.request_stop(cause if fails else None)
        return error(lambda: coord.join([thread], stop_grace_period_secs=0.05, **options), "stubborn", "cause")

    found = {
        "alive": join(False),
        "ignored": join(False, ignore_live_threads=True),
        "with an error": join(True),
    }
    release.set()
    return found


def after_join(tf: Any, folder: Path) -> dict[str, Any]:
    coord = tf.train.Coordinator()
    coord.request_stop()
    coord.join()

    def late() -> None:
        try:
            raise ValueError("late")
        except ValueError as reason:
            coord.request_stop(reason)

    found = {
        "an error": error(late, "late"),
        "an error that was not raised": error(lambda: coord.request_stop(ValueError("late")), "late"),
        "a clean one": error(lambda: coord.request_stop(tf.errors.OutOfRangeError(None, None, "late"))),
        "none": error(coord.request_stop),
    }
    coord.clear_stop()
    try:
        raise KeyError("new")
    except KeyError as new:
        coord.request_stop(new)
    return found | {"used again": error(coord.join, "new")}


def looper(tf: Any, folder: Path) -> dict[str, Any]:
    coord = tf.train.Coordinator()
    calls: list[Any] = []

    def work(*args: Any, **kwargs: Any) -> None:
        calls.append([list(args), kwargs])
        if len(calls) == 3:
            coord.request_stop()

    thread = tf.train.LooperThread.loop(coord, 0, target=work, args=(1, "a"), kwargs={"key": 2})
    coord.join()
    return {"calls": calls, "daemon": thread.daemon, "alive": thread.is_alive()}


def looper_that_fails(tf: Any, folder: Path) -> dict[str, Any]:
    coord = tf.train.Coordinator()

    def work() -> None:
        raise KeyError("inside")

    tf.train.LooperThread.loop(coord, 0, target=work)
    return {
        "join": error(coord.join, "inside"),
        "no coordinator": error(lambda: tf.train.LooperThread(None, 0)),
        "no target": error(lambda: tf.train.LooperThread(coord, 0, args=(1,))),
    }


def looper_subclass(tf: Any, folder: Path) -> dict[str, Any]:
    coord = tf.train.Coordinator()
    seen: list[str] = []

    class Mine(tf.train.LooperThread):  # type: ignore[misc]
        def start_loop(self) -> None:
            seen.append("start")

        def run_loop(self) -> None:
            seen.append("run")
            if len(seen) == 4:
                coord.request_stop()

        def stop_loop(self) -> None:
            seen.append("stop")

    thread = Mine(coord, timer_interval_secs=0)
    thread.start()
    coord.join()
    return {"seen": seen}


def queue_runner(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(3, tf.int64, shapes=(), name="q")
    counter = tf.Variable(tf.constant(0, tf.int64), name="counter")
    put = queue.enqueue(counter.count_up_to(10), name="put")
    runner = tf.train.QueueRunner(queue, [put])
    element = queue.dequeue()
    with session(tf) as sess:
        sess.run(counter.initializer)
        coord = tf.train.Coordinator()
        threads = runner.create_threads(sess, coord, start=True)
        found: dict[str, Any] = {"threads": sorted(it.name for it in threads), "name": runner.name}
        found["elements"] = until_the_end(tf, sess, element)
        found["stopped"] = coord.should_stop()
        coord.request_stop()
        coord.join()
        found["raised"] = len(runner.exceptions_raised)
        return found


def two_operations_of_a_runner(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(50, tf.int64, shapes=(), name="q")
    puts, starts = [], []
    for it, limit in enumerate((3, 30)):
        counter = tf.Variable(tf.constant(0, tf.int64), name=f"counter{it}")
        starts.append(counter.initializer)
        puts.append(queue.enqueue(counter.count_up_to(limit) + 100 * it))
    runner = tf.train.QueueRunner(queue, puts)
    with session(tf) as sess:
        sess.run(starts)
        for it in runner.create_threads(sess, start=True):
            it.join(20)
        found = sorted(int(it) for it in until_the_end(tf, sess, queue.dequeue()))
        return {"elements": found, "closed": sess.run(queue.is_closed()), "raised": len(runner.exceptions_raised)}


def a_stop_cancels(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(5, tf.int32, shapes=())
    runner = tf.train.QueueRunner(queue, [queue.enqueue(7)])
    size = queue.size()
    with session(tf) as sess:
        coord = tf.train.Coordinator()
        runner.create_threads(sess, coord, start=True)
        while sess.run(size) < 5:
            pass
        coord.request_stop()
        coord.join(stop_grace_period_secs=20)
        return {
            "size": sess.run(size),
            "closed": sess.run(queue.is_closed()),
            "left": [sess.run(queue.dequeue()) for _ in range(5)],
            "then": kind_of_error(lambda: sess.run(queue.dequeue())),
        }


def a_failing_operation(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(5, tf.int32, shapes=())
    runner = tf.train.QueueRunner(queue, [queue.enqueue(tf.placeholder(tf.int32, ()))])
    with session(tf) as sess:
        coord = tf.train.Coordinator()
        runner.create_threads(sess, coord, start=True)
        coord.wait_for_stop()
        return {
            "consumer": kind_of_error(lambda: sess.run(queue.dequeue())),
            "join": kind_of_error(lambda: coord.join(stop_grace_period_secs=20)),
        }


def other_errors_that_end_a_runner(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(5, tf.int32, shapes=())
    put = queue.enqueue(tf.placeholder(tf.int32, ()))
    runner = tf.train.QueueRunner(queue, [put], queue_closed_exception_types=(tf.errors.InvalidArgumentError,))
    with session(tf) as sess:
        coord = tf.train.Coordinator()
        runner.create_threads(sess, coord, start=True)
        consumer = kind_of_error(lambda: sess.run(queue.dequeue()))
        stopped = coord.should_stop()
        coord.request_stop()
        return {"consumer": consumer, "stopped": stopped, "join": error(coord.join)}


def threads_of_a_runner(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(5, tf.int32, shapes=())
    put = queue.enqueue(1)
    runner = tf.train.QueueRunner(queue, [put, put])
    with session(tf) as one, session(tf) as two:
        coord = tf.train.Coordinator()
        found = [len(runner.create_threads(it, coord)) for it in (one, one, two)]
        return {"threads": found, "without a coordinator": len(tf.train.QueueRunner(queue, [put]).create_threads(one))}


def the_description_of_a_runner(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(10, tf.int32, shapes=[[]])
    ends = (tf.errors.OutOfRangeError, tf.errors.CancelledError)
    runner = tf.train.QueueRunner(queue, [queue.enqueue(1), queue.enqueue(2)], queue_closed_exception_types=ends)
    proto = runner.to_proto()
    copy = tf.train.QueueRunner.from_proto(proto)
    return {
        "of the runner": [runner.close_op.name, runner.cancel_op.name, runner.name],
        "names": [proto.queue_name, proto.close_op_name, proto.cancel_op_name, list(proto.enqueue_op_name)],
        "codes": list(proto.queue_closed_exception_types),
        "copy": [copy.queue.name, [it.name for it in copy.enqueue_ops], copy.close_op.name, copy.cancel_op.name],
        "ends": [it.__name__ for it in copy.queue_closed_exception_types],
        "from both": kind_of_error(lambda: tf.train.QueueRunner(queue, [], queue_runner_def=proto)),
    }


def wrong_runners(tf: Any, folder: Path) -> dict[str, Any]:
    queue, make = tf.FIFOQueue(5, tf.int32, shapes=()), tf.train.QueueRunner
    put = queue.enqueue(1)
    return {
        "no queue": error(lambda: make(None, [put])),
        "no operations": error(lambda: make(queue, [])),
        "types": error(lambda: make(queue, [put], queue_closed_exception_types=[tf.errors.OutOfRangeError])),
        "no errors": error(lambda: make(queue, [put], queue_closed_exception_types=(ValueError,))),
        "default types": [it.__name__ for it in make(queue, [put]).queue_closed_exception_types],
        "no session": error(lambda: tf.train.start_queue_runners()),
        "session": error(lambda: tf.train.start_queue_runners("nonsense"), "tf.Session"),
    }


def runners_of_a_graph(tf: Any, folder: Path) -> dict[str, Any]:
    queues = [tf.FIFOQueue(3, tf.int32, shapes=(), name=f"q{it}") for it in range(3)]
    for it, queue in enumerate(queues):
        collection = "mine" if it == 2 else tf.GraphKeys.QUEUE_RUNNERS
        tf.train.add_queue_runner(tf.train.QueueRunner(queue, [queue.enqueue(it)]), collection=collection)
    elements = [queue.dequeue() for queue in queues]
    with session(tf) as sess:
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(coord=coord)
        found: dict[str, Any] = {"threads": len(threads), "elements": sess.run(elements[:2])}
        not_started = tf.train.start_queue_runners(sess, coord, start=False, collection="mine")
        found["mine"] = [len(not_started), [it.is_alive() for it in not_started]]
        for it in not_started:
            it.start()
        found["third"] = sess.run(elements[2])
        coord.request_stop()
        coord.join(stop_grace_period_secs=20)
        return found


def a_stopped_coordinator(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(3, tf.int32, shapes=())
    runner = tf.train.QueueRunner(queue, [queue.enqueue(1)])
    with session(tf) as sess:
        coord = tf.train.Coordinator()
        coord.request_stop()
        for it in runner.create_threads(sess, coord, start=True):
            it.join(20)
        coord.join()
        return {"size": sess.run(queue.size())}
