"""Operations on text: joined, split, cut, matched, converted, hashed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, kind_of_error, names, outcome, outcomes, refusals, session, shape

WORDS = [[b"this", b"is", b"a"], [b"", b"test \xc3\xa9", b" of  text\t\n"]]
UNICODE = ["", "abc", "\u00e9t\u00e9", "\u4e2d\u6587\U0001f600x", "\u0130\u1e9e\u03a3"]


def characters(tf: Any, folder: Path) -> dict[str, Any]:
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "length": lambda: tf.strings.length(WORDS),
                "characters": lambda: tf.strings.length(UNICODE, unit="UTF8_CHAR"),
                "bytes that are no text": lambda: tf.strings.length([b"\xff\xfea", b"\x80"], unit="UTF8_CHAR"),
                "lower": lambda: tf.strings.lower(["ABC xYz \u00c9", "1"]),
                "upper": lambda: tf.strings.upper(["ABC xYz \u00e9", "1"]),
                "unicode lower": lambda: tf.strings.lower(["ABC \u00c9\u03a9"], encoding="utf-8"),
                "unicode upper": lambda: tf.strings.upper(["abc \u00e9\u03c9"], encoding="utf-8"),
                "strip": lambda: tf.string_strip([[b" a b \t\n\x0b\x0c", b"", b"  "]]),
                "scalar": lambda: tf.string_strip(" x "),
                "another unit": lambda: tf.strings.length("a", unit="WORD"),
                "another encoding": lambda: tf.strings.lower("a", encoding="latin-1"),
            },
        )


def substrings(tf: Any, folder: Path) -> dict[str, Any]:
    texts = [[b"ten", b"eleven", b"twelve"], [b"thirteen", b"fourteen", b"fifteen"]]
    unknown = tf.placeholder(tf.string)
    with session(tf) as sess:
        found = outcomes(
            sess,
            {
                "scalar": lambda: tf.substr("Hello", 1, 3),
                "at the end": lambda: tf.substr("", 0, 2),
                "longer": lambda: tf.substr("Hello", 3, 100),
                "all alike": lambda: tf.strings.substr(texts, 1, 2),
                "each": lambda: tf.substr(texts, [[1, 2, 3], [0, 1, 2]], [[2, 3, 1], [0, 9, 2]]),
                "broadcast": lambda: tf.substr(texts, np.array([1, 2, 3]), np.array([1, 2, 3])),
                "broadcast the text": lambda: tf.substr("thirteen", [1, 5, 7], [3, 2, 1]),
                "negative": lambda: tf.substr(["Hello", "World"], -3, 2),
                "characters": lambda: tf.strings.substr(UNICODE[2:4], 1, 2, unit="UTF8_CHAR"),
                "negative characters": lambda: tf.strings.substr(UNICODE[1:4], -2, 2, unit="UTF8_CHAR"),
                "too far": lambda: tf.substr("Hello", 7, 3),
                "one too far": lambda: tf.substr(["good", "bad"], 4, 1),
                "too far back": lambda: tf.substr("Hello", -6, 3),
                "too far by characters": lambda: tf.strings.substr("\u00e9", 2, 1, unit="UTF8_CHAR"),
                "floating": lambda: tf.substr("test", 3.0, 1),
                "two dtypes": lambda: tf.substr("test", 3, 1.0),
                "ranks differ": lambda: tf.substr(texts, [[1, 2, 3]], [2, 3, 4]),
                "does not broadcast": lambda: tf.substr(texts, [1, 2, 3, 4], [1, 2, 3, 4]),
            },
        )
        found["unknown"] = outcome(sess, lambda: tf.substr(unknown, [1, 2], [1, 1]), {unknown: [["abc"], ["def"]]})
        text = kind_of_error(lambda: sess.run(tf.substr("Hello", 7, 3)), "pos 7 out of range for string")
    return found | {"text": text}


def joins(tf: Any, folder: Path) -> dict[str, Any]:
    unknown = tf.placeholder(tf.string)
    with session(tf) as sess:
        found = outcomes(
            sess,
            {
                "vectors": lambda: tf.string_join([["a", "b"], "-", ["c", "d"]]),
                "separator": lambda: tf.strings.join([["a", "b"], "x"], separator="--"),
                "scalars": lambda: tf.string_join(["a"] * 3, "!"),
                "one": lambda: tf.string_join([WORDS]),
                "shapes differ": lambda: tf.string_join([["a", "b"], [["c"], ["d"]]]),
                "all": lambda: tf.reduce_join(WORDS),
                "first": lambda: tf.reduce_join(WORDS, 0),
                "last": lambda: tf.reduce_join(WORDS, -1, separator=" "),
                "both, one after the other": lambda: tf.reduce_join(WORDS, [0, 1], separator="+"),
                "the other way round": lambda: tf.reduce_join(WORDS, [1, 0], separator="+"),
                "none": lambda: tf.reduce_join(WORDS, []),
                "kept": lambda: tf.reduce_join(WORDS, [1], keep_dims=True),
                "all kept": lambda: tf.strings.reduce_join(WORDS, keepdims=True),
                "nothing": lambda: tf.reduce_join(np.zeros([0, 2], dtype=str), 0, separator="x"),
                "of a scalar": lambda: tf.reduce_join("a", 0),
                "below": lambda: tf.reduce_join([[""]], axis=-3),
                "beyond": lambda: tf.reduce_join([[""]], axis=[0, 2]),
                "twice at run time": lambda: tf.reduce_join(tf.placeholder_with_default([[""]], None), [-1, 1]),
                "beyond at run time": lambda: tf.reduce_join(tf.placeholder_with_default([""], None), 1),
                "axis at run time": lambda: tf.reduce_join(WORDS, tf.placeholder_with_default([1], None)),
            },
        )
        late = outcome(sess, lambda: tf.string_join([unknown, "x"]), {unknown: [["a"]]})
        wrong = kind_of_error(
            lambda: sess.run(tf.string_join([unknown, ["x", "y"]]), {unknown: ["a"]}), "nput shapes do not match"
        )
    return found | {"late": late, "wrong at run time": wrong}


def splits(tf: Any, folder: Path) -> dict[str, Any]:
    texts = ["hello cruel  world", "", " a", "a,b c,,d "]
    with session(tf) as sess:
        rank_2 = sess.run(tf.strings.split([["a b", "c"], ["d e f", ""]]))
        return {"rank 2": rank_2} | outcomes(
            sess,
            {
                "at blanks": lambda: tf.string_split(texts),
                "empty too": lambda: tf.string_split(texts, skip_empty=False),
                "at several": lambda: tf.string_split(texts, delimiter=" ,"),
                "at several, empty too": lambda: tf.string_split(texts, sep=" ,", skip_empty=False),
                "into bytes": lambda: tf.string_split(texts, ""),
                "nothing": lambda: tf.string_split(np.array([], dtype=str)),
                "as python": lambda: tf.strings.split(texts),
                "at a text": lambda: tf.strings.split(["1<>2<>3", "<><>4", "5", ""], sep="<>"),
                "at most": lambda: tf.strings.split(["a b  c d ", " e f"], maxsplit=1),
                "at most, at a text": lambda: tf.strings.split(["a,b,,c"], sep=",", maxsplit=2),
                "a matrix": lambda: tf.string_split([["a"]]),
                "two delimiters": lambda: tf.string_split(["a"], delimiter=["a", "b"]),
                "another result": lambda: tf.strings.split(["a"], result_type="list"),
                "bytes": lambda: tf.strings.bytes_split("hello"),
            },
        )


def regular_expressions(tf: Any, folder: Path) -> dict[str, Any]:
    texts = [["aba", "foo bar"], ["\u00e9\u00e8x", "a.b\nc"]]
    with session(tf) as sess:
        found = outcomes(
            sess,
            {
                "all": lambda: tf.regex_replace(texts, "a", "<>"),
                "first": lambda: tf.strings.regex_replace(texts, "[ao]", "_", replace_global=False),
                "groups": lambda: tf.regex_replace(["foo bar"], r"(\w+) (\w+)", r"\2 \1 \0"),
                "a character": lambda: tf.regex_replace(texts, ".", "."),
                "classes": lambda: tf.regex_replace(["a1 \u00e9Z"], r"[[:alpha:]]|\pL", "L"),
                "empty matches": lambda: tf.regex_replace(["abc"], "x*", "-"),
                "anchors": lambda: tf.regex_replace(["aa"], "^a", "b"),
                "tensors": lambda: tf.regex_replace("abc", tf.constant("b"), tf.constant("x")),
                "matches": lambda: tf.strings.regex_full_match(texts, "a.a|foo.*"),
                "all of it": lambda: tf.strings.regex_full_match(["abc", "xabc", "abcx", "a"], "abc|a"),
                "no newline": lambda: tf.strings.regex_full_match(["a\n", "a"], "a"),
                "a pattern that is a tensor": lambda: tf.strings.regex_full_match("ab", tf.constant("a.")),
                "broken": lambda: tf.regex_replace("a", "a)(", "x"),
                "broken match": lambda: tf.strings.regex_full_match("a", "[a"),
                "two patterns": lambda: tf.regex_replace("a", ["a", "b"], "x"),
            },
        )
        text = kind_of_error(lambda: sess.run(tf.strings.regex_full_match("a", "(")), "Invalid pattern: (")
    kinds = [
        tf.regex_replace("a", "b", "c").op.type,
        tf.regex_replace("a", tf.constant("b"), "c").op.type,
        tf.strings.regex_full_match("a", "b").op.type,
    ]
    return found | {"text": text, "kinds": kinds}


def numbers(tf: Any, folder: Path) -> dict[str, Any]:
    good = ["0", "3", "-1", "1.12", "   -10.5 ", "3.40282e+38", "3.40283e+38", "NAN", "INF", "-inf", "1e-3", ".5", "5."]
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "floating": lambda: tf.string_to_number([good]),
                "double": lambda: tf.string_to_number(good, tf.float64),
                "hexadecimal": lambda: tf.string_to_number(["0xF", "0x1f"]),
                "integers": lambda: tf.strings.to_number(["0", " -10", "2147483647", "-2147483648 "], tf.int32),
                "large": lambda: tf.string_to_number(["9223372036854775807"], out_type=tf.int64),
                **{
                    f"{dtype.name} of {text!r}": lambda text=text, dtype=dtype: tf.string_to_number(text, dtype)
                    for text, dtype in (
                        ("10foobar", tf.float32),
                        ("1_0", tf.float32),
                        ("1_0", tf.int32),
                        ("2147483648", tf.int32),
                        ("9223372036854775808", tf.int64),
                        ("2.9", tf.int32),
                        ("", tf.int32),
                        ("", tf.float32),
                        ("1 2", tf.float64),
                    )
                },
                "text": lambda: tf.string_to_number("1", tf.string),
            },
        )


def numbers_as_text(tf: Any, folder: Path) -> dict[str, Any]:
    floats = np.array([0, 1, -1, 0.5, 0.1, 123456789.0, 1e-10, np.inf, -np.inf, np.nan], np.float32)
    whole = [0, -1, 127, -128]
    options: dict[str, dict[str, Any]] = {
        "plain": {},
        "shortest": {"shortest": True},
        "scientific": {"scientific": True},
        "precise": {"precision": 10},
        "wide": {"width": 12},
        "filled": {"width": 12, "fill": "0"},
        "left": {"width": 12, "fill": "-"},
        "signed": {"fill": "+"},
        "blank": {"fill": " "},
        "both": {"precision": 3, "width": 9, "fill": "0", "shortest": True},
        "contradicting": {"scientific": True, "shortest": True},
        "long fill": {"fill": "ab"},
        "odd fill": {"fill": "x"},
    }
    with session(tf) as sess:
        found = outcomes(
            sess,
            {
                f"{dtype.name}, {how}": lambda values=values, dtype=dtype, how=how: tf.as_string(
                    tf.constant(values, dtype), **options[how]
                )
                for values, dtype in (
                    (floats, tf.float32),
                    (floats, tf.float64),
                    (whole, tf.int32),
                    (whole, tf.int64),
                    (whole, tf.int8),
                    ([True, False], tf.bool),
                    (np.array([1 + 2j, -0.5j], np.complex64), tf.complex64),
                )
                for how in options
            },
        )
        found["scalar"] = outcome(sess, lambda: tf.strings.as_string(3.25))
        found["64 bits"] = outcome(sess, lambda: tf.as_string(np.array([-(2**63), 2**63 - 1])))
    return found


def formats(tf: Any, folder: Path) -> dict[str, Any]:
    table = np.arange(100).reshape(10, 10)
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "one": lambda: tf.strings.format("tensor: {}, so", tf.range(10)),
                "matrix": lambda: tf.strings.format("{}", tf.constant(table)),
                "all": lambda: tf.strings.format("{}", tf.constant(table), summarize=-1),
                "rank 3": lambda: tf.strings.format("{}", tf.constant(np.arange(27).reshape(3, 3, 3)), summarize=1),
                "two": lambda: tf.strings.format("first {} second {}", (tf.constant(1), tf.constant([2, 3]))),
                "placeholder": lambda: tf.strings.format("a % b", tf.constant(1), placeholder="%"),
                "text": lambda: tf.strings.format("{}", tf.constant(["a", 'b"\n', "\u00e9"])),
                "a text": lambda: tf.strings.format("{}", tf.constant("abc")),
                "floating": lambda: tf.strings.format("{}", tf.constant([0.1, 1.0, 1e10, 1 / 3, -2.5e-8])),
                "double": lambda: tf.strings.format("{}", tf.constant([0.1, 1.0, 1 / 3], tf.float64)),
                "bool": lambda: tf.strings.format("{}", tf.constant([True, False])),
                "empty": lambda: tf.strings.format("{}", tf.constant([], tf.int32)),
                "nothing": lambda: tf.strings.format("none", ()),
                "too few": lambda: tf.strings.format("{} {}", tf.constant(1)),
            },
        )


def hash_buckets(tf: Any, folder: Path) -> dict[str, Any]:
    texts = [b"x" * n for n in range(70)] + [bytes(range(n % 256)) for n in (100, 128, 129, 200, 255)]
    texts += [b"a", b"b", b"brain", b"salad", b"\x00\xff" * 500, "\u00e9".encode()]
    most = 2**62
    with session(tf) as sess:
        return refusals(
            outcomes(
                sess,
                {
                    "old": lambda: tf.string_to_hash_bucket(texts, most),
                    "fast": lambda: tf.string_to_hash_bucket_fast([texts], most),
                    "strong": lambda: tf.string_to_hash_bucket_strong(texts, most, [98765, 132]),
                    "few": lambda: tf.strings.to_hash_bucket_fast(["a", "b", "c", "d"], 10),
                    "one": lambda: tf.strings.to_hash_bucket("a", 1),
                    "none": lambda: tf.string_to_hash_bucket_fast(["a"], 0),
                    "short key": lambda: tf.strings.to_hash_bucket_strong("a", 10, [98765]),
                },
            )
        )


def encodings_of_text(tf: Any, folder: Path) -> dict[str, Any]:
    broken = [b"a\xffb", b"\xe4\xb8", b"ok"]

    def to(*arguments: Any, **options: Any) -> Any:
        return lambda: tf.strings.unicode_transcode(*arguments, **options)

    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "utf-16": to(UNICODE, "UTF-8", "UTF-16-BE"),
                "utf-32": to(UNICODE, "UTF-8", "UTF-32-BE"),
                "latin": to([b"\xe9t\xe9"], "ISO-8859-1", "UTF-8"),
                "back": to(["\u00e9".encode("utf-16-be")], "UTF-16-BE", "UTF-8"),
                "replaced": to(broken, "UTF-8", "UTF-8"),
                "replaced by another": to(broken, "UTF-8", "UTF-8", replacement_char=ord("?")),
                "ignored": to(broken, "UTF-8", "UTF-8", errors="ignore"),
                "strict": to(broken, "UTF-8", "UTF-8", errors="strict"),
                "controls": to([b"a\x00\x1fb"], "UTF-8", "UTF-8", replace_control_characters=True),
                "unknown": to(["a"], "no such code", "UTF-8"),
                "another output": to(["a"], "UTF-8", "latin-1"),
            },
        )


def names_of_operations(tf: Any, folder: Path) -> dict[str, Any]:
    made = [
        tf.string_join(["a", "b"]),
        tf.reduce_join(["a"], 0),
        tf.reduce_join(["a"], name="mine"),
        tf.substr("abc", 1, 1),
        tf.string_split(["a b"]).values,
        tf.strings.split(["a b"]).values,
        tf.strings.length("a"),
        tf.strings.lower("a", name="low"),
        tf.string_strip("a"),
        tf.as_string(1),
        tf.string_to_number("1"),
        tf.regex_replace("a", "b", "c"),
        tf.strings.regex_full_match("a", "b"),
        tf.string_to_hash_bucket_fast("a", 3),
        tf.strings.format("{}", tf.constant(1)),
        tf.strings.unicode_transcode("a", "UTF-8", "UTF-8"),
    ]
    return {
        "names": names(made),
        "kinds": [it.op.type for it in made],
        "shapes": [shape(it) for it in made],
        "error": error(lambda: tf.strings.lower(1)),
    }
