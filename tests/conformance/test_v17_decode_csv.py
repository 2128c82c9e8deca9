"""Rows of text as columns of values, in this process and on a cluster.  Statement ids: V17."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dflow as tf
from tests.conformance.inputs import lines_of, start, write_lines

INT = [0]
TEXT = ["D"]


def decoded(target: str, records: Any, defaults: list[Any], **options: Any) -> list[Any]:
    """Each column as a list."""
    with tf.Session(target) as sess:
        return [column.tolist() for column in sess.run(tf.decode_csv(records, defaults, **options))]


def fault(target: str, records: Any, defaults: list[Any], **options: Any) -> str:
    """What the error of the run says."""
    columns = tf.decode_csv(records, defaults, **options)
    with tf.Session(target) as sess, pytest.raises(tf.errors.InvalidArgumentError) as caught:
        sess.run(columns)
    assert caught.value.op is columns[0].op
    return str(caught.value)


def required(dtype: str) -> tf.Tensor:
    """The default of a column that may not be missing."""
    return tf.constant([], dtype)


# -- columns


def test_a_default_may_be_computed_by_each_run(target: str) -> None:
    """V17.2"""
    number = tf.placeholder(tf.float32, [])
    text = tf.Variable(["v"], dtype=tf.string, name="v17_text")
    columns = tf.decode_csv([",", "1,a"], [number * 2.0, text])
    with tf.Session(target) as sess:
        sess.run(text.initializer)
        for value in (3.0, 4.0):
            numbers, texts = sess.run(columns, {number: value})
            assert (numbers.tolist(), texts.tolist()) == ([2 * value, 1.0], [b"v", b"a"])


@pytest.mark.parametrize("shape", [(), (4,), (2, 2), (0,), (2, 1, 2)])
def test_each_column_has_the_shape_of_the_records(target: str, shape: tuple[int, ...]) -> None:
    """V17.1"""
    count = int(np.prod(shape))
    records = np.array([f"{i},t{i}" for i in range(count)], object).reshape(shape)
    columns = tf.decode_csv(tf.constant(records, tf.string), [[0], [""]])
    assert [column.shape for column in columns] == [shape, shape]
    with tf.Session(target) as sess:
        numbers, texts = sess.run(columns)
    assert np.array(numbers).tolist() == np.arange(count).reshape(shape).tolist()
    assert np.array(texts, object).reshape(-1).tolist() == [f"t{i}".encode() for i in range(count)]


def test_the_dtype_of_a_default_is_that_of_its_column(target: str) -> None:
    """V17.2: a default is a scalar, or a vector of one value or of none."""
    defaults = [1.0, [2], np.float64(3), required("int64"), "s", [b"x"]]
    columns = tf.decode_csv(["0.5,4,1.5,-6,a,b", ",,,7,,"], defaults)
    assert [column.dtype for column in columns] == ["float32", "int32", "float64", "int64", "string", "string"]
    with tf.Session(target) as sess:
        found = sess.run(columns)
    assert [column.tolist() for column in found] == [[0.5, 1], [4, 2], [1.5, 3], [-6, 7], [b"a", b"s"], [b"b", b"x"]]
    assert [column.dtype for column in found[:4]] == [np.float32, np.int32, np.float64, np.int64]


@pytest.mark.parametrize(
    ("defaults", "kind", "text"),
    [
        (np.array([1.0]), TypeError, "Expected list for 'record_defaults'"),
        ([True], TypeError, "not in list of allowed values: float32, float64, int32, int64, string"),
        ([np.float16(1)], TypeError, "not in list of allowed values"),
        ([[1, 2]], ValueError, "a length-0 or length-1 vector, or a scalar"),
        ([[[1]]], ValueError, "Shape must be at most rank 1 but is rank 2"),
    ],
)
def test_wrong_defaults_are_errors_of_the_program(defaults: Any, kind: type[Exception], text: str) -> None:
    """V17.2"""
    with pytest.raises(kind, match=text):
        tf.decode_csv(["1"], defaults)


# -- missing fields


def test_an_empty_field_gives_the_default(target: str) -> None:
    """V17.3: a quoted empty one too."""
    defaults = [[1.5], [7], ["D"]]
    assert decoded(target, [",1,", "0.5,,x", '"","",""'], defaults) == [
        [1.5, 0.5, 1.5],
        [1, 7, 7],
        [b"D", b"x", b"D"],
    ]


def test_a_field_that_equals_na_value_gives_the_default_as_an_empty_one_does(target: str) -> None:
    """V17.3"""
    records = ["NA,NA", ",", '"NA","NA"', "5,NAN"]
    assert decoded(target, records, [[7], TEXT], na_value="NA") == [[7, 7, 7, 5], [b"D", b"D", b"D", b"NAN"]]


def test_a_missing_field_that_is_required_is_named_with_its_record(target: str) -> None:
    """V17.4, V17.16"""
    text = "Field 1 is required but missing in record 2!"
    assert text in fault(target, ["1,2", "3,4", "5,", "6,"], [INT, required("int32")])
    assert text in fault(target, [["1,2", "3,4"], ["5,", "6,7"]], [INT, required("int32")])


# -- values


@pytest.mark.parametrize(
    ("dtype", "name", "text"),
    [
        ("int32", "int32", "234a"),
        ("int64", "int64", "234a"),
        ("float32", "float", "23.4a"),
        ("float64", "double", "x"),
        ("int32", "int32", "2147483648"),
        ("int32", "int32", "-2147483649"),
        ("int64", "int64", "9223372036854775808"),
        ("int32", "int32", "0x10"),
        ("int32", "int32", "1e2"),
        ("int64", "int64", "7."),
    ],
)
def test_what_is_no_number_of_the_type_is_an_error(target: str, dtype: str, name: str, text: str) -> None:
    """V17.5, V17.6, V17.16"""
    found = fault(target, ["1,1", f"2,{text}"], [INT, tf.constant([0], dtype)])
    assert f"Field 1 in record 1 is not a valid {name}: {text}" in found


def test_numbers_may_have_spaces_and_a_sign_and_floats_an_exponent(target: str) -> None:
    """V17.6"""
    assert decoded(target, ["5", "+5", " 5", "5 ", " -5 ", "005"], [INT]) == [[5, 5, 5, 5, -5, 5]]
    for default in (np.float32(0), np.float64(0)):
        texts = ["1e3", " -1.5E-1 ", "7.", ".5", "inf", "-inf", "+2"]
        (found,) = decoded(target, texts, [default])
        np.testing.assert_allclose(found, [1000, -0.15, 7, 0.5, np.inf, -np.inf, 2])
        assert np.isnan(decoded(target, ["nan"], [default])).all()


def test_the_ends_of_the_integers_are_valid(target: str) -> None:
    """V17.5"""
    assert decoded(target, ["-2147483648", "2147483647"], [INT]) == [[-(2**31), 2**31 - 1]]
    largest = [str(-(2**63)), str(2**63 - 1)]
    assert decoded(target, largest, [required("int64")]) == [[-(2**63), 2**63 - 1]]


def test_strings_keep_their_spaces(target: str) -> None:
    """V17.7"""
    assert decoded(target, ["  a ,  "], [TEXT, TEXT]) == [[b"  a "], [b"  "]]


# -- fields


@pytest.mark.parametrize(("record", "found"), [("1,2", 2), ("", 0), ("1,", 2), (",,", 3), ('"1","2"', 2)])
def test_a_wrong_number_of_fields_is_an_error(target: str, record: str, found: int) -> None:
    """V17.8, V17.13: a delimiter at the end means one more field, and an empty record has none."""
    assert f"Expect 1 fields but have {found} in record 0" in fault(target, [record], [TEXT])


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ('"1","ab , c"', [b"1", b"ab , c"]),
        ('"a\nb\r\nc",d', [b"a\nb\r\nc", b"d"]),
        ('"ab""c",""""', [b'ab"c', b'"']),
        ('"a"",b",c', [b'a",b', b"c"]),
    ],
)
def test_a_quoted_field_holds_delimiters_newlines_and_doubled_quotes(
    target: str, record: str, fields: list[bytes]
) -> None:
    """V17.9"""
    assert decoded(target, [record], [TEXT, TEXT]) == [[field] for field in fields]


@pytest.mark.parametrize("record", ['a"b', "a\nb", "a\rb", "a\n", "a\r"])
def test_an_unquoted_field_has_no_quote_and_no_end_of_line(target: str, record: str) -> None:
    """V17.10: a newline at its end is one, too."""
    assert "Unquoted fields cannot have quotes/CRLFs inside" in fault(target, [record], [TEXT])


def test_an_end_of_line_at_the_start_of_a_field_is_skipped(target: str) -> None:
    """V17.10"""
    assert decoded(target, ["a,\nb,\r\nc", "\nd,e,f"], [TEXT] * 3) == [[b"a", b"d"], [b"b", b"e"], [b"c", b"f"]]


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ('"a', "Quoted field has to end with quote followed by delim or end"),
        ('"', "Quoted field has to end with quote followed by delim or end"),
        ('"a""', "Quoted field has to end with quote followed by delim or end"),
        ('"a"b"', "Quote inside a string has to be escaped by another quote"),
        ('"a" ,b', "Quote inside a string has to be escaped by another quote"),
    ],
)
def test_a_quoted_field_ends_with_a_quote_before_a_delimiter_or_the_end(target: str, record: str, text: str) -> None:
    """V17.11"""
    assert text in fault(target, [record], [TEXT])


def test_without_quoting_a_quote_is_an_ordinary_character(target: str) -> None:
    """V17.12"""
    assert decoded(target, ['"a,b"c'], [TEXT, TEXT], use_quote_delim=False) == [[b'"a'], [b'b"c']]


def test_a_delimiter_at_the_end_means_one_more_empty_field(target: str) -> None:
    """V17.13"""
    assert decoded(target, ["1,", '"1",'], [INT, TEXT]) == [[1, 1], [b"D", b"D"]]


def test_the_delimiter_is_one_character(target: str) -> None:
    """V17.14"""
    assert decoded(target, ['1,5\t"a\tb"'], [TEXT, TEXT], field_delim="\t") == [[b"1,5"], [b"a\tb"]]
    for delim in ("", ",,"):
        assert "field_delim should be only 1 char" in fault(target, ["1"], [INT], field_delim=delim)


# -- selected columns


def test_only_selected_columns_are_parsed_and_checked(target: str) -> None:
    """V17.15"""
    records = ["bad,1,bad,a", "x,2,y,,z"]
    assert decoded(target, records, [INT, TEXT], select_cols=[1, 3]) == [[1, 2], [b"a", b"D"]]


def test_a_selected_column_beyond_the_record_is_an_error_with_the_number_found(target: str) -> None:
    """V17.15"""
    found = fault(target, ["1,2,3,4", "1,2"], [INT, INT], select_cols=[0, 3])
    assert "Expect 2 fields but have 1 in record 1" in found


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        ([1, 1], "is not strictly increasing"),
        ([2, 1], "is not strictly increasing"),
        ([-1, 1], "contains negative values"),
        ([1], "Length of select_cols and record_defaults do not match"),
    ],
)
def test_wrong_selected_columns_are_errors_of_the_program(chosen: list[int], text: str) -> None:
    """V17.15"""
    with pytest.raises(ValueError, match=text):
        tf.decode_csv(["1,2"], [1, 2], select_cols=chosen)


def test_records_are_counted_from_zero_in_the_flattened_batch(target: str) -> None:
    """V17.16"""
    assert "in record 3 is not a valid int32: x" in fault(target, [["1", "2"], ["3", "x"]], [INT])


# -- lines of files


def test_rows_with_missing_fields_and_spaces_are_decoded_with_the_defaults(target: str, tmp_path: Path) -> None:
    """V17.1, V17.3, D3"""
    file = write_lines(tmp_path / "rows.csv", ["7. , , 0", "1.5,2.5,1", " , -3e1 ,", ",,"])
    _, line = lines_of([file])
    x1, x2, label = tf.decode_csv(line, [[-1.0], [-1.0], [-1]])
    with tf.Session(target) as sess, tf.train.Coordinator() as coord:
        start(sess, coord)
        rows = [sess.run([x1, x2, label]) for _ in range(4)]
        assert [[float(v) for v in row] for row in rows] == [[7, -1, 0], [1.5, 2.5, 1], [-1, -30, -1], [-1, -1, -1]]
        assert [value.dtype for value in rows[0]] == [np.float32, np.float32, np.int32]
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(x1)


@pytest.mark.parametrize("many", [False, True])
def test_a_malformed_line_is_an_error_that_names_file_line_column_and_text(
    target: str, tmp_path: Path, many: bool
) -> None:
    """V17.5, V17.16, D7"""
    file = write_lines(tmp_path / "rows.csv", ["1,2,0", "3,4,1", "5,wrong,0", "7,8,1"])
    names = tf.train.string_input_producer([file], num_epochs=1)
    reader = tf.TextLineReader()
    _, lines = reader.read_up_to(names, 4) if many else reader.read(names)
    columns = tf.decode_csv(lines, [[-1.0], [-1.0], [-1]], name="decode")
    with tf.Session(target) as sess, tf.train.Coordinator() as coord:
        start(sess, coord)
        if not many:
            for _ in range(2):
                sess.run(columns)
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            sess.run(columns)
        for fact in ("Field 1 in record", "is not a valid float: wrong", f"{file}:3", "5,wrong,0", "decode"):
            assert fact in str(caught.value)
        assert caught.value.op is columns[0].op
        if not many:
            assert [float(v) for v in sess.run(columns)] == [7, 8, 1], "the reader goes on with the next line"
