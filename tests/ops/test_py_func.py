"""py_func: what goes in, what comes out, and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dflow import errors
from dflow.ops.array.constants import constant
from dflow.ops.py_func import numpy_function, py_func
from tests.ops.evaluate import Evaluator


def value(tensor: Any) -> Any:
    return Evaluator()(tensor)


def test_a_function_gets_arrays_and_gives_one_tensor_for_one_dtype() -> None:
    def double(x: Any) -> Any:
        assert isinstance(x, (np.ndarray, np.generic))
        return x * np.float32(2)

    tensor = py_func(double, [constant([1.0, 2.0])], "float32")
    assert tensor.shape.ndims is None
    assert value(tensor).tolist() == [2.0, 4.0]


def test_a_function_gets_scalars_as_numpy_scalars_and_bytes_and_arrays_of_its_own() -> None:
    def look(text: Any, number: Any, row: Any) -> Any:
        row[0] = 99.0
        return f"{type(text).__name__} {type(number).__name__}"

    x = constant([1.0, 2.0])
    found, after = value([py_func(look, [constant("a"), constant(1), x], "string"), x])
    assert found.tolist() == b"bytes int32"
    assert after.tolist() == [1.0, 2.0]


def test_a_function_may_change_later_what_it_gave() -> None:
    kept = np.zeros(2)
    tensor = py_func(lambda: kept, [], "float64")
    found = value(tensor)
    kept[0] = 5
    assert found.tolist() == [0.0, 0.0]


def test_a_list_of_dtypes_gives_a_list_of_tensors() -> None:
    both = py_func(lambda x: (x, x.sum()), [constant([1, 2])], ["int32", "int64"])
    assert [found.tolist() for found in value(both)] == [[1, 2], 3]
    (alone,) = py_func(lambda x: x, [constant([1, 2])], ["int32"])
    assert value(alone).tolist() == [1, 2]


def test_an_empty_list_of_dtypes_gives_an_operation() -> None:
    seen: list[Any] = []
    op = py_func(lambda x: seen.append(x.tolist()), [constant([1, 2])], [])
    assert value(op) is None
    assert seen == [[1, 2]]


@pytest.mark.parametrize("text", ["héllo", b"h\xc3\xa9llo", np.str_("héllo"), np.array("héllo")])
def test_text_becomes_bytes(text: Any) -> None:
    assert value(py_func(lambda: text, [], "string")).tolist() == "héllo".encode()


def test_text_goes_in_as_bytes_and_keeps_nulls() -> None:
    words = np.array([b"a\0", b"", b"c"], dtype=object)
    assert value(py_func(lambda x: x[::-1], [constant(words)], "string")).tolist() == [b"c", b"", b"a\0"]


@pytest.mark.parametrize(
    ("given", "dtypes", "text"),
    [
        (1.0, "float32", "0-th value returned by the function is float64, but expects float32"),
        ("a", "int32", "is string, but expects int32"),
        ((1, 2), "int64", "returns 2 values, but expects to see 1 values"),
        (1, ["int64", "int64"], "returns 1 values, but expects to see 2 values"),
        (None, "int64", "no array of numbers or text"),
        (np.datetime64("2020-01-01"), "int64", "no array of numbers or text"),
    ],
)
def test_another_dtype_or_number_of_values_is_an_error_that_names_both(given: Any, dtypes: Any, text: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=text):
        value(py_func(lambda: given, [], dtypes))


def test_an_exception_keeps_its_type_its_text_and_its_traceback() -> None:
    def broken_decoder(x: Any) -> Any:
        raise KeyError("no such column")

    tensor = py_func(broken_decoder, [constant(1)], "float32", name="decode")
    with pytest.raises(
        errors.UnknownError, match=r"(?s)decode .*KeyError.*no such column.*in broken_decoder"
    ) as caught:
        value(tensor)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (TypeError, errors.InvalidArgumentError),
        (UnicodeError, errors.InvalidArgumentError),
        (StopIteration, errors.OutOfRangeError),
        (MemoryError, errors.ResourceExhaustedError),
        (NotImplementedError, errors.UnimplementedError),
        (OSError, errors.UnknownError),
    ],
)
def test_an_exception_becomes_the_error_that_tensorflow_makes_of_it(
    raised: type[Exception], expected: type[errors.OpError]
) -> None:
    def fail() -> Any:
        raise raised("inside")

    with pytest.raises(expected, match="inside") as caught:
        value(py_func(fail, [], "float32"))
    assert type(caught.value) is expected


class Awkward(Exception):
    """What a function gives, or raises, and what fails whatever one does with it."""

    def __array__(self, *args: object, **kwargs: object) -> Any:
        raise RuntimeError("no array")

    def __str__(self) -> str:
        raise RuntimeError("no text")


def gives_awkward() -> Any:
    return Awkward()


def gives_a_list_of_it() -> Any:
    return [Awkward()]


def gives_a_tensor() -> Any:
    return constant(1)


def raises_awkward() -> Any:
    raise Awkward


@pytest.mark.parametrize(
    ("function", "expected", "text"),
    [
        (gives_awkward, errors.UnknownError, "RuntimeError: no array"),
        (gives_a_list_of_it, errors.UnknownError, "RuntimeError: no array"),
        (gives_a_tensor, errors.UnimplementedError, "Const"),
        (raises_awkward, errors.UnknownError, "Awkward: <its text cannot be made: RuntimeError>"),
    ],
)
def test_whatever_a_function_gives_or_raises_the_run_ends(
    function: Callable[[], Any], expected: type[errors.OpError], text: str
) -> None:
    with pytest.raises(expected, match=text) as caught:
        value(py_func(function, [], "int32", name="decode"))
    assert caught.value.op is not None
    assert caught.value.op.name == "decode"


def test_an_error_of_dflow_passes_as_it_is() -> None:
    def done() -> Any:
        raise errors.OutOfRangeError(None, None, "no more")

    with pytest.raises(errors.OutOfRangeError, match="no more"):
        value(py_func(done, [], "float32"))


def test_only_a_function_will_do() -> None:
    with pytest.raises(ValueError, match="callable"):
        py_func(5, [], "float32")  # type: ignore[arg-type]


def test_a_numpy_function_gives_what_py_func_gives() -> None:
    assert value(numpy_function(lambda x: x + np.float32(1), [np.float32(2)], "float32")) == 3
