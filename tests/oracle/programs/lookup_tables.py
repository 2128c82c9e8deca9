"""Lookup tables: filled once, by tensors or by files; with buckets; and those that change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error, names, session, shape, write

WORDS = ["brain", "salad", "surgery"]
ASKED = ["brain", "salad", "tank"]


def _table(tf: Any, default: Any = -1, name: str | None = None) -> Any:
    init = tf.lookup.KeyValueTensorInitializer(WORDS, [0, 1, 2], value_dtype=tf.int64)
    return tf.lookup.StaticHashTable(init, default, name=name)


def static_tables(tf: Any, folder: Path) -> dict[str, Any]:
    table, other = _table(tf), _table(tf, -7)
    sparse = tf.SparseTensor([[0, 0], [1, 1]], ["salad", "x"], [2, 2])
    late = tf.placeholder(tf.string)
    found_late = table.lookup(late)
    ask = table.lookup(tf.constant(ASKED))
    keys, values = table.export()
    with session(tf) as sess:
        before = kind_of_error(lambda: sess.run(ask), "Table not initialized")
        empty = sess.run(table.size())
        sess.run(tf.tables_initializer())
        found = {
            "before": before,
            "empty": empty,
            "size": sess.run(table.size()),
            "found": sess.run([ask, other.lookup(tf.constant([ASKED]))]),
            "sparse": sess.run(table.lookup(sparse)),
            "late": sess.run(found_late, {late: [["brain"], ["?"]]}),
            "exported": [sorted(sess.run(keys).tolist()), sorted(sess.run(values).tolist())],
        }
        sess.run(table.initializer)  # once more
        found["again"] = sess.run(ask)
    return found | {
        "shapes": [shape(it) for it in (ask, found_late, table.size())],
        "dtypes": [table.key_dtype.name, table.value_dtype.name],
        "collection": len(tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS)),
        "wrong keys": kind_of_error(lambda: table.lookup(tf.constant([1]))),
        "wrong default": kind_of_error(lambda: _table(tf, "UNK")),
        "lengths differ": kind_of_error(
            lambda: tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2, 3]), -1)
        ),
    }


def static_tables_of_other_dtypes(tf: Any, folder: Path) -> dict[str, Any]:
    made = {
        "int32 to text": ([0, 1], ["a", "b"], tf.int32, tf.string, "n/a", [1, 5]),
        "text to text": (["x", "y"], ["a", "b"], tf.string, tf.string, "", ["y", "z"]),
        "text to floating": (["x"], [1.5], tf.string, tf.float32, -1.0, ["x", "z"]),
        "int64 to int64": ([7, -8], [70, 80], tf.int64, tf.int64, 0, [-8, 9]),
    }
    found = {}
    with session(tf) as sess:
        for name, (keys, values, key, value, default, asked) in made.items():
            init = tf.lookup.KeyValueTensorInitializer(keys, values, key, value)
            table = tf.lookup.StaticHashTable(init, default)
            sess.run(table.initializer)
            found[name] = sess.run(table.lookup(tf.constant(asked, key)))
        twice = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "a"], [1, 1]), -1)
        sess.run(twice.initializer)
        found["one key twice"] = sess.run(twice.size())
        differing = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "a"], [1, 2]), -1)
        found["with two values"] = kind_of_error(
            lambda: sess.run(differing.initializer), "different value for same key"
        )
        none = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(np.array([], str), np.array([], int)), -1)
        found["no keys"] = kind_of_error(lambda: sess.run(none.initializer), "cannot be empty")
    return found


def files(tf: Any, folder: Path) -> dict[str, Any]:
    plain, numbers, columns = write(
        folder,
        plain="brain\nsalad\r\nsurgery\n",
        numbers="42\n1\n-1000",
        columns="0\tbrain\t1\n1\tsalad\t5\n2\tsurgery\t6\n",
    )
    index = tf.lookup.TextFileIndex
    line, number = index.WHOLE_LINE, index.LINE_NUMBER
    initializer = tf.lookup.TextFileInitializer
    made = {
        "ids of words": (plain, tf.string, line, tf.int64, number, {}, ASKED),
        "ids of numbers": (numbers, tf.int64, line, tf.int64, number, {}, [42, -1000, 5]),
        "words of ids": (plain, tf.int64, number, tf.string, line, {}, [0, 2, 3]),
        "columns": (columns, tf.string, 1, tf.int64, 2, {}, ASKED),
        "some lines": (plain, tf.string, line, tf.int64, number, {"vocab_size": 1}, ASKED),
        "another delimiter": (columns, tf.string, 0, tf.int64, number, {"delimiter": "a"}, ["0\tbr", "1\ts"]),
    }
    failing = {
        "no number": (columns, tf.string, 2, tf.int64, 1, {}, "is not a valid"),
        "no column": (plain, tf.string, 1, tf.int64, number, {}, "Invalid number of columns"),
        "too few lines": (plain, tf.string, line, tf.int64, number, {"vocab_size": 5}, "Invalid vocab_size"),
        "no file": (str(folder / "none"), tf.string, line, tf.int64, number, {}, "none"),
    }
    found = {}
    with session(tf) as sess:
        for name, (path, key, key_index, value, value_index, options, asked) in made.items():
            init = initializer(path, key, key_index, value, value_index, **options)
            table = tf.lookup.StaticHashTable(init, "UNK" if value == tf.string else -1)
            sess.run(table.initializer)
            found[name] = sess.run([table.lookup(tf.constant(asked, key)), table.size()])
        for name, (path, key, key_index, value, value_index, options, text) in failing.items():
            table = tf.lookup.StaticHashTable(initializer(path, key, key_index, value, value_index, **options), -1)
            found[name] = kind_of_error(lambda table=table: sess.run(table.initializer), text)
        fed = tf.lookup.StaticHashTable(initializer("old.txt", tf.string, line, tf.int64, number), -1)
        (path,) = tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS)[-1:]
        sess.run(fed.initializer, {path: plain})
        found["fed"] = sess.run(fed.lookup(tf.constant(ASKED)))
    return found | {
        "no name": kind_of_error(lambda: initializer("", tf.string, line, tf.int64, number)),
        "words as numbers": kind_of_error(lambda: initializer(plain, tf.string, number, tf.int64, number)),
        "lines as values": kind_of_error(lambda: initializer(plain, tf.string, line, tf.int64, line)),
        "no lines": kind_of_error(lambda: initializer(plain, tf.string, line, tf.int64, number, vocab_size=0)),
        "a number": kind_of_error(
            lambda: tf.lookup.StaticHashTable(initializer(tf.constant(1), tf.string, line, tf.int64, number), -1)
        ),
    }


def vocabularies(tf: Any, folder: Path) -> dict[str, Any]:
    init = tf.lookup.KeyValueTensorInitializer(WORDS, [0, 1, 2], value_dtype=tf.int64)
    numbers = tf.lookup.KeyValueTensorInitializer([42, 1, -1000], [0, 1, 2], tf.int64, tf.int64)
    words = tf.lookup.StaticVocabularyTable(init, 3)
    small = tf.lookup.StaticVocabularyTable(numbers, 2, lookup_key_dtype=tf.int32)
    only = tf.lookup.StaticVocabularyTable(None, 5)
    sparse = tf.SparseTensor([[0, 0], [1, 1]], ["salad", "x"], [2, 2])
    with session(tf) as sess:
        sess.run(tf.tables_initializer())
        found = {
            "words": sess.run(words.lookup(tf.constant(["fruit", "brain", "surgery", "UNK"]))),
            "numbers": sess.run(small.lookup(tf.constant([42, -1000, 11, 12]))),
            "only buckets": sess.run(only.lookup(tf.constant(WORDS))),
            "sizes": sess.run([words.size(), small.size(), only.size()]),
            "sparse": sess.run(words.lookup(sparse)),
        }
    return found | {
        "handle": only.resource_handle is None,
        "no buckets": kind_of_error(lambda: tf.lookup.StaticVocabularyTable(init, 0)),
        "floating keys": kind_of_error(lambda: tf.lookup.StaticVocabularyTable(init, 1, lookup_key_dtype=tf.float32)),
        "wrong keys": kind_of_error(lambda: words.lookup(tf.constant([1]))),
    }


def tables_that_change(tf: Any, folder: Path) -> dict[str, Any]:
    make = tf.lookup.experimental.MutableHashTable
    table, vectors = make(tf.string, tf.int64, -1), make(tf.string, tf.int64, [-1, -2])
    keys, values = tf.constant([*WORDS, "brain"]), tf.constant([0, 1, 2, 3], tf.int64)
    pairs = tf.constant([[0, 1], [2, 3], [4, 5]], tf.int64)
    square = tf.constant([["brain", "tank"], ["x", "salad"]])
    asked = table.lookup(square)
    with session(tf) as sess:
        found = {"size before": sess.run(table.size())}
        sess.run([table.insert(keys, values), vectors.insert(tf.constant(WORDS), pairs)])
        found |= {"size": sess.run(table.size()), "found": sess.run(asked)}
        found["vectors"] = sess.run(vectors.lookup(square))
        sess.run([table.remove(tf.constant(["salad", "?"])), vectors.remove(tf.constant([["brain"]]))])
        found |= {"sizes": sess.run([table.size(), vectors.size()]), "removed": sess.run(asked)}
        exported = sess.run(table.export())
        found["exported"] = sorted(zip(exported[0].tolist(), exported[1].tolist(), strict=True))
        wrong = vectors.insert(tf.constant(WORDS), tf.constant([0, 1, 2, 3, 4, 5], tf.int64))
        found["wrong shape"] = kind_of_error(lambda: sess.run(wrong), "Expected shape")
        matrix = make(tf.string, tf.int64, tf.constant([[-1, -1]], tf.int64))
        found["a matrix"] = kind_of_error(lambda: sess.run(matrix.size()), "Default value must be a vector")
    return found | {
        "shapes": [shape(it) for it in (asked, vectors.lookup(square))],
        "wrong default": kind_of_error(lambda: make(tf.string, tf.int64, "UNK")),
        "wrong values": kind_of_error(lambda: table.insert(keys, tf.constant(["a"] * 4)))["error"] is not None,
    }


def dense_tables(tf: Any, folder: Path) -> dict[str, Any]:
    def make(**options: Any) -> Any:
        given = {"default_value": -1, "empty_key": 0, "deleted_key": -1} | options
        return tf.lookup.experimental.DenseHashTable(tf.int64, tf.int64, **given)

    def number(*values: Any) -> Any:
        return tf.constant(np.array(values, np.int64))

    table = make(initial_num_buckets=4)
    vectors = make(default_value=[-1, -2], empty_key=[0, 3], deleted_key=[-1, -1], initial_num_buckets=8)
    asked = table.lookup(number(11, 12, 15))
    with session(tf) as sess:
        found = {"size before": sess.run(table.size())}
        sess.run(table.insert(number(11, 12, 13), number(0, 1, 2)))
        found |= {"found": sess.run(asked), "buckets": sess.run(table.export()[0]).size}
        sess.run(table.remove(number(12, 99)))
        found |= {"removed": sess.run(asked), "left": sess.run(table.export()[0]).size}
        rows = np.stack([it.ravel() for it in sess.run(table.export())], axis=1)
        found["export"] = sorted(rows.tolist())
        sess.run(table.insert(number(13, 14, 15, 16, 17), number(3, 4, 5, 6, 7)))
        found |= {"size": sess.run(table.size()), "grown": sess.run(table.export()[0]).size}
        sess.run(vectors.insert(number([0, 1], [1, 2]), number([10, 11], [12, 13])))
        found["vectors"] = sess.run(vectors.lookup(number([1, 2], [0, 0])))

        def refused(build: Any, text: str) -> Any:
            return kind_of_error(lambda: sess.run(build()), text)

        found |= {
            "the empty key": refused(lambda: table.insert(number(11, 0), number(0, 1)), "empty_key"),
            "the deleted key": refused(lambda: table.lookup(number(11, -1)), "deleted_key"),
            "a matrix": refused(lambda: table.lookup(number([11, 0], [12, 1])), "Expected key shape"),
            "equal keys": refused(lambda: make(empty_key=42, deleted_key=42).size(), "cannot be equal"),
            "shapes of keys": refused(lambda: make(empty_key=42, deleted_key=[1, 2]).size(), "must have same shape"),
            "number of buckets": refused(lambda: make(initial_num_buckets=12).size(), "Number of buckets must be"),
        }
    return found | {"shapes": [shape(it) for it in (asked, vectors.lookup(number([1, 2])))]}


def names_of_operations(tf: Any, folder: Path) -> dict[str, Any]:
    with tf.name_scope("scope"):
        first, second = _table(tf), _table(tf, name="mine")
    change = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    dense = tf.lookup.experimental.DenseHashTable(tf.int64, tf.int64, -1, 0, -1)
    keys, ids = tf.constant(["a"]), tf.constant([1], tf.int64)
    made = [
        first.resource_handle.op,
        second.resource_handle.op,
        first.initializer,
        first.size(),
        second.lookup(keys),
        change.resource_handle.op,
        change.size(),
        change.lookup(keys),
        change.insert(keys, ids),
        change.remove(keys),
        change.export()[0],
        dense.resource_handle.op,
        dense.size(),
        tf.tables_initializer(),
    ]
    ops = [getattr(it, "op", it) for it in made]
    return {
        "names": names(ops),
        "kinds": [it.type for it in ops],
        "tables": [first.name, second.name, change.name, dense.name],
        "groups": [it.colocation_groups() for it in ops[6:9]],
    }
