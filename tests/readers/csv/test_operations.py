"""Decoding CSV: the pure function, and what is checked while the graph is built."""

import csv
import io
import math
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dflow as df
from dflow.dtypes import DType, float32, float64, int32, int64, string
from dflow.errors import InvalidArgumentError
from dflow.graph import Graph, Tensor
from dflow.ops.array.constants import constant, placeholder
from dflow.readers.csv.decode import decode_each, decode_one, layout_of
from dflow.readers.csv.operations import decode_csv
from dflow.readers.records import Block, Records
from dflow.registry import NoGradient, op_def
from tests.readers.bounds import bounded
from tests.readers.helpers import mutated

REQUIRED = None


def decoded(records: Sequence[bytes], *columns: tuple[DType, Any], **options: Any) -> list[list[Any]]:
    """Each column as a list; a column is (dtype, default)."""
    dtypes = tuple(dtype for dtype, _ in columns)
    layout = layout_of(dtypes, tuple(default for _, default in columns), **options)
    arrays = decode_each(records, layout)
    if len(records) == 1:
        alone = decode_one(records[0], layout)
        np.testing.assert_equal([one.tolist() for one in alone], [many.item() for many in arrays])
        assert [array.dtype for array in alone] == [array.dtype for array in arrays]
    assert tuple(array.dtype for array in arrays) == tuple(dtype.numpy_dtype for dtype in dtypes)
    return [array.tolist() for array in arrays]


def fault(records: Sequence[bytes], *columns: tuple[DType, Any], **options: Any) -> InvalidArgumentError:
    with pytest.raises(InvalidArgumentError) as caught:
        decoded(records, *columns, **options)
    return caught.value


def strings(record: bytes, **options: Any) -> list[bytes]:
    """The fields of a record that has one, two or three."""
    for n in (1, 2, 3):
        try:
            return [column[0] for column in decoded([record], *[(string, b"")] * n, **options)]
        except InvalidArgumentError as error:
            if "Expect" not in error.message:
                raise
    raise AssertionError(f"{record!r} has no field, or more than three")


# -- values


def test_each_column_has_its_dtype() -> None:
    """V17.1, V17.2"""
    columns = ((float32, 0.0), (float64, 0.0), (int32, 0), (int64, 0), (string, b""))
    assert decoded([b"0.5,1.5,3,4,a", b"2,3,-5,6,b"], *columns) == [[0.5, 2], [1.5, 3], [3, -5], [4, 6], [b"a", b"b"]]


def test_no_records_give_empty_columns() -> None:
    assert decoded([], (float32, REQUIRED), (string, b"")) == [[], []]


def test_a_missing_field_gives_the_default() -> None:
    """V17.3"""
    columns = ((float32, 1.5), (int32, 7), (string, b"D"))
    assert decoded([b",1,", b"0.5,,bcd", b'"","",""'], *columns) == [[1.5, 0.5, 1.5], [1, 7, 7], [b"D", b"bcd", b"D"]]


def test_a_field_that_equals_na_value_is_missing_and_so_is_an_empty_one() -> None:
    """V17.3"""
    columns = ((int32, 7), (string, b"D"))
    assert decoded([b"NA,NA", b",", b'"NA","NA"', b"5,NAN"], *columns, na_value="NA") == [
        [7, 7, 7, 5],
        [b"D", b"D", b"D", b"NAN"],
    ]


def test_na_value_may_look_like_a_number() -> None:
    """V17.3"""
    assert decoded([b"-9", b"3"], (int32, 0), na_value="-9") == [[0, 3]]
    assert decoded([b"1_0"], (int32, 0), na_value="1_0") == [[0]]


def test_blanks_are_a_missing_number() -> None:
    """D3"""
    columns = ((float32, -1.0), (float32, -1.0), (int32, -1))
    assert decoded([b"7. , , 0"], *columns) == [[7.0], [-1.0], [0]]
    assert decoded([b'" ",\t,5 '], *columns) == [[-1.0], [-1.0], [5]]
    assert "required but missing" in fault([b"  "], (int64, REQUIRED)).message


def test_strings_keep_their_spaces() -> None:
    """V17.7, D3"""
    assert decoded([b"  a ,  "], (string, b"D"), (string, b"D")) == [[b"  a "], [b"  "]]


@pytest.mark.parametrize("dtype", [float32, float64, int32, int64])
@pytest.mark.parametrize("text", [b"5", b"+5", b" 5", b"5 ", b"\t5 ", b"005", b'" 5"'])
def test_numbers_may_have_a_sign_and_spaces_around_them(dtype: DType, text: bytes) -> None:
    """V17.6, D3"""
    assert decoded([text], (dtype, 0)) == [[5]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1e3", 1000.0),
        (b"7.", 7.0),
        (b".5", 0.5),
        (b"-1.5E-1", -0.15),
        (b"inf", math.inf),
        (b"-INF", -math.inf),
        (b"1e400", math.inf),
        (b"1e-400", 0.0),
    ],
)
def test_floats_may_have_an_exponent_and_be_infinite(text: bytes, expected: float) -> None:
    """V17.6"""
    assert decoded([text], (float64, 0.0)) == [[expected]]


def test_floats_may_be_no_number() -> None:
    """V17.6"""
    assert np.isnan(decoded([b"nan", b"NaN", b" -nan"], (float32, 0.0))).all()


def test_a_float_beyond_float32_is_infinite() -> None:
    assert decoded([b"1e39", b"-1e39", b"1e-50"], (float32, 0.0)) == [[math.inf, -math.inf, 0.0]]


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        *((text, int32) for text in [b"234a", b"0x10", b"1e2", b"7.", b"1_000", b"- 5", b"--5", b"\xd9\xa3", b"1\0"]),
        *((text, float32) for text in [b"abc", b"1e", b".", b"1_0.5", b"1.5f", b"1 2", b"1d3"]),
        (b"2147483648", int32),
        (b"-2147483649", int32),
        (b"9223372036854775808", int64),
        (b"9" * 5000, int64),
    ],
)
def test_what_is_no_number_of_the_type_is_an_invalid_argument(text: bytes, dtype: DType) -> None:
    """V17.5, V17.6"""
    said = {float32: "float"}.get(dtype, dtype.name)
    assert f"Field 0 in record 0 is not a valid {said}: {text[:100].decode()}" in fault([text], (dtype, 0)).message


def test_the_ends_of_the_integers_are_valid() -> None:
    """V17.5"""
    assert decoded([b"-2147483648", b"2147483647"], (int32, 0)) == [[-(2**31), 2**31 - 1]]
    assert decoded([b"-9223372036854775808", b"9223372036854775807"], (int64, 0)) == [[-(2**63), 2**63 - 1]]


# -- fields


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        (b"a,b", [b"a", b"b"]),
        (b"a,", [b"a", b""]),
        (b",", [b"", b""]),
        (b'"1","ab , c"', [b"1", b"ab , c"]),
        (b'"a\nb\r\nc",d', [b"a\nb\r\nc", b"d"]),
        (b'"ab""c"', [b'ab"c']),
        (b'"",x', [b"", b"x"]),
        (b'"a",', [b"a", b""]),
        (b'""""', [b'"']),
        (b'"a"",b",c', [b'a",b', b"c"]),
        (b"a,\nb,\r\nc", [b"a", b"b", b"c"]),
        (b"\xe9,\x00", [b"\xe9", b"\x00"]),
    ],
)
def test_a_record_is_split_at_the_delimiters_that_are_not_quoted(record: bytes, fields: list[bytes]) -> None:
    """V17.9, V17.10, V17.13"""
    assert strings(record) == fields


def test_without_quoting_a_quote_is_an_ordinary_character() -> None:
    """V17.12"""
    assert strings(b'"a,b"c', use_quote_delim=False) == [b'"a', b'b"c']


def test_the_delimiter_may_be_a_tab() -> None:
    """V17.14"""
    assert strings(b'a,b\t"c\td"\te', field_delim="\t") == [b"a,b", b"c\td", b"e"]


@pytest.mark.parametrize("delim", ["", ",,", "\u00e9"])
def test_a_delimiter_of_another_length_is_an_invalid_argument(delim: str) -> None:
    """V17.14"""
    assert "field_delim should be only 1 char" in fault([b"1"], (int32, 0), field_delim=delim).message


@pytest.mark.parametrize(
    ("record", "fact"),
    [
        (b'a"b', "Unquoted fields cannot have quotes/CRLFs inside"),
        (b"a\nb", "Unquoted fields cannot have quotes/CRLFs inside"),
        (b"a\n", "Unquoted fields cannot have quotes/CRLFs inside"),
        (b"a\r", "Unquoted fields cannot have quotes/CRLFs inside"),
        (b'"a', "Quoted field has to end with quote followed by delim or end"),
        (b'"', "Quoted field has to end with quote followed by delim or end"),
        (b'"a""', "Quoted field has to end with quote followed by delim or end"),
        (b'"a"b"', "Quote inside a string has to be escaped by another quote"),
        (b'"a" ,b', "Quote inside a string has to be escaped by another quote"),
    ],
)
def test_wrong_quoting_is_an_invalid_argument(record: bytes, fact: str) -> None:
    """V17.10, V17.11"""
    assert fact in fault([record], (string, b"")).message


# -- errors


@pytest.mark.parametrize(
    ("record", "found"), [(b"1,2", 2), (b"", 0), (b"\n", 0), (b"1,", 2), (b",,", 3), (b'"1","2"', 2)]
)
def test_a_wrong_number_of_fields_is_an_invalid_argument(record: bytes, found: int) -> None:
    """V17.8, V17.13"""
    assert f"Expect 1 fields but have {found} in record 0" in fault([record], (string, b"")).message


def test_a_missing_required_field_is_an_invalid_argument() -> None:
    """V17.4, V17.16"""
    columns = ((int32, 0), (string, REQUIRED))
    assert "Field 1 is required but missing in record 2!" in fault([b"1,a", b"2,b", b"3,", b"x"], *columns).message


def test_an_error_shows_the_record_and_the_column_and_has_the_index_of_the_record() -> None:
    """V17.5, V17.16"""
    error = fault([b"1,2", b"1,234a"], (int32, 0), (int32, 0))
    assert error.message == "Field 1 in record 1 is not a valid int32: 234a\n  in column 1 of '1,234a'"
    assert error.record == 1  # type: ignore[attr-defined]


def test_a_long_record_is_shortened_in_an_error() -> None:
    error = fault([b"x" * 5000], (int32, 0))
    assert "Field 0 in record 0 is not a valid int32: xxx" in error.message
    assert len(error.message) < 400


def test_the_first_wrong_record_is_the_one_that_is_told_of() -> None:
    """Whatever is wrong in later records and earlier columns."""
    error = fault([b"1,2", b"1,bad", b"bad,2", b'"', b"1"], (int32, 0), (int32, 0))
    assert "Field 1 in record 1 is not a valid int32: bad" in error.message


# -- selected columns


def test_only_selected_columns_are_decoded_and_checked() -> None:
    """V17.15"""
    columns = ((int32, 0), (string, b"D"))
    assert decoded([b"bad,1,bad,a", b"x,2,y,,z"], *columns, select_cols=(1, 3)) == [[1, 2], [b"a", b"D"]]
    assert decoded([b'1,"a",b"ad'], *columns, select_cols=(0, 1)) == [[1], [b"a"]]
    assert "Unquoted" in fault([b'b"ad,1,2'], *columns, select_cols=(1, 2)).message


def test_a_selected_column_beyond_the_record_is_an_error_with_the_number_found() -> None:
    """V17.15"""
    columns = ((int32, 0), (int32, 0))
    assert "Expect 2 fields but have 1 in record 0" in fault([b"1,2"], *columns, select_cols=(0, 3)).message


def test_an_error_in_a_selected_column_names_the_column_of_the_record() -> None:
    """V17.5, V17.15"""
    message = fault([b"a,b,c"], (string, b""), (int32, 0), select_cols=(0, 2)).message
    assert message == "Field 1 in record 0 is not a valid int32: c\n  in column 2 of 'a,b,c'"


# -- what others write


@given(
    st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(st.text(), min_size=n, max_size=n), min_size=1)),
    st.sampled_from(",;\t|"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_pythons_csv_module_writes_is_read_back(rows: list[list[str]], delim: str, quoting: Any) -> None:
    """V17.9"""
    records = []
    for row in rows:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=delim, quoting=quoting, lineterminator="\r\n").writerow(row)
        records.append(text.getvalue().removesuffix("\r\n").encode())
    columns = decoded(records, *[(string, b"")] * len(rows[0]), field_delim=delim)
    assert columns == [[field.encode() for field in column] for column in zip(*rows, strict=True)]


@given(st.lists(st.tuples(st.floats(), st.integers(-(2**63), 2**63 - 1), st.floats(width=32))))
def test_numbers_are_read_back_exactly(rows: list[tuple[float, int, float]]) -> None:
    """V17.6"""
    records = [",".join(map(repr, row)).encode() for row in rows]
    arrays = decode_each(records, layout_of([float64, int64, float32], [REQUIRED] * 3))
    for array, column in zip(arrays, zip(*rows, strict=True), strict=False):
        np.testing.assert_array_equal(array, np.array(column, array.dtype))


@pytest.mark.parametrize("select_cols", [None, (0, 1, 3, 4)])
def test_a_mutated_record_is_decoded_or_an_invalid_argument(select_cols: tuple[int, ...] | None) -> None:
    """Each column has its dtype, and one value for each record."""
    random = Random(19)
    whole = b'12,-0.5,some text,"a ""quoted"" text, with\r\na newline",9223372036854775807'
    columns: list[tuple[DType, Any]] = [(int32, 7), (float32, 1.5), (string, b""), (string, REQUIRED), (int64, 0)]
    if select_cols:
        columns = [columns[column] for column in select_cols]
    with bounded() as inputs:
        for _ in inputs:
            try:
                found = decoded([whole, mutated(whole, random)], *columns, na_value="1", select_cols=select_cols)
            except InvalidArgumentError:
                continue
            assert all(len(column) == 2 for column in found)


# -- the operation


@pytest.fixture(autouse=True)
def graph() -> Any:
    with Graph().as_default() as graph:
        yield graph


@pytest.mark.parametrize("shape", [None, (), (3,), (2, None)])
def test_the_columns_have_the_shape_of_the_records_and_the_dtypes_of_the_defaults(shape: Any) -> None:
    """V17.1, V17.2"""
    records = placeholder("string", shape)
    columns = decode_csv(records, [1.0, [2], np.float64(3), constant([], "int64"), [b"x"], [""]])
    assert [column.dtype for column in columns] == ["float32", "int32", "float64", "int64", "string", "string"]
    assert all(column.shape == records.shape for column in columns)


def test_a_single_column_is_a_list_of_one_tensor() -> None:
    (column,) = decode_csv(["1", "2"], [[0]], name="csv")
    assert isinstance(column, Tensor)
    assert column.name == "csv:0"
    assert column.op.type == "DecodeCSV"


def kernel(column: Tensor, records: Any) -> list[Any]:
    definition = op_def("DecodeCSV")
    return [array.tolist() for array in definition.kernel(np.array(records, dtype=object), **column.op.attrs)]


def test_the_kernel_decodes_records_of_any_shape() -> None:
    """V17.1"""
    columns = decode_csv(placeholder("string"), [[0], constant(["D"])])
    assert kernel(columns[0], b"1,a") == [1, b"a"]
    assert kernel(columns[0], [[b"1,a", b"2,"], [b",c", b"4,d"]]) == [[[1, 2], [0, 4]], [[b"a", b"D"], [b"c", b"d"]]]


def test_a_batch_of_steps_is_decoded_in_one_call() -> None:
    (column,) = decode_csv(placeholder("string", ()), [[0]])
    definition = op_def("DecodeCSV")
    assert definition.batch is not None
    values = definition.batch(definition.kernel, [np.array([b"1", b"2"], object)], [True], column.op.attrs)
    assert values.tolist() == [1, 2]


def test_defaults_may_be_computed_by_the_run() -> None:
    """V17.2"""
    number, text = placeholder("float32"), placeholder("string", [1])
    variable = df.Variable(5)
    columns = decode_csv([",,", "1,2,c"], [number, variable, text])
    assert [column.dtype for column in columns] == ["float32", "int32", "string"]
    with df.Session() as sess:
        sess.run(variable.initializer)
        for value in (7.5, [7.5]):
            found = sess.run(columns, {number: value, text: ["t"]})
            assert [column.tolist() for column in found] == [[7.5, 1], [5, 2], [b"t", b"c"]]
        sess.run(variable.assign(6))
        assert sess.run(columns[1], {number: 0.0, text: ["t"]}).tolist() == [6, 2]
    (alone,) = decode_csv(["1,"], [constant(1) + 1], select_cols=[1])
    with df.Session() as sess:
        assert sess.run(alone).tolist() == [2]


def test_a_list_with_a_tensor_in_it_is_a_default() -> None:
    with df.Session() as sess:
        assert sess.run(decode_csv(["x,"], [[""], [constant(1) + 1]]))[1].tolist() == [2]
        assert sess.run(decode_csv(["x,"], [[""], [constant(3)]]))[1].tolist() == [3]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "Field 0 is required but missing in record 1!"),
        ([1, 2], "There should only be 1 default per field but field 0 has 2"),
        ([[1]], "Each record default should be at most rank 1"),
    ],
)
def test_a_computed_default_that_is_none_fails_the_run(value: Any, text: str) -> None:
    """V17.2, V17.4"""
    given = placeholder("int32")
    column, _ = decode_csv(["1,", ","], [given, [0]])
    with df.Session() as sess, pytest.raises(InvalidArgumentError, match=text):
        sess.run(column, {given: np.array(value, np.int32)})


def test_a_computed_default_that_no_record_needs_may_be_empty() -> None:
    given = placeholder("int32", [None])
    with df.Session() as sess:
        assert sess.run(decode_csv(["5", "6"], [given]), {given: np.zeros([0], np.int32)})[0].tolist() == [5, 6]


def test_records_of_a_block_are_decoded_with_the_defaults_of_each_run() -> None:
    lines = [b"%d," % i for i in range(1000)]
    ends = np.cumsum([len(line) + 1 for line in lines])
    records = Records(Block(b"\n".join(lines) + b"\n", np.append(0, ends[:-1]), ends - 1, is_text=True))
    (column,) = decode_csv(placeholder("string"), [constant(1) + 1], select_cols=[1])
    definition = op_def("DecodeCSV")
    for default in (3, 4):
        found = definition.kernel(records, np.array(default, np.int32), **column.op.attrs)
        assert found.tolist() == [default] * 1000


def test_a_batch_of_steps_takes_the_default_of_each_step() -> None:
    (column,) = decode_csv(placeholder("string", ()), [placeholder("int32", ())])
    definition = op_def("DecodeCSV")
    assert definition.batch is not None
    records, values = np.array([b'""', b"2"], object), np.array([7, 8], np.int32)
    batched = definition.batch(definition.kernel, [records, values], [True, True], column.op.attrs)
    assert batched.tolist() == [7, 2]
    alike = definition.batch(definition.kernel, [records, np.array(9, np.int32)], [True, False], column.op.attrs)
    assert alike.tolist() == [9, 2]


def test_a_csv_field_has_no_gradient() -> None:
    assert op_def("DecodeCSV").gradient == NoGradient("a CSV field has no gradient")
    assert op_def("DecodeCSV").host_only


@pytest.mark.parametrize(
    ("defaults", "kind", "text"),
    [
        (np.array([1.0]), TypeError, "Expected list for 'record_defaults'"),
        (5, TypeError, "Expected list for 'record_defaults'"),
        ([True], TypeError, "bool, not in list of allowed values: float32, float64, int32, int64, string"),
        ([np.float16(1)], TypeError, "float16, not in list"),
        ([1, np.uint8(1)], TypeError, r"record_defaults\[1\] has dtype uint8"),
        ([], ValueError, "record_defaults is empty"),
        ([1, [[1]]], ValueError, r"record_defaults\[1\]: Shape must be at most rank 1 but is rank 2"),
        ([[1, 2]], ValueError, r"a length-0 or length-1 vector, or a scalar, got \(2,\)"),
    ],
)
def test_wrong_defaults_are_found_while_the_graph_is_built(defaults: Any, kind: type[Exception], text: str) -> None:
    """V17.2"""
    with pytest.raises(kind, match=text):
        decode_csv(["1"], defaults)


def test_a_computed_default_that_cannot_be_one_is_found_while_the_graph_is_built() -> None:
    """V17.2"""
    with pytest.raises(ValueError, match="Shape must be at most rank 1 but is rank 2"):
        decode_csv(["1"], [placeholder("float32", [1, 1])])
    with pytest.raises(ValueError, match="Shape of a default must be a length-0 or length-1 vector, or a scalar"):
        decode_csv(["1"], [placeholder("float32", [2])])
    with pytest.raises(TypeError, match="bool, not in list of allowed values"):
        decode_csv(["1"], [placeholder("bool", [])])
    with pytest.raises(TypeError, match="None"):
        decode_csv(["1"], [None])


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        ([1, 1], "is not strictly increasing"),
        ([2, 1], "is not strictly increasing"),
        ([-1, 1], "contains negative values"),
        ([1], "Length of select_cols and record_defaults do not match"),
        ([], "Length of select_cols and record_defaults do not match"),
    ],
)
def test_wrong_selected_columns_are_found_while_the_graph_is_built(chosen: list[int], text: str) -> None:
    """V17.15"""
    with pytest.raises(ValueError, match=text):
        decode_csv(["1,2"], [1, 2], select_cols=chosen)


def test_records_that_are_no_strings_are_found_while_the_graph_is_built() -> None:
    """V17.1"""
    with pytest.raises((TypeError, ValueError)):
        decode_csv(placeholder("int32", ()), [1])
