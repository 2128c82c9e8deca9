"""Operations on text, against Python's own functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.ops.text.hashes import siphash

TEXTS = [[b" Ab c\n", b"", b"\xc3\xa9\xe2\x82\xac"], [b"x,y,,z", b"\x00a", b"1"]]


def run(fetch: Any, feeds: Any = None) -> Any:
    with df.Session() as session:
        return session.run(fetch, feeds)


def each(function: Any) -> list[list[Any]]:
    return [[function(text) for text in row] for row in TEXTS]


@pytest.mark.parametrize(
    ("build", "judge"),
    [
        (df.strings.strip, bytes.strip),
        (df.strings.lower, bytes.lower),
        (df.strings.upper, bytes.upper),
        (df.strings.length, len),
        (lambda x: df.strings.upper(x, encoding="utf-8"), lambda text: text.decode().upper().encode()),
        (lambda x: df.strings.length(x, unit="UTF8_CHAR"), lambda text: len(text.decode())),
        (lambda x: df.substr(x, 0, 2), lambda text: text[:2]),
        (lambda x: df.strings.substr(x, 0, 1, unit="UTF8_CHAR"), lambda text: text.decode()[:1].encode()),
        (lambda x: df.regex_replace(x, "[ab]", "-"), lambda text: text.replace(b"a", b"-").replace(b"b", b"-")),
        (lambda x: df.strings.regex_full_match(x, r"\d*"), lambda text: text.isdigit() or not text),
        (
            lambda x: df.strings.unicode_transcode(x, "UTF-8", "UTF-16-BE"),
            lambda text: text.decode().encode("utf-16-be"),
        ),
        (lambda x: df.string_join([x, "+", x]), lambda text: text + b"+" + text),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_each_string_has_its_result_in_its_place(build: Any, judge: Any, known: bool) -> None:
    texts = df.placeholder(df.string, [2, 3] if known else None)
    result = build(texts)
    assert (result.shape.ndims, result.shape.is_fully_defined()) == ((2, True) if known else (None, False))
    assert run(result, {texts: TEXTS}).tolist() == each(judge)
    assert run(build(df.constant("a"))) == judge(b"a")


@pytest.mark.parametrize("axes", [None, 0, 1, -1, [0, 1], [1, 0], []])
@pytest.mark.parametrize("keep", [True, False])
def test_a_join_over_axes_is_one_join_after_the_other(axes: Any, keep: bool) -> None:
    texts = np.array([[[b"%d%d%d" % (i, j, k) for k in range(2)] for j in range(3)] for i in range(2)], object)
    order = [2, 1, 0] if axes is None else [axes] if isinstance(axes, int) else axes
    expected = texts
    for axis in order:
        moved = np.moveaxis(expected, axis, -1)
        joined = np.empty(moved.shape[:-1], object)
        for place in np.ndindex(joined.shape):
            joined[place] = b"_".join(moved[place])
        expected = np.expand_dims(joined, axis)
    if not keep:
        expected = np.squeeze(expected, tuple(order))
    result = df.reduce_join(texts, axes, keep, "_")
    assert result.shape.as_list() == list(expected.shape)
    assert np.asarray(run(result), object).tolist() == expected.tolist()


def test_parts_of_strings_are_rows_of_a_sparse_tensor() -> None:
    texts = ["a b  c", "", " d"]
    for split in (df.string_split(texts), df.strings.split(texts)):
        value = run(split)
        rows: list[list[bytes]] = [[] for _ in texts]
        for (row, column), part in zip(value.indices.tolist(), value.values.tolist(), strict=True):
            assert column == len(rows[row])
            rows[row].append(part)
        assert rows == [text.encode().split() for text in texts]
        assert value.dense_shape.tolist() == [3, 3]
    everything = run(df.string_split(["a,b;c"], ",;", skip_empty=False))
    assert everything.values.tolist() == [b"a", b"b", b"c"]
    cube = run(df.strings.split([["a b", "c"], ["", "d e f"]]))
    assert cube.dense_shape.tolist() == [2, 2, 3]
    assert cube.indices.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 2]]


@pytest.mark.parametrize("dtype", [df.float32, df.float64, df.int32, df.int64])
def test_a_number_comes_back_from_its_text(dtype: df.DType) -> None:
    numbers = np.array([[0, -7, 120], [2, 3, 99]], dtype.numpy_dtype)
    assert run(df.string_to_number(df.as_string(numbers), dtype)).tolist() == numbers.tolist()


@pytest.mark.parametrize(
    ("text", "dtype"),
    [("1x", df.float32), ("", df.int32), ("1_0", df.float64), ("2147483648", df.int32), ("1.5", df.int64)],
)
def test_text_that_is_no_number_fails_the_run(text: str, dtype: df.DType) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="could not correctly convert string: " + text):
        run(df.string_to_number(text, dtype))


def test_a_summary_shows_the_ends_of_each_axis() -> None:
    table = df.constant(np.arange(49).reshape(7, 7))
    text = run(df.strings.format("it is {}!", table, summarize=2)).decode()
    rows = ["[0 1 ... 5 6]", "[7 8 ... 12 13]", "...", "[35 36 ... 40 41]", "[42 43 ... 47 48]"]
    assert text == "it is [" + "\n ".join(rows) + "]!"


# The values below are TensorFlow's, or those of the papers of the hash functions.


def test_buckets_are_those_of_tensorflow() -> None:
    words = ["brain", "salad", "surgery"]
    assert run(df.string_to_hash_bucket_fast(words, 5)).tolist() == [3, 1, 4]
    assert run(df.strings.to_hash_bucket_fast(["tarkus", "toccata"], 1000)).tolist() == [864, 857]
    assert run(df.string_to_hash_bucket_fast(["42", "1", "-1000"], 5)).tolist() == [1, 4, 2]
    assert run(df.string_to_hash_bucket_strong(["fruit", "UNK"], 3, [1, 2])).tolist() == [2, 0]


def test_siphash_gives_the_vectors_of_its_paper() -> None:
    key = [int.from_bytes(bytes(range(start, start + 8)), "little") for start in (0, 8)]
    assert siphash([bytes(range(15)), b""], key).tolist() == [0xA129CA6149BE45E5, 0x726FDB47DD0E0E31]


def test_hashes_of_many_strings_are_those_of_each() -> None:
    texts = [bytes(range(n % 256)) * (n // 97 + 1) for n in range(200)]
    for function in (df.string_to_hash_bucket, df.string_to_hash_bucket_fast):
        together = run(function(texts, 2**62))
        assert together.tolist() == [int(it) for it in run([function(text, 2**62) for text in texts])]
        assert len(set(together.tolist())) > 190


def test_wrong_arguments_are_said_when_the_graph_is_built() -> None:
    for build in (
        lambda: df.strings.length("a", unit="WORD"),
        lambda: df.string_to_hash_bucket_fast("a", 0),
        lambda: df.string_join([["a", "b"], ["c"]]),
        lambda: df.reduce_join([["a"]], 2),
        lambda: df.substr(["a", "b"], [1, 2, 3], [1, 2, 3]),
        lambda: df.strings.format("{} {}", df.constant(1)),
        lambda: df.regex_replace("a", ["x", "y"], "z"),
    ):
        with pytest.raises(ValueError):
            build()
    with pytest.raises(NotImplementedError, match="ragged"):
        df.strings.split(["a"], result_type="RaggedTensor")


def test_a_broken_pattern_fails_the_run_with_its_text() -> None:
    with pytest.raises(errors.InvalidArgumentError, match=r"Invalid pattern: \[a"):
        run(df.regex_replace("a", "[a", "x"))
