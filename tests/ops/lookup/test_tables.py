"""Lookup tables in local sessions, above all those of `contrib.lookup`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.contrib import lookup

WORDS = ["brain", "salad", "surgery"]


@pytest.fixture
def session() -> Any:
    with df.Session() as session:
        yield session


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "words.txt"
    path.write_text("\n".join(WORDS) + "\n")
    return str(path)


def test_tables_of_words_and_of_ids_are_each_others_inverse(session: Any, file: str) -> None:
    pairs = [
        (lookup.index_table_from_tensor(mapping=WORDS), lookup.index_to_string_table_from_tensor(mapping=WORDS)),
        (lookup.index_table_from_file(file), lookup.index_to_string_table_from_file(file)),
    ]
    asked = [[words.lookup(df.constant(["salad", "?"])), ids.lookup(np.array([0, 2, 3]))] for words, ids in pairs]
    session.run(df.tables_initializer())
    for found, back in session.run(asked):
        assert (found.tolist(), back.tolist()) == ([1, -1], [b"brain", b"surgery", b"UNK"])


def test_words_that_are_not_there_get_a_bucket_of_their_hash(session: Any, file: str) -> None:
    tables = [
        lookup.index_table_from_file(file, num_oov_buckets=1000),
        lookup.index_table_from_tensor(WORDS, 3, hasher_spec=lookup.StrongHashSpec((1, 2))),
        lookup.IdTableWithHashBuckets(None, 5),
    ]
    session.run(df.initialize_all_tables())
    found = session.run([table.lookup(df.constant(["salad", "tarkus", "UNK"])) for table in tables])
    assert found[0].tolist()[:2] == [1, 867]  # TensorFlow's ids
    assert found[1].tolist()[::2] == [1, 3]
    assert session.run(tables[2].lookup(df.constant(WORDS))).tolist() == [3, 1, 4]
    assert session.run([table.size() for table in tables]) == [1003, 6, 5]


def test_a_function_of_words_is_a_lookup_in_a_new_table(session: Any) -> None:
    found = [lookup.string_to_index(["salad", "x"], WORDS), lookup.index_to_string(np.array([2, 7]), WORDS, "none")]
    session.run(df.tables_initializer())
    assert [it.tolist() for it in session.run(found)] == [[1, -1], [b"surgery", b"none"]]


def test_a_table_is_looked_up_after_it_was_filled(session: Any) -> None:
    table = lookup.HashTable(lookup.KeyValueTensorInitializer(["a"], [1.5]), -1.0, name="t")
    with pytest.raises(errors.FailedPreconditionError, match="Table not initialized"):
        session.run(table.lookup(df.constant(["a"])))
    session.run(table.init)
    assert session.run(table.lookup(df.constant([["a", "b"]]))).tolist() == [[1.5, -1]]


def test_tables_of_one_file_share_their_entries(session: Any, file: str) -> None:
    def table(**options: Any) -> Any:
        initializer = lookup.TextFileIdTableInitializer(file, **options)
        return lookup.HashTable(initializer, default_value=-1)

    first, second, other = table(), table(), table(vocab_size=2)
    session.run(first.initializer)
    assert session.run(second.lookup(df.constant(WORDS))).tolist() == [0, 1, 2]
    with pytest.raises(errors.FailedPreconditionError):
        session.run(other.lookup(df.constant(WORDS)))
    back = lookup.HashTable(lookup.TextFileStringTableInitializer(file), "?")
    columns = lookup.TextFileInitializer(file, df.string, 0, df.int64, lookup.TextFileIndex.LINE_NUMBER, delimiter="r")
    split = lookup.HashTable(columns, -1)
    session.run([back.initializer, split.initializer])
    assert session.run(back.lookup(np.array([1]))).tolist() == [b"salad"]
    assert session.run(split.lookup(df.constant(["su", "b"]))).tolist() == [2, 0]


def test_entries_are_added_changed_and_removed(session: Any) -> None:
    numbers, vectors = (lookup.MutableHashTable(df.int64, df.float32, default) for default in (-1, [0, 0]))
    model: dict[int, float] = {}
    rng = np.random.default_rng(3)
    for _ in range(6):
        keys = rng.integers(0, 40, size=15)
        values = rng.normal(size=15).astype(np.float32)
        session.run([numbers.insert(keys, values), vectors.insert(keys, np.stack([values, -values], axis=1))])
        model |= dict(zip(keys.tolist(), values.tolist(), strict=True))
        gone = rng.integers(0, 40, size=5)
        session.run([numbers.remove(gone), vectors.remove(gone)])
        for key in gone.tolist():
            model.pop(key, None)
        asked = np.arange(45).reshape(9, 5)
        found, pairs = session.run([numbers.lookup(asked), vectors.lookup(asked)])
        assert found.tolist() == [[model.get(key, -1) for key in row] for row in asked.tolist()]
        assert pairs[..., 1].ravel().tolist() == [-model.get(key, 0) for key in asked.ravel().tolist()]
        assert session.run([numbers.size(), vectors.size()]) == [len(model)] * 2
        exported = session.run(numbers.export())
        assert dict(zip(*(it.tolist() for it in exported), strict=True)) == model


def test_a_dense_table_grows_and_shows_its_buckets(session: Any) -> None:
    table = lookup.MutableDenseHashTable(df.int64, df.int64, -1, empty_key=0, deleted_key=-9, initial_num_buckets=4)
    model: dict[int, int] = {}
    rng = np.random.default_rng(4)
    for _ in range(8):
        keys = rng.integers(1, 60, size=4)
        session.run(table.insert(keys, keys * 10))
        model |= dict.fromkeys(keys.tolist())
        gone = rng.integers(1, 60, size=3)
        session.run(table.remove(gone))
        for key in gone.tolist():
            model.pop(key, None)
        keys, values = session.run(table.export())
        buckets = len(keys)
        assert buckets & (buckets - 1) == 0
        assert len(model) <= 0.8 * buckets
        assert sorted(keys[(keys != 0) & (keys != -9)].tolist()) == sorted(model)
        assert (values[keys > 0] == keys[keys > 0] * 10).all()
        asked = np.arange(1, 60)
        expected = [key * 10 if key in model else -1 for key in asked.tolist()]
        assert session.run(table.lookup(asked)).tolist() == expected
    texts = lookup.MutableDenseHashTable(df.string, df.bool, False, empty_key="", deleted_key="$")
    session.run(texts.insert(["a", "b"], [True, False]))
    assert session.run(texts.lookup(df.constant(["a", "b", "c"]))).tolist() == [True, False, False]


def test_what_does_not_fit_a_table_is_an_error(session: Any, file: str) -> None:
    table = lookup.MutableHashTable(df.string, df.int64, -1)
    for build in (
        lambda: table.lookup(df.constant([1])),
        lambda: table.insert(df.constant(["a"]), df.constant(["b"])),
        lambda: lookup.HashTable(lookup.KeyValueTensorInitializer(["a"], [1]), "text"),
        lambda: lookup.IdTableWithHashBuckets(None, 5, key_dtype=df.float64),
        lambda: lookup.index_table_from_file(file, num_oov_buckets=1, hasher_spec=1),
        lambda: lookup.StrongHashSpec([None, 2]),
    ):
        with pytest.raises(TypeError):
            build()
    for build in (
        lambda: lookup.HashTable(lookup.KeyValueTensorInitializer(["a"], [1, 2]), -1),
        lambda: lookup.index_table_from_file(file, vocab_size=0),
        lambda: lookup.index_table_from_file(""),
        lambda: lookup.index_table_from_tensor(mapping=None),
        lambda: lookup.StrongHashSpec([1, 2, 3]),
        lambda: lookup.index_table_from_tensor(WORDS, 1, hasher_spec=lookup.HasherSpec("odd", None)).lookup(
            df.constant(WORDS)
        ),
    ):
        with pytest.raises(ValueError):
            build()
    wrong = lookup.HashTable(lookup.KeyValueTensorInitializer([1], [2], df.int32, df.int64), -1)
    with pytest.raises(errors.InvalidArgumentError, match="No OpKernel was registered"):
        session.run(wrong.initializer)
    with pytest.raises(errors.InvalidArgumentError, match="Expected shape"):
        session.run(table.insert(["a", "b"], np.array([[1], [2]])))


def test_a_table_of_a_kind_of_its_own_has_the_methods_of_the_interface() -> None:
    class Length(lookup.LookupInterface):
        def lookup(self, keys: Any, name: str | None = None) -> Any:
            return df.strings.length(keys, name=name)

    table = Length(df.string, df.int32)
    assert (table.key_dtype, table.value_dtype) == (df.string, df.int32)
    with pytest.raises(NotImplementedError):
        table.size()
    assert issubclass(lookup.HashTable, lookup.InitializableLookupTableBase)
    assert issubclass(lookup.TextFileInitializer, lookup.TableInitializerBase)
    assert lookup.FastHashSpec.hasher == "fasthash"


@pytest.mark.parametrize("told", [True, False])
def test_a_checkpoint_holds_the_entries_of_tables_that_change(tmp_path: Path, told: bool) -> None:
    def tables() -> list[Any]:
        dense = {"empty_key": 0, "deleted_key": -1, "name": "dense"}
        return [
            lookup.MutableHashTable(df.string, df.int64, -1, name="t1"),
            lookup.MutableDenseHashTable(df.int64, df.int64, [-1, -1], initial_num_buckets=16, **dense),
        ]

    path = str(tmp_path / "saved")
    with df.Graph().as_default(), df.Session() as session:
        words, pairs = tables()
        session.run([words.insert(["b", "c"], np.array([0, 1])), pairs.insert(np.array([3]), np.array([[4, 5]]))])
        saver = df.train.Saver([words, pairs]) if told else df.train.Saver()
        saver.save(session, path)
    with df.Graph().as_default(), df.Session() as session:
        words, pairs = tables()
        session.run([words.insert(["a", "c"], np.array([12, 24])), pairs.insert(np.array([9]), np.array([[9, 9]]))])
        (df.train.Saver([words, pairs]) if told else df.train.Saver()).restore(session, path)
        assert session.run(words.lookup(df.constant(["a", "b", "c"]))).tolist() == [-1, 0, 1]
        assert session.run(pairs.lookup(np.array([3, 9]))).tolist() == [[4, 5], [-1, -1]]
        assert session.run([words.size(), pairs.size()]) == [2, 1]


def test_a_table_that_is_not_to_be_saved_is_in_no_checkpoint() -> None:
    lookup.MutableHashTable(df.string, df.int64, -1, checkpoint=False)
    assert df.get_collection(df.GraphKeys.SAVEABLE_OBJECTS) == []
