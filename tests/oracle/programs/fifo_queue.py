"""FIFOQueue, and what all queues have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, in_thread, is_waiting, kind_of_error, names, session, shape, waits


def order(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(10, tf.int32, shapes=())
    with session(tf) as sess:
        for value in (3, 1, 2):
            sess.run(queue.enqueue(value))
        done = sess.run(queue.enqueue_many([[7, 8, 9]]))
        return {
            "enqueue gives": done,
            "size": sess.run(queue.size()),
            "first": sess.run(queue.dequeue()),
            "many": sess.run(queue.dequeue_many(3)),
            "up to": sess.run(queue.dequeue_up_to(2)),
            "size after": sess.run(queue.size()),
            "size again": [sess.run(queue.size()) for _ in range(3)],
        }


def components(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(10, [tf.int32, tf.string, tf.float32], shapes=[(), (), (2,)])
    with session(tf) as sess:
        sess.run(queue.enqueue([1, "one", [1.0, 1.5]]))
        sess.run(queue.enqueue_many([[2, 3, 4], ["two", b"th\x00ree", ""], [[2.0, 2.5]] * 3]))
        return {
            "dequeue": sess.run(queue.dequeue()),
            "dequeue_many": sess.run(queue.dequeue_many(2)),
            "dequeue_up_to": sess.run(queue.dequeue_up_to(1)),
            "dtypes": [dtype.name for dtype in queue.dtypes],
            "shapes": [it.as_list() for it in queue.shapes],
            "names": queue.names,
        }


def no_shapes(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(10, tf.float32)
    element = queue.dequeue()
    with session(tf) as sess:
        sess.run(queue.enqueue([[1.0, 2.0]]))
        sess.run(queue.enqueue(3.0))
        sess.run(queue.enqueue_many([[[4.0], [5.0]]]))
        return {
            "static": shape(element),
            "elements": [sess.run(element) for _ in range(4)],
            "many": error(lambda: sess.run(queue.dequeue_many(1)), "require the components to have specified shapes"),
            "none": error(lambda: sess.run(queue.dequeue_many(0)), "require the components to have specified shapes"),
            "static many": shape(queue.dequeue_many(1)),
        }


def dictionaries(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(5, [tf.int32, tf.float32], shapes=[(), ()], names=["i", "f"])
    with session(tf) as sess:
        sess.run(queue.enqueue({"i": 1, "f": 1.5}))
        sess.run(queue.enqueue_many({"i": [2, 3, 4], "f": [2.5, 3.5, 4.5]}))
        return {
            "names": queue.names,
            "one": sess.run(queue.dequeue()),
            "many": sess.run(queue.dequeue_many(2)),
            "up to": sess.run(queue.dequeue_up_to(1)),
        }


def one_name(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(5, tf.int32, shapes=(), names="i")
    with session(tf) as sess:
        sess.run(queue.enqueue({"i": 5}))
        return {"one": sess.run(queue.dequeue())}


def wrong_dictionaries(tf: Any, folder: Path) -> dict[str, Any]:
    named = tf.FIFOQueue(5, [tf.int32, tf.float32], shapes=[(), ()], names=["i", "f"])
    unnamed = tf.FIFOQueue(5, [tf.int32, tf.float32])
    return {
        "a wrong key": error(lambda: named.enqueue({"i": 1, "x": 1.0}), "match names of Queue"),
        "a key too few": error(lambda: named.enqueue({"i": 1}), "match names of Queue"),
        "a key too many": error(lambda: named.enqueue({"i": 1, "f": 1.0, "s": 2}), "match names of Queue"),
        "wrong keys, many": error(lambda: named.enqueue_many({"i": [1], "x": [1.0]}), "match names of Queue"),
        "a list": error(lambda: named.enqueue([1, 1.0]), "enqueue a dictionary"),
        "a list, many": error(lambda: named.enqueue_many([[1], [1.0]]), "enqueue a dictionary"),
        "no names": error(lambda: unnamed.enqueue({"i": 1, "f": 1.0}), "must have names"),
        "no names, many": error(lambda: unnamed.enqueue_many({"i": [1], "f": [1.0]}), "must have names"),
    }


def wrong_constructions(tf: Any, folder: Path) -> dict[str, Any]:
    return {
        "fewer shapes": error(lambda: tf.FIFOQueue(5, [tf.int32, tf.float32], shapes=[()])),
        "fewer names": error(lambda: tf.FIFOQueue(5, [tf.int32, tf.float32], names=["i"])),
        "partial shape": error(lambda: tf.FIFOQueue(5, tf.int32, shapes=[[None, 2]]), "fully defined"),
        "shapes of a wrong type": error(lambda: tf.FIFOQueue(5, tf.int32, shapes=7.5)),
    }


def enqueues_that_cannot_be_built(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(5, [tf.int32, tf.float32], shapes=[(2,), ()])
    scalar = tf.FIFOQueue(5, tf.float32, shapes=())
    unknown = tf.placeholder(tf.float32, None)
    return {
        "shape": error(lambda: queue.enqueue([[1, 2, 3], 1.0])),
        "dtype of a tensor": error(lambda: scalar.enqueue(tf.constant(1))),
        "a value that does not convert": error(lambda: scalar.enqueue("x")),
        "rank 0, many": error(lambda: scalar.enqueue_many(tf.constant(1.0))),
        "leading sizes": error(lambda: queue.enqueue_many([[[1, 2]] * 3, [1.0, 2.0]])),
        "leading sizes and an unknown": error(
            lambda: tf.FIFOQueue(5, [tf.int32, tf.int32, tf.float32], shapes=[(), (), ()]).enqueue_many(
                [[1, 2, 3], [1, 2], unknown]
            )
        ),
        "shape, many": error(lambda: queue.enqueue_many([[[1, 2, 3]], [1.0]])),
        "negative n": error(lambda: scalar.dequeue_many(-1)),
        "negative n, up to": error(lambda: scalar.dequeue_up_to(-1)),
    }


def enqueues_that_cannot_run(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(5, [tf.int32, tf.float32], shapes=[(), (2, 3, 3)], name="q")
    unknown = tf.placeholder(tf.float32, None)
    sizes = tf.placeholder(tf.int32, [None])
    one, many = queue.enqueue([1, unknown]), queue.enqueue_many([[1], unknown])
    uneven = queue.enqueue_many([sizes, unknown])
    n = tf.placeholder(tf.int32, ())
    wrong = np.zeros((2, 3, 4), np.float32)
    text = "Shape mismatch in tuple component 1. Expected [2,3,3], got [2,3,4]"
    with session(tf) as sess:
        return {
            "one": error(lambda: sess.run(one, {unknown: wrong}), text),
            "many": error(
                lambda: sess.run(many, {unknown: wrong[None]}),
                "Shape mismatch in tuple component 1. Expected [1,2,3,3], got [1,2,3,4]",
            ),
            "uneven": error(lambda: sess.run(uneven, {sizes: [1, 2, 3], unknown: np.zeros((2, 2, 3, 3), np.float32)})),
            "negative n": error(lambda: sess.run(queue.dequeue_many(n), {n: -1})),
            "size": sess.run(queue.size()),
        }


def nothing_at_all(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(1, tf.int32, shapes=(2,))
    strings = tf.FIFOQueue(1, tf.int32, shapes=())
    none = queue.enqueue_many([np.zeros((0, 2), np.int32)])
    with session(tf) as sess:
        found: dict[str, Any] = {"empty": sess.run(queue.dequeue_many(0)), "up to": sess.run(queue.dequeue_up_to(0))}
        sess.run(queue.enqueue([[1, 2]]))
        found["into a full queue"] = sess.run([none, queue.size()])[1]
        found["an empty list"] = sess.run(strings.enqueue_many([[]]))
        sess.run(queue.close())
        found["into a closed queue"] = sess.run(none)
        found["open"] = sess.run(queue.dequeue_many(0))
        sess.run(queue.dequeue())
        found["drained"] = sess.run(queue.dequeue_many(0))
        found["drained, up to"] = sess.run(queue.dequeue_up_to(0))
        return found


def dtypes(tf: Any, folder: Path) -> dict[str, Any]:
    found = {}
    with session(tf) as sess:
        for name in [
            "float16",
            "float32",
            "float64",
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "complex64",
            "complex128",
            "bool",
        ]:
            dtype = getattr(tf, name)
            queue = tf.FIFOQueue(10, dtype, shapes=())
            values = (np.array([-5, 0, 7, 2]) if not name.startswith("u") else np.array([5, 0, 7, 2])).astype(name)
            if name.startswith("complex"):
                values = values * np.array(1 + 2j, name)
            sess.run(queue.enqueue_many([values]))
            found[name] = [sess.run(queue.dequeue()), sess.run(queue.dequeue_many(3))]
        queue = tf.FIFOQueue(10, tf.string, shapes=())
        sess.run(queue.enqueue_many([["a", b"\xff\x00", "äö", ""]]))
        found["string"] = [sess.run(queue.dequeue()), sess.run(queue.dequeue_many(3))]
    return found


def close(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(10, tf.float32, shapes=(), name="q")
    enqueue, enqueue_many = queue.enqueue(1.0, name="one"), queue.enqueue_many([[1.0, 2.0]], name="many")
    dequeue, dequeue_many = queue.dequeue(name="get"), queue.dequeue_many(3, name="get_many")
    up_to = queue.dequeue_up_to(3, name="get_some")
    text = "is closed and has insufficient elements (requested"
    with session(tf) as sess:
        sess.run(enqueue_many)
        found: dict[str, Any] = {"open": sess.run(queue.is_closed())}
        sess.run(queue.close())
        found |= {
            "closed": sess.run(queue.is_closed()),
            "enqueue": error(lambda: sess.run(enqueue), "is closed"),
            "enqueue_many": error(lambda: sess.run(enqueue_many), "is closed"),
            "too many": error(lambda: sess.run(dequeue_many), text + " 3, current size 2)"),
            "size": sess.run(queue.size()),
            "first": sess.run(dequeue),
            "rest": sess.run(up_to),
            "dequeue": error(lambda: sess.run(dequeue), text + " 1, current size 0)"),
            "dequeue_many": error(lambda: sess.run(dequeue_many), text + " 3, current size 0)"),
            "dequeue_up_to": error(lambda: sess.run(up_to), text),
            "again": kind_of_error(lambda: sess.run(queue.close()), "is already closed"),
            "again, cancelling": error(lambda: sess.run(queue.close(cancel_pending_enqueues=True))),
        }
        return found


def waiting_and_time_limits(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(2, tf.int32, shapes=())
    number = tf.placeholder(tf.int32, ())
    enqueue, dequeue = queue.enqueue(number), queue.dequeue()
    with session(tf) as sess:
        found: dict[str, Any] = {
            "dequeue waits": waits(tf, sess, dequeue),
            "dequeue_many waits": waits(tf, sess, queue.dequeue_many(2)),
            "dequeue_up_to waits": waits(tf, sess, queue.dequeue_up_to(2)),
        }
        sess.run(enqueue, {number: 1})
        sess.run(enqueue, {number: 2})
        found["enqueue waits"] = waits(tf, sess, enqueue, {number: 3})
        found["the dead took nothing"] = [sess.run(dequeue), sess.run(dequeue), sess.run(queue.size())]
        return found


def time_limit_of_a_partial_batch(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(5, tf.int32, shapes=())
    with session(tf) as sess:
        sess.run(queue.enqueue_many([[1, 2]]))
        waited = waits(tf, sess, queue.dequeue_many(3))
        return {"waits": waited, "size": sess.run(queue.size())}


def close_waits_for_a_pending_enqueue(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(4, tf.float32, shapes=())
    pending, shut, later = queue.enqueue_many([[10.0, 20.0, 30.0, 40.0, 50.0]]), queue.close(), queue.enqueue(60.0)
    is_closed, dequeue = queue.is_closed(), queue.dequeue()
    with session(tf) as sess:
        filling = in_thread(sess.run, pending)
        found: dict[str, Any] = {"the enqueue waits": is_waiting(filling)}
        closing = in_thread(sess.run, shut)
        found["the close waits"] = is_waiting(closing)
        found["not yet closed"] = sess.run(is_closed)
        late = in_thread(sess.run, later)
        found["the late one waits"] = is_waiting(late)
        found["first"] = sess.run(dequeue)
        found |= {"filled": filling.result(20), "shut": closing.result(20)}
        found["late"] = kind_of_error(lambda: late.result(20), "is closed")
        found["closed"] = sess.run(is_closed)
        found["rest"] = [sess.run(dequeue) for _ in range(4)]
        found["end"] = kind_of_error(lambda: sess.run(dequeue))
        return found


def close_cancels_a_pending_enqueue(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(4, tf.float32, shapes=())
    pending, shut = queue.enqueue_many([[10.0, 20.0, 30.0, 40.0, 50.0]]), queue.close(cancel_pending_enqueues=True)
    dequeue, size = queue.dequeue(), queue.size()
    with session(tf) as sess:
        filling = in_thread(sess.run, pending)
        found: dict[str, Any] = {"waits": is_waiting(filling)}
        sess.run(shut)
        found["pending"] = kind_of_error(lambda: filling.result(20), "was cancelled")
        found["size"] = sess.run(size)
        found["kept"] = [sess.run(dequeue) for _ in range(4)]
        return found


def close_wakes_dequeues(tf: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for kind in ("dequeue", "dequeue_many", "dequeue_up_to"):
            for content in (0, 2):
                if kind == "dequeue" and content:
                    continue
                queue = tf.FIFOQueue(4, tf.float32, shapes=(), name=f"{kind}_{content}")
                get = getattr(queue, kind)(*([3] if kind != "dequeue" else []))
                shut, size = queue.close(), queue.size()
                sess.run(queue.enqueue_many([[float(it) for it in range(content)]]))
                getting = in_thread(sess.run, get)
                case = f"{kind} of {content}"
                found[f"{case} waits"] = is_waiting(getting)
                sess.run(shut)
                if kind == "dequeue_up_to" and content:
                    found[case] = getting.result(20)
                else:
                    found[case] = error(lambda getting=getting: getting.result(20), "is closed and has insufficient")
                found[f"{case} leaves"] = sess.run(size)
                if sess.run(size):
                    found[f"{case} gives back"] = sess.run(queue.dequeue_many(content))
    return found


def more_than_the_capacity(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(2, tf.int32, shapes=())
    big, some = queue.enqueue_many([list(range(10))]), queue.dequeue_many(5)
    with session(tf) as sess:
        filling = in_thread(sess.run, big)
        found = [sess.run(some), sess.run(some)]
        return {"filled": filling.result(20), "found": found, "left": sess.run(queue.size())}


def out_of_a_bigger_batch_and_close(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(10, tf.float32, shapes=())
    fill, shut = queue.enqueue_many([[10.0, 20.0, 30.0, 40.0]]), queue.close()
    three, one = queue.dequeue_many(3), queue.dequeue()
    with session(tf) as sess:
        getting = in_thread(lambda: [sess.run(three), error(lambda: sess.run(three)), sess.run(one)])
        sess.run(fill)
        sess.run(shut)
        return {"found": getting.result(20)}


def the_head_of_the_line_holds_what_it_has(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(10, tf.int32, shapes=())
    three, one, number = queue.dequeue_many(3), queue.dequeue(), tf.placeholder(tf.int32, ())
    enqueue = queue.enqueue(number)
    with session(tf) as sess:
        first = in_thread(sess.run, three)
        found: dict[str, Any] = {"first waits": is_waiting(first)}
        sess.run(enqueue, {number: 1})
        sess.run(enqueue, {number: 2})
        second = in_thread(sess.run, one)
        found["second waits"] = is_waiting(second)
        found["size"] = sess.run(queue.size())
        sess.run(enqueue, {number: 3})
        found["first"] = first.result(20)
        sess.run(enqueue, {number: 4})
        found["second"] = second.result(20)
        return found


def exactly_once(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(7, [tf.int32, tf.int32], shapes=[(), ()])
    number = tf.placeholder(tf.int32, ())
    enqueue = queue.enqueue([number, number * 10])
    many = queue.enqueue_many([number + tf.range(5), (number + tf.range(5)) * 10])
    one, some, shut = queue.dequeue(), queue.dequeue_many(3), queue.close()
    with session(tf) as sess:

        def produce(first: int) -> None:
            for it in range(first, first + 10):
                sess.run(enqueue, {number: it})
            for it in range(first + 10, first + 30, 5):
                sess.run(many, {number: it})

        def consume_ones() -> list[tuple[int, int]]:
            pairs = []
            for _ in range(30):
                left, right = sess.run(one)
                pairs.append((int(left), int(right)))
            return pairs

        def consume_threes() -> list[tuple[int, int]]:
            pairs = []
            for _ in range(10):
                left, right = sess.run(some)
                pairs += list(zip(left.tolist(), right.tolist(), strict=True))
            return pairs

        producers = [in_thread(produce, first) for first in (0, 30)]
        consumers = [in_thread(consume_ones), in_thread(consume_threes)]
        found = sorted(pair for it in consumers for pair in it.result(20))
        for it in producers:
            it.result(20)
        sess.run(shut)
        return {"each once": [left for left, _ in found], "pairs": all(right == left * 10 for left, right in found)}


def one_producer_keeps_its_order(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(3, tf.int32, shapes=())
    number = tf.placeholder(tf.int32, ())
    enqueue, dequeue = queue.enqueue(number), queue.dequeue()
    with session(tf) as sess:

        def produce(first: int) -> None:
            for it in range(first, first + 20):
                sess.run(enqueue, {number: it})

        producers = [in_thread(produce, first) for first in (0, 100)]
        found = [int(sess.run(dequeue)) for _ in range(40)]
        for it in producers:
            it.result(20)
        return {"small": [it for it in found if it < 100], "large": [it for it in found if it >= 100]}


def in_one_step(tf: Any, folder: Path) -> dict[str, Any]:
    queue, other = tf.FIFOQueue(10, tf.int32, shapes=()), tf.FIFOQueue(10, tf.int32, shapes=())
    element, another = queue.dequeue(), queue.dequeue()
    enqueue, arrives = other.enqueue(5), other.dequeue()
    with session(tf) as sess:
        sess.run(queue.enqueue_many([[1, 2, 3, 4]]))
        found: dict[str, Any] = {
            "one dequeue": sess.run([element, element, element * 10, queue.size().op]),
            "two dequeues": sorted(int(it) for it in sess.run([element, another])),
            "left": sess.run(queue.size()),
            "enqueue and dequeue": sess.run([arrives, enqueue]),
        }
        return found


def n_is_a_tensor(tf: Any, folder: Path) -> dict[str, Any]:
    queue, sizes = tf.FIFOQueue(10, tf.int32, shapes=()), tf.FIFOQueue(10, tf.int32, shapes=())
    n = tf.placeholder(tf.int32, ())
    fed, taken = queue.dequeue_many(n), queue.dequeue_up_to(sizes.dequeue())
    with session(tf) as sess:
        sess.run(queue.enqueue_many([list(range(10))]))
        sess.run(sizes.enqueue_many([[3, 1]]))
        return {
            "static": [shape(fed), shape(taken), shape(queue.dequeue_many(4)), shape(queue.dequeue_up_to(4))],
            "fed": [sess.run(fed, {n: it}) for it in (2, 0, 1)],
            "taken": [sess.run(taken), sess.run(taken)],
        }


def a_failure_in_the_same_step(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(10, tf.int32, shapes=())
    bad = tf.Assert(False, ["no"], name="bad")
    with tf.control_dependencies([bad]):
        enqueue = queue.enqueue(1)
    with session(tf) as sess:
        return {
            "enqueue": kind_of_error(lambda: sess.run(enqueue)),
            "nothing came": sess.run(queue.size()),
            "a waiting dequeue": kind_of_error(lambda: sess.run([queue.dequeue(), bad])),
        }


def names_and_types(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(10, tf.int32, shapes=())
    with tf.name_scope("scope"):
        named = tf.FIFOQueue(10, [tf.int32], shapes=[()], name="mine")
    made = [
        named.enqueue(1),
        named.enqueue_many([[1]]),
        named.dequeue(),
        named.dequeue_many(1),
        named.dequeue_up_to(1),
        named.close(),
        named.size(),
        named.is_closed(),
        named.dequeue(name="other"),
    ]
    again = tf.FIFOQueue(10, tf.int32, shapes=())
    return {
        "names": [queue.name, named.name, again.name],
        "ops": names(made),
        "type": queue.queue_ref.op.type,
        "types": [it.op.type if hasattr(it, "op") else it.type for it in made],
    }


def attributes(tf: Any, folder: Path) -> dict[str, Any]:
    def of(queue: Any, *attributes: str) -> list[Any]:
        op = queue.queue_ref.op
        return [op.get_attr(it) for it in ("capacity", "container", "shared_name", *attributes)]

    with tf.container("c"):
        shuffle = tf.RandomShuffleQueue(5, 2, tf.int32, shapes=(), shared_name="r")
    queue = tf.FIFOQueue(10, [tf.int32, tf.string], shapes=[(), (2,)], shared_name="s").queue_ref.op
    return {
        "FIFOQueue": of(tf.FIFOQueue(3, tf.int32)),
        "RandomShuffleQueue": of(shuffle, "min_after_dequeue"),
        "PaddingFIFOQueue": of(tf.PaddingFIFOQueue(4, tf.int32, [()])),
        "dtypes": [it.name for it in queue.get_attr("component_types")],
        "no such": error(lambda: queue.get_attr("nonsense")),
    }


def two_queues_of_one_name(tf: Any, folder: Path) -> dict[str, Any]:
    one, two = tf.FIFOQueue(10, tf.int32, name="q"), tf.FIFOQueue(10, tf.int32, name="q")
    with session(tf) as sess:
        sess.run(one.enqueue(1))
        return {"names": [one.name, two.name], "sizes": sess.run([one.size(), two.size()])}


def unbounded(tf: Any, folder: Path) -> dict[str, Any]:
    queue, zero = tf.FIFOQueue(-1, tf.int32, shapes=()), tf.FIFOQueue(0, tf.int32, shapes=())
    with session(tf) as sess:
        sess.run(queue.enqueue_many([list(range(1000))]))
        return {
            "size": sess.run(queue.size()),
            "sum": sess.run(tf.reduce_sum(queue.dequeue_many(1000))),
            "capacity 0 waits": waits(tf, sess, zero.enqueue(1)),
        }


def blocked_dequeues_let_others_run(tf: Any, folder: Path) -> dict[str, Any]:
    queues = [tf.FIFOQueue(10, tf.int32, shapes=(), name=f"q{it}") for it in range(3)]
    gets, puts = [queue.dequeue() for queue in queues], [queue.enqueue(it) for it, queue in enumerate(queues)]
    with session(tf, inter_op_parallelism_threads=1) as sess:
        waiting = [in_thread(sess.run, get) for get in gets]
        found: dict[str, Any] = {"wait": [is_waiting(it) for it in waiting]}
        sess.run(puts[::-1])
        found["got"] = [it.result(20) for it in waiting]
        return found


def a_closed_session_cancels(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(1, tf.int32, shapes=())
    dequeue = queue.dequeue()
    sess = session(tf)
    waiting = in_thread(sess.run, dequeue)
    found: dict[str, Any] = {"waits": is_waiting(waiting)}
    sess.close()
    found["ended"] = kind_of_error(lambda: waiting.result(20))
    return found
