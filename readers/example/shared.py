"""Common functions of the operations that decode Examples and SequenceExamples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dflow.dtypes import DType, int64, string
from dflow.errors import DTypeError, InvalidArgumentError
from dflow.graph import Tensor, convert_to_tensor
from dflow.readers.example.decode import Fault
from dflow.readers.example.features import Fixed, Indexed, Plan, Ragged, Steps
from dflow.registry import no_gradient
from dflow.shapes import TensorShape
from dflow.sparse_tensor import SparseTensor
from dflow.specs import TensorSpec

Array = np.ndarray[Any, Any]
Outputs = Array | list[Array]  # of a kernel: a single output is no list
Features = Mapping[str, Any]
Parsed = dict[str, Tensor | SparseTensor]

NO_GRADIENT = no_gradient("the values of a serialized Example have no gradient")


def texts(serialized: Any, names: Any) -> list[Tensor]:
    """The first inputs: Examples, and their names if there are any."""
    inputs = [convert_to_tensor(serialized, string, name="serialized")]
    return inputs if names is None else [*inputs, convert_to_tensor(names, string, name="names")]


def as_dict(features: Features | None, planned: Sequence[Plan], outputs: Iterator[Tensor]) -> Parsed:
    """The user's result: a tensor, or a sparse one, for each feature."""
    parsed: Parsed = {}
    for key, feature in zip(features or {}, planned, strict=True):
        first = next(outputs)
        sparse = isinstance(feature, (Ragged, Indexed))
        parsed[key] = SparseTensor(first, next(outputs), next(outputs)) if sparse else first
    return parsed


# -- shape rules


def feature_specs(feature: Plan, batch: Sequence[int | None]) -> list[TensorSpec]:
    """The specs of a feature's tensors.  batch: the sizes in front: one for a batch, none for a single Example."""
    if isinstance(feature, Fixed):
        return [TensorSpec(TensorShape([*batch, *feature.shape]), feature.dtype)]
    if isinstance(feature, Steps):
        return [TensorSpec(TensorShape([*batch, None, *feature.shape]), feature.dtype)]
    return sparse_specs(len(batch) + (len(feature.size) if isinstance(feature, Indexed) else 1), feature.dtype)


def sparse_specs(rank: int, dtype: DType) -> list[TensorSpec]:
    parts = (([None, rank], int64), ([None], dtype), ([rank], int64))
    return [TensorSpec(TensorShape(shape), part) for shape, part in parts]


def batch_of(inputs: Sequence[TensorSpec], rank: int, named: bool) -> Sequence[int | None]:
    """The sizes in front of the outputs: the shape of the Examples.  They have the rank `rank`, names at most that."""
    for spec in inputs[: 1 + named]:
        if spec.dtype != string:
            raise DTypeError(f"serialized Examples and their names must be string, got {spec.dtype.name}")
    if named and (inputs[1].shape.ndims or 0) > rank:
        inputs[1].shape.with_rank(rank)
    return inputs[0].shape.with_rank(rank).known


# -- kernels


def outputs_of(arrays: list[Array]) -> Outputs:
    return arrays[0] if len(arrays) == 1 else arrays


def check_rank(serialized: Any, rank: int) -> None:
    if serialized.ndim != rank:
        kind = "a vector" if rank else "a scalar"
        raise InvalidArgumentError(None, None, f"serialized must be {kind}, got shape {list(serialized.shape)}")


def check_names(names: Any, serialized: Any) -> None:
    """InvalidArgumentError unless there are as many names as Examples, or none."""
    if names.size and names.shape != serialized.shape:
        actual, expected = list(names.shape), list(serialized.shape)
        fact = f"Expected names have the same shape as serialized: name.shape={actual}, serialized.shape={expected}"
        raise InvalidArgumentError(None, None, fact)


def name_of(names: Any, index: int) -> str:
    """The name of an Example in messages."""
    if names is None or not names.size:
        return "<unknown>"
    name: str = names.reshape(-1)[index].decode(errors="replace")
    return name


def as_op_error(fault: Fault, text: str) -> InvalidArgumentError:
    error = InvalidArgumentError(None, None, text)
    error.record = fault.index  # type: ignore[attr-defined]
    return error
