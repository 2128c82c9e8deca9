"""RandomShuffleQueue: what does not depend on chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.oracle.tools import error, in_thread, is_waiting, kind_of_error, session, shape, waits


def everything_once(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.RandomShuffleQueue(100, 0, [tf.int32, tf.string], shapes=[(), ()])
    with session(tf) as sess:
        sess.run(queue.enqueue_many([list(range(20)), [str(it) for it in range(20)]]))
        sess.run(queue.enqueue([20, "20"]))
        found = [(int(number), text) for number, text in [sess.run(queue.dequeue()) for _ in range(5)]]
        numbers, texts = sess.run(queue.dequeue_many(10))
        found += list(zip(numbers.tolist(), texts.tolist(), strict=True))
        sess.run(queue.close())
        numbers, texts = sess.run(queue.dequeue_up_to(10))
        found += list(zip(numbers.tolist(), texts.tolist(), strict=True))
        return {"sorted": [number for number, _ in sorted(found)], "pairs": all(int(b) == a for a, b in found)}


def another_order(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.RandomShuffleQueue(100, 0, tf.int32, shapes=())
    with session(tf) as sess:
        sess.run(queue.enqueue_many([list(range(100))]))
        found = sess.run(queue.dequeue_many(100)).tolist()
        return {"the same": found == list(range(100)), "sorted": sorted(found)}


def the_reserve(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.RandomShuffleQueue(10, 3, tf.int32, shapes=())
    one, two, some = queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(2)
    with session(tf) as sess:
        sess.run(queue.enqueue_many([[1, 2, 3]]))
        found: dict[str, Any] = {
            "dequeue waits": waits(tf, sess, one),
            "dequeue_many waits": waits(tf, sess, two),
            "dequeue_up_to waits": waits(tf, sess, some),
            "size": sess.run(queue.size()),
        }
        sess.run(queue.enqueue_many([[4, 5]]))
        taken = sess.run(two).tolist()
        found["two of five"] = len(taken)
        found["and no more"] = waits(tf, sess, one)
        sess.run(queue.close())
        taken += sess.run(some).tolist()
        taken.append(int(sess.run(one)))
        found["all"] = sorted(taken)
        found["end"] = error(lambda: sess.run(queue.dequeue(name="last")), "is closed and has insufficient")
        return found


def close_wakes(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.RandomShuffleQueue(10, 2, tf.int32, shapes=())
    three, some, shut = queue.dequeue_many(5), queue.dequeue_up_to(5), queue.close()
    with session(tf) as sess:
        sess.run(queue.enqueue_many([[1, 2, 3]]))
        getting = in_thread(sess.run, three)
        found: dict[str, Any] = {"waits": is_waiting(getting)}
        sess.run(shut)
        found["too many"] = kind_of_error(lambda: getting.result(20), "is closed and has insufficient")
        found["given back"] = sorted(sess.run(some).tolist())
        return found


def close_releases_the_reserve(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.RandomShuffleQueue(10, 5, tf.int32, shapes=())
    one, shut = queue.dequeue(), queue.close()
    with session(tf) as sess:
        sess.run(queue.enqueue(7))
        getting = in_thread(sess.run, one)
        found: dict[str, Any] = {"waits": is_waiting(getting)}
        sess.run(shut)
        found["got"] = getting.result(20)
        return found


def a_full_queue(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.RandomShuffleQueue(3, 0, tf.int32, shapes=())
    put, shut = queue.enqueue_many([[1, 2, 3, 4, 5]]), queue.close(cancel_pending_enqueues=True)
    with session(tf) as sess:
        putting = in_thread(sess.run, put)
        found: dict[str, Any] = {"waits": is_waiting(putting)}
        taken = [int(sess.run(queue.dequeue()))]
        found["still waits"] = is_waiting(putting)
        sess.run(shut)
        found["cancelled"] = kind_of_error(lambda: putting.result(20), "was cancelled")
        taken += sess.run(queue.dequeue_many(3)).tolist()
        found["the first four"] = sorted(taken)
        found["closed"] = kind_of_error(lambda: sess.run(put), "is closed")
        return found


def wrong_reserves(tf: Any, folder: Path) -> dict[str, Any]:
    too_large = tf.RandomShuffleQueue(5, 7, tf.int32, shapes=(), name="large")
    negative = tf.RandomShuffleQueue(5, -1, tf.int32, shapes=(), name="negative")
    with session(tf) as sess:
        return {
            "too large": error(lambda: sess.run(too_large.queue_ref.op), "min_after_dequeue 7 must be < capacity 5"),
            "negative": error(lambda: sess.run(negative.queue_ref.op)),
        }


def names_and_shapes(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.RandomShuffleQueue(5, 1, [tf.int32, tf.float32], shapes=[(), (2, 3)])
    return {
        "name": queue.name,
        "type": queue.queue_ref.op.type,
        "shapes": [[shape(it) for it in made] for made in (queue.dequeue(), queue.dequeue_many(4))],
        "up to": [shape(it) for it in queue.dequeue_up_to(4)],
        "partial": error(lambda: tf.RandomShuffleQueue(5, 1, tf.int32, shapes=[[None]]), "fully defined"),
    }


def the_same_seed(tf: Any, folder: Path) -> dict[str, Any]:
    queues = [tf.RandomShuffleQueue(30, 0, tf.int32, shapes=(), seed=seed) for seed in (1, 2)]
    fills, drains = [q.enqueue_many([list(range(30))]) for q in queues], [q.dequeue_many(30) for q in queues]
    orders = []
    for _ in range(2):
        with session(tf) as sess:
            sess.run(fills)
            orders.append([it.tolist() for it in sess.run(drains)])
    return {
        "each session": [orders[0][0] == orders[1][0], orders[0][1] == orders[1][1]],
        "two seeds": orders[0][0] == orders[0][1],
    }
