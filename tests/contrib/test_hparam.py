"""Hyperparameters: `tf.contrib.training.HParams`."""

from __future__ import annotations

import json
from typing import Any

import pytest

import dflow as tf

HParams = tf.contrib.training.HParams
parse_values = tf.contrib.training.parse_values


def hparams() -> Any:
    return HParams(rate=0.1, layers=2, name="net", train=True, sizes=[3, 4])


def test_hyperparameters_are_changed_by_a_text() -> None:
    assert isinstance(hparams(), tf.contrib.training.HParams)
    found = hparams().parse("rate=1, layers=5,name=other,train=false,sizes=[7, 8,9]")
    assert (found.rate, found.layers, found.name, found.train, found.sizes) == (1.0, 5, "other", False, [7, 8, 9])
    assert isinstance(found.rate, float)
    assert parse_values("a[1]=3,a[4]=5", {"a": int}) == {"a": {1: 3, 4: 5}}
    assert parse_values("a=1,b=2", {"a": int}, ignore_unknown=True) == {"a": 1}


def test_hyperparameters_are_values_by_name() -> None:
    found = hparams()
    found.add_hparam("extra", None)
    found.set_hparam("extra", "any")
    found.del_hparam("train")
    assert ["extra" in found, "train" in found] == [True, False]
    assert not hasattr(found, "train")
    assert found.values() == {"rate": 0.1, "layers": 2, "name": "net", "sizes": [3, 4], "extra": "any"}
    assert (found.get("layers"), found.get("layers", 7), found.get("none", 7)) == (2, 2, 7)
    assert json.loads(found.to_json()) == found.values()
    assert found.parse_json('{"rate": 3}').rate == 3.0
    assert repr(HParams(a=1)) == "HParams([('a', 1)])"
    found.set_model_structure("structure")
    assert found.get_model_structure() == "structure"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate", "Malformed hyperparameter value: rate"),
        ("unknown=1", "Unknown hyperparameter type for unknown"),
        ("layers=1.5", "Could not parse hparam 'layers' of type 'int' with value '1.5' in layers=1.5"),
        ("sizes=[1,a]", "Could not parse hparam 'sizes' of type 'int' with value '1,a'"),
        ("layers=1,layers=2", "Multiple assignments to variable 'layers'"),
        ("sizes[1]=1,sizes[1]=2", r"Multiple assignments to variable 'sizes\[1\]'"),
        ("sizes=[1],sizes[1]=2", "Multiple assignments to variable 'sizes'"),
        ("sizes[1]=[2]", "Assignment of a list to a list index"),
        ("sizes=3", "Must pass a list for multi-valued parameter: sizes"),
        ("layers=[3]", "Must not pass a list for single-valued parameter: layers"),
    ],
)
def test_a_text_that_is_no_value_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hparams().parse(text)


def test_a_value_of_another_type_is_refused() -> None:
    for name, value in [("layers", 1.5), ("train", 1), ("rate", True), ("name", 3), ("rate", "0.1")]:
        with pytest.raises(ValueError, match=f"Could not cast hparam '{name}'"):
            hparams().set_hparam(name, value)
    with pytest.raises(ValueError, match="incompatible with default"):
        hparams().get("layers", "text")
    with pytest.raises(ValueError, match="incompatible with default"):
        hparams().get("sizes", 1)
    with pytest.raises(ValueError, match="name is reserved: values"):
        HParams(values=1)
    with pytest.raises(ValueError, match="cannot be empty: sizes"):
        HParams(sizes=[])
