"""Vectors of records over one buffer: to everything else they are object arrays."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.readers.records import Batch, Block, Keys, Records
from dflow.readers.text import TextLineReader

TEXTS = [b"one", b"", b"three", b"four"]


def records() -> Records:
    data = b"--one----three-four--" * 2
    return Records(Block(data, np.array([2, 5, 9, 15]), np.array([5, 5, 14, 19])))


def keys() -> Keys:
    return Keys(b"f", np.array([7, 8, 11, 30]))


VECTORS: dict[str, tuple[Any, list[bytes]]] = {
    "records": (records(), TEXTS),
    "keys": (keys(), [b"f:7", b"f:8", b"f:11", b"f:30"]),
    "keys in a row": (Keys(b"f", range(9, 13)), [b"f:9", b"f:10", b"f:11", b"f:12"]),
}


@pytest.fixture(params=VECTORS)
def vector(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A vector, and the object array that it stands for."""
    lazy, texts = VECTORS[request.param]
    return lazy, np.array(texts, object)


@pytest.mark.parametrize(
    "look",
    [
        np.asarray,
        np.array,
        list,
        len,
        lambda a: a.tolist(),
        lambda a: (a.shape, a.ndim, a.size, a.dtype),
        lambda a: a[2],
        lambda a: a[-1],
        lambda a: a[1, ...].copy(),
        lambda a: a[1:3].tolist(),
        lambda a: a[-2:].tolist(),
        lambda a: a[5:].tolist(),
        lambda a: a[::-2],
        lambda a: a[[0, 0, 3]],
        lambda a: a[:, None],
        lambda a: a[np.array([True, False, True, False])],
        lambda a: a == b"f:8",
        lambda a: a + b"!",
        lambda a: b"!" + a,
        lambda a: a.reshape(2, 2),
        lambda a: a.copy().tolist(),
        lambda a: np.concatenate([a, a]),
        lambda a: np.stack([a, a], axis=1),
        lambda a: np.take(a, [3, 1]),
        lambda a: np.broadcast_to(a, (2, 4)),
        lambda a: np.where([True, False, True, False], a, b"else"),
        lambda a: pickle.loads(pickle.dumps(a)).tolist(),
    ],
)
def test_it_looks_like_an_object_array(vector: tuple[Any, Any], look: Callable[[Any], Any]) -> None:
    lazy, array = vector
    np.testing.assert_equal(look(lazy), look(array))


def test_it_can_be_stored_in_an_object_array(vector: tuple[Any, Any]) -> None:
    lazy, array = vector
    stored = np.empty(6, object)
    stored[1:5] = lazy
    assert stored.tolist() == [None, *array.tolist(), None]


def test_its_objects_cannot_be_had_without_a_copy() -> None:
    with pytest.raises(ValueError, match="without a copy"):
        np.array(records(), copy=False)


def test_it_has_no_attributes_that_an_array_has_not() -> None:
    assert not hasattr(records(), "get")
    assert not hasattr(records(), "__array_interface__")


def test_a_pickle_holds_only_its_own_part_of_the_buffer() -> None:
    block = Block(b"x" * 1_000_000, np.arange(0, 1_000_000, 10), np.arange(10, 1_000_001, 10))
    assert len(pickle.dumps(Records(block)[50:60])) < 1000
    assert pickle.loads(pickle.dumps(Records(block)[:0])).tolist() == []


def test_a_batch_is_a_sequence_of_keys_and_records() -> None:
    batch = Batch(keys(), records())
    pairs = list(zip(keys(), records(), strict=True))
    assert list(batch) == pairs
    assert batch[1] == pairs[1]
    assert list(batch[1:3]) == pairs[1:3]
    assert [column.tolist() for column in batch[2:].columns] == [[b"f:11", b"f:30"], [b"three", b"four"]]


def test_a_block_keeps_a_few_results_by_the_object_that_they_were_asked_for_with() -> None:
    made: list[Block] = []

    def make(block: Block) -> int:
        made.append(block)
        return len(made)

    block = Block(b"", np.empty(0, int), np.empty(0, int))
    asked = [[] for _ in range(5)]  # equal, but not the same
    assert [block.memo(key, make) for key in [*asked[:4], *asked[:4]]] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert [block.memo(asked[4], make), block.memo(asked[0], make)] == [5, 6]
    assert made == [block] * 6


def test_what_makes_no_result_is_asked_again() -> None:
    block = Block(b"", np.empty(0, int), np.empty(0, int))
    key = object()
    with pytest.raises(ZeroDivisionError):
        block.memo(key, lambda block: 1 // 0)
    assert block.memo(key, lambda block: 1) == 1


# -- in a graph


def test_every_consumer_in_a_graph_sees_byte_strings(tmp_path: Any) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"a\nbb\nccc\n")
    files = df.FIFOQueue(1, [df.string], [()])
    kept = df.FIFOQueue(10, [df.string, df.string], [(), ()])
    loose = df.FIFOQueue(10, [df.string])
    keys, lines = TextLineReader().read_up_to(files, 3)
    consumers = {
        "keys": keys,
        "lines": lines,
        "one": lines[1],
        "some": df.gather(lines, [2, 0]),
        "shape": df.shape(lines),
        "joined": df.concat([lines, lines], 0),
        "stacked": df.stack([lines, keys]),
        "column": df.reshape(lines, [3, 1]),
        "equal": df.equal(lines, "bb"),
        "seen": df.py_func(lambda texts: np.array([len(text) for text in texts]), [lines], df.int64),
    }
    with df.control_dependencies([kept.enqueue_many([keys, lines]), loose.enqueue([lines])]):
        done = df.no_op()
    with df.Session() as sess:
        sess.run(files.enqueue(str(path)))
        found, _ = sess.run([consumers, done])
        name = f"{path}:".encode()
        assert isinstance(found["lines"], np.ndarray)
        assert found["keys"].tolist() == [name + b"1", name + b"2", name + b"3"]
        assert found["lines"].tolist() == [b"a", b"bb", b"ccc"]
        assert found["one"] == b"bb"
        assert found["some"].tolist() == [b"ccc", b"a"]
        assert found["shape"].tolist() == [3]
        assert found["joined"].tolist() == [b"a", b"bb", b"ccc"] * 2
        assert found["stacked"].shape == (2, 3)
        assert found["column"].tolist() == [[b"a"], [b"bb"], [b"ccc"]]
        assert found["equal"].tolist() == [False, True, False]
        assert found["seen"].tolist() == [1, 2, 3]
        assert [part.tolist() for part in sess.run(kept.dequeue_many(3))] == [
            found["keys"].tolist(),
            [b"a", b"bb", b"ccc"],
        ]
        assert sess.run(loose.dequeue()).tolist() == [b"a", b"bb", b"ccc"]
