"""Queues of one name, containers, and a queue chosen out of several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.oracle.tools import error, kind_of_error, session, shape


def one_queue_of_two_objects(tf: Any, folder: Path) -> dict[str, Any]:
    one = tf.FIFOQueue(10, tf.int32, shapes=(), shared_name="shared")
    two = tf.FIFOQueue(10, tf.int32, shapes=(), shared_name="shared", name="other")
    with session(tf) as sess:
        sess.run(one.enqueue(1))
        sess.run(two.enqueue(2))
        found: dict[str, Any] = {"sizes": [sess.run(one.size()), sess.run(two.size())]}
        found["crosswise"] = [sess.run(two.dequeue()), sess.run(one.dequeue())]
        sess.run(two.close())
        found["closed"] = sess.run([one.is_closed(), two.is_closed()])
        return found


def sessions_do_not_share(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.FIFOQueue(10, tf.int32, shapes=(), shared_name="shared")
    put, size = queue.enqueue(1), queue.size()
    with session(tf) as one, session(tf) as two:
        one.run(put)
        return {"sizes": [one.run(size), two.run(size)]}


def containers(tf: Any, folder: Path) -> dict[str, Any]:
    with tf.container("a"):
        one = tf.FIFOQueue(10, tf.int32, shapes=(), shared_name="shared")
        with tf.container("b"):
            two = tf.FIFOQueue(10, tf.int32, shapes=(), shared_name="shared")
        three = tf.FIFOQueue(10, tf.int32, shapes=(), shared_name="shared")
    with session(tf) as sess:
        sess.run(one.enqueue(1))
        return {"sizes": [sess.run(queue.size()) for queue in (one, two, three)]}


def mismatches(tf: Any, folder: Path) -> dict[str, Any]:
    def two(name: str, first: Any, second: Any, *fragments: str) -> dict[str, Any]:
        one, other = first(f"{name}"), second(f"{name}")
        with session(tf) as sess:
            sess.run(one.queue_ref.op)
            return kind_of_error(lambda: sess.run(other.queue_ref.op), *fragments)

    def fifo(*args: Any, **kwargs: Any) -> Any:
        return lambda name: tf.FIFOQueue(*args, shared_name=name, name=f"{name}_queue", **kwargs)

    def shuffle(*args: Any, **kwargs: Any) -> Any:
        return lambda name: tf.RandomShuffleQueue(*args, shared_name=name, name=f"{name}_queue", **kwargs)

    return {
        "capacity": two("capacity", fifo(10, tf.int32), fifo(15, tf.int32), "capacity"),
        "dtypes": two("dtypes", fifo(10, tf.int32), fifo(10, tf.float32), "component types"),
        "count": two("count", fifo(10, [tf.int32]), fifo(10, [tf.int32, tf.int32]), "component types"),
        "shapes": two("shapes", fifo(10, tf.int32, shapes=(1,)), fifo(10, tf.int32, shapes=(2,)), "component shapes"),
        "no shapes": two("none", fifo(10, tf.int32, shapes=(1,)), fifo(10, tf.int32), "component shapes"),
        "kind": two("kind", fifo(10, tf.int32), shuffle(10, 5, tf.int32)),
        "reserve": two("reserve", shuffle(10, 5, tf.int32), shuffle(10, 6, tf.int32), "min_after_dequeue"),
        "seeds": two("seeds", shuffle(10, 5, tf.int32, seed=1), shuffle(10, 5, tf.int32, seed=2), "random seeds"),
        "equal": two("equal", fifo(10, tf.int32), fifo(10, tf.int32)),
    }


def wrong_names(tf: Any, folder: Path) -> dict[str, Any]:
    underscore = tf.FIFOQueue(10, tf.int32, shared_name="_q", name="underscore")
    with session(tf) as sess:
        return {"underscore": error(lambda: sess.run(underscore.size()))["error"]}


SEEDS = {  # the graph's and the operation's
    "none": (None, None),
    "operation": (None, 5),
    "graph": (7, None),
    "both": (7, 5),
    "both, with the graph's default": (87654321, 5),
    "other graph": (8, None),
    "what the name gives": (7, 1605809426),
}


def seeds(tf: Any, folder: Path) -> dict[str, Any]:
    """Is a shuffle queue that the first one made the queue of the second one, too?"""

    def is_the_same(*said: tuple[int | None, int | None]) -> bool:
        queues = []
        with tf.Graph().as_default(), session(tf) as sess:
            for graph, operation in said:
                tf.set_random_seed(graph)
                queues.append(tf.RandomShuffleQueue(10, 0, tf.int32, (), seed=operation, shared_name="a"))
            sess.run(queues[0].queue_ref.op)
            refused = kind_of_error(lambda: sess.run(queues[1].queue_ref.op), "random seeds")
        return refused["error"] is None

    return {f"{a}; {b}": is_the_same(SEEDS[a], SEEDS[b]) for a in SEEDS for b in SEEDS}


def chosen_by_an_index(tf: Any, folder: Path) -> dict[str, Any]:
    queues = [tf.FIFOQueue(10, tf.int32, shapes=(), name=f"q{it}") for it in range(3)]
    index = tf.placeholder(tf.int32, ())
    chosen = tf.QueueBase.from_list(index, queues)
    put, get, size = chosen.enqueue(7), chosen.dequeue(), chosen.size()
    with session(tf) as sess:
        for it, queue in enumerate(queues):
            sess.run(queue.enqueue_many([[it * 10, it * 10 + 1]]))
        found: dict[str, Any] = {"first": [sess.run(get, {index: it}) for it in (2, 0, 1)]}
        sess.run(put, {index: 1})
        found["sizes"] = [sess.run(size, {index: it}) for it in range(3)]
        found["of the queue itself"] = sess.run(queues[1].dequeue_many(2))
        found["too large"] = error(lambda: sess.run(get, {index: 3}), "is not in")["error"]
        found["negative"] = error(lambda: sess.run(get, {index: -1}))["error"]
        return found


def what_queues_of_a_list_share(tf: Any, folder: Path) -> dict[str, Any]:
    def merged(*shapes: Any) -> Any:
        queues = [tf.FIFOQueue(10, tf.int32, shapes=it) for it in shapes]
        return shape(tf.QueueBase.from_list(0, queues).dequeue())

    def queue(**kwargs: Any) -> Any:
        return tf.FIFOQueue(10, **kwargs)

    def chosen(*queues: Any) -> Any:
        return lambda: tf.QueueBase.from_list(0, list(queues))

    named = tf.FIFOQueue(10, [tf.int32], names=["i"])
    return {
        "equal": merged([(2, 3)], [(2, 3)]),
        "different": merged([(2, 3)], [(2, 4)]),
        "ranks": merged([(2,)], [(2, 4)]),
        "some without": merged([(2,)], None),
        "empty": error(chosen()),
        "no queues": error(chosen(1, 2)),
        "no list": error(lambda: tf.QueueBase.from_list(0, 7)),
        "dtypes": error(chosen(queue(dtypes=tf.int32), queue(dtypes=tf.float32))),
        "names": error(chosen(named, queue(dtypes=[tf.int32]))),
        "names of all": chosen(named, tf.FIFOQueue(5, [tf.int32], names=["i"]))().names,
    }
