"""The lines of `loop_steps.py` for text and sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dflow as df
from dflow.ops.sparse.serial import deserialize_sparse, serialize_sparse


def parts(value: Any) -> list[Any]:
    return [value.indices, value.values, value.dense_shape]


def flat(text: Any) -> Any:
    return df.reshape(text, [-1])


def row(values: Any) -> Any:
    return df.reshape(values, [1, -1])


def lines(ways: Callable[..., Any], sparse: Any, sparse_rows: Any) -> dict[str, list[Any]]:
    """ways, sparse, sparse_rows: of `loop_steps.py`."""
    return {
        "AsString": [*ways("f", df.as_string), *ways("i", lambda n: df.as_string(n, width=4, fill="0"))],
        "StringToNumber": ways("i", lambda n: df.string_to_number(df.as_string(n))),
        "StringLength": ways("s", df.strings.length, lambda s: df.strings.length(s, unit="UTF8_CHAR")),
        "StringLower": ways("s", df.strings.lower),
        "StringUpper": ways("s", lambda s: df.strings.upper(s, encoding="utf-8")),
        "StringStrip": ways("s", df.string_strip),
        "Substr": [
            *ways("s", lambda s: df.substr(s, 0, 1)),
            *ways("si", lambda s, n: df.substr(s, n * 0, n)),
        ],
        "StringJoin": ways("ss", lambda a, b: df.string_join([a, b], "-")),
        "ReduceJoin": ways("s", df.reduce_join, lambda s: df.reduce_join(s, -1, True, "+")),
        "StringSplit": ways("s", lambda s: parts(df.string_split(flat(s), "a"))),
        "StringSplitV2": ways("s", lambda s: parts(df.strings.split(flat(s), "b"))),
        "RegexReplace": ways("s", lambda s: df.regex_replace(s, df.constant("a"), "x")),
        "StaticRegexReplace": ways("s", lambda s: df.regex_replace(s, "a", "x", replace_global=False)),
        "RegexFullMatch": ways("s", lambda s: df.strings.regex_full_match(s, df.constant("(ab)*"))),
        "StaticRegexFullMatch": ways("s", lambda s: df.strings.regex_full_match(s, "(ab)+")),
        "StringFormat": ways("f", lambda x: df.strings.format("{}", x)),
        "UnicodeTranscode": ways("s", lambda s: df.strings.unicode_transcode(s, "UTF-8", "UTF-16-BE")),
        "StringToHashBucket": ways("s", lambda s: df.string_to_hash_bucket(s, 1000)),
        "StringToHashBucketFast": ways("s", lambda s: df.string_to_hash_bucket_fast(s, 1000)),
        "StringToHashBucketStrong": ways("s", lambda s: df.string_to_hash_bucket_strong(s, 1000, [1, 2])),
        "SetSize": ways("i", lambda n: df.sets.size(sparse_rows(n))),
        "DenseToDenseSetOperation": ways("i", lambda n: parts(df.sets.union(row(n), row(n) + 1))),
        "DenseToSparseSetOperation": ways("i", lambda n: parts(df.sets.difference(row(n), sparse_rows(n + 1)))),
        "SparseToSparseSetOperation": ways("i", lambda n: parts(df.sets.union(sparse_rows(n), sparse_rows(n + 1)))),
        "DeserializeSparse": ways("f", lambda x: parts(deserialize_sparse(serialize_sparse(sparse(x)), df.float32))),
    }
