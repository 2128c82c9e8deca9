"""decode_csv."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, kind_of_error, session, shape


def columns(tf: Any, folder: Path) -> dict[str, Any]:
    records = ["1,2.5,3,4.25,five", "-6,1e3,9000000000,-.5,", "+7,inf,-1,nan, spaces "]
    made = tf.decode_csv(records, [[0], [0.0], tf.constant([0], tf.int64), tf.constant([0], tf.float64), ["none"]])
    with session(tf) as sess:
        return {
            "columns": sess.run(made),
            "static": [shape(it) for it in made],
            "dtypes": [it.dtype.name for it in made],
        }


def shapes(tf: Any, folder: Path) -> dict[str, Any]:
    scalar = tf.decode_csv("1,a", [[0], [""]])
    square = tf.decode_csv([["1,a", "2,b"], ["3,c", "4,d"]], [[0], [""]])
    none = tf.decode_csv(tf.constant([], tf.string), [[0], [""]])
    fed = tf.placeholder(tf.string, None)
    unknown = tf.decode_csv(fed, [[0]])
    with session(tf) as sess:
        return {
            "scalar": sess.run(scalar),
            "square": sess.run(square),
            "none": sess.run(none),
            "fed": [sess.run(unknown, {fed: it}) for it in ("1", ["2", "3"], [["4"]])],
            "static": [[shape(it) for it in made] for made in (scalar, square, none, unknown)],
        }


def defaults(tf: Any, folder: Path) -> dict[str, Any]:
    made = tf.decode_csv(["1,,2", ",3.5,", ",,"], [[-1], [-2.0], ["none"]])
    quoted = tf.decode_csv(['"","",""'], [[-1], [-2.0], ["none"]])
    scalars = tf.decode_csv([",", "1,2"], [7, 8.0])
    tensors = tf.decode_csv([",", "1,2"], [tf.constant([7]), tf.constant(8.0)])
    with session(tf) as sess:
        return {
            "missing": sess.run(made),
            "quoted": sess.run(quoted),
            "scalars": sess.run(scalars),
            "tensors": sess.run(tensors),
            "dtypes": [
                tf.decode_csv(["1"], [it])[0].dtype.name
                for it in (1, 1.5, "a", [1], np.float32(1), np.array([1], np.int64), np.array(1.5))
            ],
        }


def computed_defaults(tf: Any, folder: Path) -> dict[str, Any]:
    number, text = tf.placeholder(tf.float32, None), tf.placeholder(tf.string, [None])
    variable = tf.Variable(5)
    made = tf.decode_csv([",,", "1,2,c"], [number, variable, tf.constant(["t"])])
    texts = tf.decode_csv(["x,", ",y"], [text, tf.constant(["a", "b"])[1:]])
    with session(tf) as sess:
        sess.run(variable.initializer)

        def fails(value: Any, *fragments: str) -> dict[str, Any]:
            return kind_of_error(lambda: sess.run(made, {number: value}), *fragments)

        return {
            "scalar": sess.run(made, {number: 7.5}),
            "vector": sess.run(made, {number: [7.5]}),
            "text": sess.run(texts, {text: ["d"]}),
            "none": fails(np.zeros([0], np.float32), "Field 0 is required but missing in record 0!"),
            "two": fails([1.0, 2.0], "There should only be 1 default per field but field 0 has 2"),
            "a matrix": fails([[1.0]], "Each record default should be at most rank 1"),
            "static matrix": error(
                lambda: tf.decode_csv(["1"], [tf.placeholder(tf.float32, [1, 1])]),
                "Shape must be at most rank 1 but is rank 2",
            ),
            "static length": error(
                lambda: tf.decode_csv(["1"], [tf.placeholder(tf.float32, [2])]),
                "Shape of a default must be a length-0 or length-1 vector, or a scalar",
            ),
            "dtype": error(lambda: tf.decode_csv(["1"], [tf.placeholder(tf.bool, [])])),
            "None": error(lambda: tf.decode_csv(["1"], [None])),
        }


def na_value(tf: Any, folder: Path) -> dict[str, Any]:
    made = tf.decode_csv(["NA,x", "1,NA", '"NA",', ",y"], [[-1], ["none"]], na_value="NA")
    with session(tf) as sess:
        return {"columns": sess.run(made)}


def required(tf: Any, folder: Path) -> dict[str, Any]:
    integer, text = tf.constant([], tf.int32), tf.constant([], tf.string)
    with session(tf) as sess:
        return {
            "there": sess.run(tf.decode_csv(["1,a", "2,b"], [integer, text])),
            "missing": error(
                lambda: sess.run(tf.decode_csv(["1,a", "2,b", "3,"], [integer, text], name="csv")),
                "Field 1 is required but missing in record 2!",
            ),
            "missing number": error(
                lambda: sess.run(tf.decode_csv([",a"], [integer, text])), "Field 0 is required but missing in record 0!"
            ),
        }


def numbers(tf: Any, folder: Path) -> dict[str, Any]:
    def parse(text: str, default: Any) -> Any:
        with session(tf) as sess:
            made = tf.decode_csv([text], [default])
            try:
                return sess.run(made)
            except tf.errors.InvalidArgumentError as error:
                return "is not a valid" in str(error)

    integers = ["1", "+1", "-1", "007", "2147483647", "2147483648", "-2147483648", "1.0", "1e3", "0x1", "a", "1a"]
    floats = ["1", "1.", ".5", "1e3", "1E-3", "inf", "-inf", "nan", "1e40", "1e-50", "0x1", "a", "1.5.5", "--1"]
    return {
        "int32": {it: parse(it, 0) for it in integers},
        "float32": {it: parse(it, 0.0) for it in floats},
        "int64": {
            it: parse(it, tf.constant(0, tf.int64)) for it in ["9223372036854775807", "9223372036854775808", "-1"]
        },
        "float64": {it: parse(it, tf.constant(0, tf.float64)) for it in ["0.1", "1e308", "1e309", "-1e-300"]},
    }


def blanks(tf: Any, folder: Path) -> dict[str, Any]:
    def parse(text: str, default: Any) -> Any:
        with session(tf) as sess:
            made = tf.decode_csv([text], [default])
            try:
                return sess.run(made)
            except tf.errors.InvalidArgumentError:
                return "fails"

    return {
        "int32": {it: parse(it, -1) for it in (" 1", "1 ", " 1 ", "\t1")},
        "int64": {it: parse(it, tf.constant(-1, tf.int64)) for it in (" 1", "1 ", " 1 ")},
        "float32": {it: parse(it, -1.0) for it in (" 1.5", "1.5 ", " 1.5 ")},
        "float64": {it: parse(it, tf.constant(-1, tf.float64)) for it in (" 1.5", "1.5 ", " 1.5 ")},
        "string": {it: parse(it, "none") for it in (" a", "a ", "  ")},
        "only blanks, int32": parse("  ", -1),
        "only blanks, float32": parse("  ", -1.0),
    }


def invalid_numbers(tf: Any, folder: Path) -> dict[str, Any]:
    def fails(records: list[str], defaults: list[Any], text: str) -> dict[str, Any]:
        with session(tf) as sess:
            return error(lambda: sess.run(tf.decode_csv(records, defaults)), text)

    return {
        "int32": fails(["1,2", "1,234a"], [[0], [0]], "Field 1 in record 1 is not a valid int32: 234a"),
        "int64": fails(["x"], [np.array([0], np.int64)], "Field 0 in record 0 is not a valid int64: x"),
        "float32": fails(["1", "2", "1.5x"], [[0.0]], "Field 0 in record 2 is not a valid float: 1.5x"),
        "float64": fails(["x"], [np.array([0], np.float64)], "Field 0 in record 0 is not a valid double: x"),
    }


def field_counts(tf: Any, folder: Path) -> dict[str, Any]:
    def fails(records: list[str], defaults: list[Any], text: str) -> dict[str, Any]:
        with session(tf) as sess:
            return error(lambda: sess.run(tf.decode_csv(records, defaults)), text)

    with session(tf) as sess:
        return {
            "more": fails(["1", "1,2"], [[0]], "Expect 1 fields but have 2 in record 1"),
            "fewer": fails(["1,2", "1"], [[0], [0]], "Expect 2 fields but have 1 in record 1"),
            "empty": fails([""], [[0]], "Expect 1 fields but have 0 in record 0"),
            "a delimiter at the end": sess.run(tf.decode_csv(["1,"], [[0], [7]])),
            "only a delimiter": sess.run(tf.decode_csv([","], [["a"], ["b"]])),
            "one too many": fails(["1,"], [[0]], "Expect 1 fields but have 2 in record 0"),
        }


def quotes(tf: Any, folder: Path) -> dict[str, Any]:
    records = ['"a,b",c', '"say ""hi""",x', '"line\nbreak","\r\n"', '"",""', '"1",2', '"""",""""""']
    with session(tf) as sess:
        return {
            "quoted": sess.run(tf.decode_csv(records, [["-"], ["-"]])),
            "plain": sess.run(tf.decode_csv(['"a,b"c', 'x"y,"z'], [["-"], ["-"]], use_quote_delim=False)),
            "leading newlines": sess.run(tf.decode_csv(["\na,b", "a,\r\nb"], [["-"], ["-"]])),
            "number": sess.run(tf.decode_csv(['"12","1.5"'], [[0], [0.0]])),
        }


def wrong_quotes(tf: Any, folder: Path) -> dict[str, Any]:
    bare = "Unquoted fields cannot have quotes/CRLFs inside"
    end = "Quoted field has to end with quote followed by delim or end"
    lone = "Quote inside a string has to be escaped by another quote"
    found = {}
    with session(tf) as sess:
        for record in ('a"b', "a\nb", "a\n", "a\rb", '"a', '"a"b', '"a" ', '"a"b"', '"', '"a""', 'x"'):
            made = tf.decode_csv([record], [["-"]])
            found[record] = kind_of_error(lambda made=made: sess.run(made), bare, end, lone)
    return found


def delimiters(tf: Any, folder: Path) -> dict[str, Any]:
    with session(tf) as sess:
        return {
            "tab": sess.run(tf.decode_csv(["1\t2,3"], [[0], [""]], field_delim="\t")),
            "space": sess.run(tf.decode_csv(["1 2"], [[0], [0]], field_delim=" ")),
            "bar": sess.run(tf.decode_csv(['1|"a|b"'], [[0], [""]], field_delim="|")),
            "two": kind_of_error(lambda: sess.run(tf.decode_csv(["1"], [[0]], field_delim=",,")))["error"] is not None,
            "none": kind_of_error(lambda: sess.run(tf.decode_csv(["1"], [[0]], field_delim="")))["error"] is not None,
        }


def selected_columns(tf: Any, folder: Path) -> dict[str, Any]:
    records = ["a,1,x,2.5", "b,2,y,3.5"]
    with session(tf) as sess:
        return {
            "two": sess.run(tf.decode_csv(records, [[0], [0.0]], select_cols=[1, 3])),
            "one": sess.run(tf.decode_csv(records, [["-"]], select_cols=[2])),
            "others are not checked": sess.run(tf.decode_csv(["x,1,y"], [[0]], select_cols=[1])),
            "not there": kind_of_error(
                lambda: sess.run(tf.decode_csv(["a,b"], [["-"]], select_cols=[4])),
                "Expect 1 fields but have 0 in record 0",
            ),
            "not increasing": error(
                lambda: tf.decode_csv(records, [[0], [0]], select_cols=[3, 1]), "is not strictly increasing"
            ),
            "twice": error(
                lambda: tf.decode_csv(records, [[0], [0]], select_cols=[1, 1]), "is not strictly increasing"
            ),
            "negative": error(lambda: tf.decode_csv(records, [[0]], select_cols=[-1]), "contains negative values"),
            "another length": error(
                lambda: tf.decode_csv(records, [[0]], select_cols=[0, 1]),
                "Length of select_cols and record_defaults do not match",
            ),
        }


def wrong_defaults(tf: Any, folder: Path) -> dict[str, Any]:
    return {
        "two values": error(lambda: tf.decode_csv(["1"], [[0, 1]])),
        "rank 2": error(lambda: tf.decode_csv(["1"], [[[0]]]), "Shape must be at most rank 1 but is rank 2"),
        "an array": error(lambda: tf.decode_csv(["1"], np.zeros([2, 2])), "Expected list for 'record_defaults'"),
        "dtype": error(lambda: tf.decode_csv(["1"], [tf.constant([True])])),
        "no text": error(lambda: tf.decode_csv(tf.constant([1]), [[0]])),
        "none": error(lambda: tf.decode_csv(["1"], [])),
    }
