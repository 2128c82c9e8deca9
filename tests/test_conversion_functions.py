"""Objects of a program as tensors: `register_tensor_conversion_function`."""

from __future__ import annotations

from typing import Any

import pytest

import dflow as df


class Money:
    """A number that a function below makes a tensor of."""

    def __init__(self, cents: int) -> None:
        self.cents = cents


class Loose(Money):
    """One of which another function makes something else."""


def of_money(value: Any, dtype: Any = None, name: Any = None, as_ref: bool = False) -> Any:
    return df.constant(value.cents, dtype or df.int32, name=name)


df.register_tensor_conversion_function(Money, of_money)


def test_an_object_of_a_registered_class_is_converted_wherever_a_tensor_is_expected() -> None:
    with df.Session() as sess:
        assert sess.run(df.convert_to_tensor(Money(5), name="five")) == 5
        assert sess.run([df.constant(1) + Money(2), df.add(Money(2), 3), df.stack([Money(1), Money(2)])[1]]) == [
            3,
            5,
            2,
        ]
        assert sess.run(df.reshape(df.zeros([4]), [Money(2), 2])).shape == (2, 2)
        assert df.convert_to_tensor(Money(5), df.float64).dtype == "float64"
        assert df.convert_to_tensor([Money(5), 1]).dtype == "int32"


def test_functions_are_asked_by_priority_until_one_gives_a_tensor() -> None:
    answers: list[Any] = [NotImplemented, df.constant(7), 7, df.constant(1.0)]
    df.register_tensor_conversion_function(Loose, lambda value, **_: answers.pop(0), 10)
    assert df.convert_to_tensor(Loose(3)).op.attrs["value"] == 3
    assert df.convert_to_tensor(Loose(3)).op.attrs["value"] == 7
    with pytest.raises(RuntimeError, match="returned non-Tensor"):
        df.convert_to_tensor(Loose(3))
    with pytest.raises(RuntimeError, match="returned incompatible dtype"):
        df.convert_to_tensor(Loose(3), df.int32)


def test_wrong_registrations_are_refused() -> None:
    for wrong in ((3, of_money), ("Money", of_money), (Money, "f"), (int, of_money), ((), of_money)):
        with pytest.raises(TypeError):
            df.register_tensor_conversion_function(*wrong)


def test_a_preferred_dtype_is_taken_if_the_value_fits() -> None:
    assert df.convert_to_tensor(1, preferred_dtype=df.int64).dtype == "int64"
    assert df.convert_to_tensor(1.5, dtype_hint=df.int64).dtype == "float32"
