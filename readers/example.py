"""Decoding serialized Examples: `parse_example` and its kin.

Source: tf.parse_example, tf.parse_single_example and tf.parse_single_sequence_example of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dflow.dtypes import DType, int64, string
from dflow.errors import DTypeError, InvalidArgumentError
from dflow.graph import Tensor, convert_to_tensor, create_op
from dflow.ops.batching import each, spread, stack_steps
from dflow.readers.example_block import decode_many, decode_records
from dflow.readers.example_decode import Fault, decode_each, decode_list, decode_single, parse, parse_sequence
from dflow.readers.features import (
    Fixed,
    FixedLenFeature,
    FixedLenSequenceFeature,
    Indexed,
    Plan,
    Ragged,
    SparseFeature,
    Steps,
    VarLenFeature,
    plan,
)
from dflow.readers.records import Records
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.sparse import SparseTensor
from dflow.specs import TensorSpec

Array = np.ndarray[Any, Any]
Outputs = Array | list[Array]  # of a kernel: a single output is no list
Features = Mapping[str, Any]
Parsed = dict[str, Tensor | SparseTensor]

_NONE = no_gradient("what a serialized Example holds has no gradient")


def parse_example(serialized: Any, features: Features, name: str | None = None, example_names: Any = None) -> Parsed:
    """Decode a batch of serialized Examples: a dict like `features`, of tensors and SparseTensors.

    serialized: a string vector.  features: key -> FixedLenFeature, FixedLenSequenceFeature (with allow_missing),
    VarLenFeature or SparseFeature; other keys of the Examples are ignored.
    example_names: a string vector: what error messages call the Examples.

    Wrong features are ValueErrors.  A run raises InvalidArgumentError for the first Example that does not fit, with
    its key and index; the index is the error's attribute `record`, too.
    Source: tf.parse_example of TensorFlow 1.15.
    """
    planned = _planned(features)
    inputs = [convert_to_tensor(serialized, string, name="serialized")]
    if example_names is not None:
        inputs.append(convert_to_tensor(example_names, string, name="names"))
    op = create_op("ParseExample", *inputs, name=name, plan=planned)
    return _as_dict(features, planned, iter(op.outputs))


def parse_single_example(
    serialized: Any, features: Features, name: str | None = None, example_names: Any = None
) -> Parsed:
    """Decode one serialized Example: like `parse_example`, without the batch dimension.

    serialized: a scalar string.  A VarLenFeature is a SparseTensor of shape [count], a FixedLenSequenceFeature a
    tensor of shape [count, *shape].  example_names: a scalar string, for error messages.
    Source: tf.parse_single_example of TensorFlow 1.15.
    """
    planned = _planned(features)
    inputs = [convert_to_tensor(serialized, string, name="serialized")]
    if example_names is not None:
        inputs.append(convert_to_tensor(example_names, string, name="names"))
    op = create_op("ParseSingleExample", *inputs, name=name, plan=planned)
    return _as_dict(features, planned, iter(op.outputs))


def parse_single_sequence_example(
    serialized: Any,
    context_features: Features | None = None,
    sequence_features: Features | None = None,
    example_name: Any = None,
    name: str | None = None,
) -> tuple[Parsed, Parsed]:
    """Decode one serialized SequenceExample: the dicts of its context and of its feature lists.

    serialized: a scalar string.  context_features: FixedLenFeature, VarLenFeature, SparseFeature, as in
    `parse_single_example`.  sequence_features: FixedLenSequenceFeature: [steps, *shape], where a missing list is an
    error unless allow_missing; VarLenFeature: a SparseTensor [steps, longest step].
    Raises ValueError for wrong features or none at all; a run, InvalidArgumentError for what does not fit.
    Source: tf.parse_single_sequence_example of TensorFlow 1.15.
    """
    if not context_features and not sequence_features:
        raise ValueError("Missing features: give context_features, sequence_features or both")
    context = plan(context_features, (FixedLenFeature, VarLenFeature, SparseFeature)) if context_features else ()
    lists = plan(sequence_features, (FixedLenSequenceFeature, VarLenFeature)) if sequence_features else ()
    inputs = [convert_to_tensor(serialized, string, name="serialized")]
    if example_name is not None:
        inputs.append(convert_to_tensor(example_name, string, name="name"))
    op = create_op("ParseSingleSequenceExample", *inputs, name=name, context=context, lists=lists)
    outputs = iter(op.outputs)
    return _as_dict(context_features or {}, context, outputs), _as_dict(sequence_features or {}, lists, outputs)


def _planned(features: Features) -> tuple[Plan, ...]:
    planned = plan(features)
    for feature in planned:
        if isinstance(feature, Steps) and not feature.may_miss:
            raise ValueError(
                f"Unsupported: FixedLenSequenceFeature requires allow_missing to be True. (feature {feature.key})"
            )
    return planned


def _as_dict(features: Features, planned: Sequence[Plan], outputs: Iterator[Tensor]) -> Parsed:
    parsed: Parsed = {}
    for key, feature in zip(features, planned, strict=True):
        first = next(outputs)
        sparse = isinstance(feature, (Ragged, Indexed))
        parsed[key] = SparseTensor(first, next(outputs), next(outputs)) if sparse else first
    return parsed


# -- shape rules


def _specs(feature: Plan, batch: list[int | None]) -> list[TensorSpec]:
    """batch: the sizes in front: one for a batch, none for a single Example."""
    if isinstance(feature, Fixed):
        return [TensorSpec(TensorShape([*batch, *feature.shape]), feature.dtype)]
    if isinstance(feature, Steps):
        return [TensorSpec(TensorShape([*batch, None, *feature.shape]), feature.dtype)]
    return _sparse_specs(len(batch) + (len(feature.size) if isinstance(feature, Indexed) else 1), feature.dtype)


def _sparse_specs(rank: int, dtype: DType) -> list[TensorSpec]:
    parts = (([None, rank], int64), ([None], dtype), ([rank], int64))
    return [TensorSpec(TensorShape(shape), part) for shape, part in parts]


def _check(inputs: Sequence[TensorSpec], rank: int) -> TensorShape:
    for given in inputs:
        if given.dtype != string:
            raise DTypeError(f"serialized Examples and their names must be string, got {given.dtype.name}")
    shape = inputs[0].shape.with_rank(rank)
    return shape.merge_with(inputs[1].shape) if len(inputs) > 1 else shape


def _batch_spec(*inputs: TensorSpec, plan: tuple[Plan, ...]) -> list[TensorSpec]:
    (batch,) = _check(inputs, 1).known
    return [spec for feature in plan for spec in _specs(feature, [batch])]


def _single_spec(*inputs: TensorSpec, plan: tuple[Plan, ...]) -> list[TensorSpec]:
    _check(inputs, 0)
    return [spec for feature in plan for spec in _specs(feature, [])]


def _sequence_spec(*inputs: TensorSpec, context: tuple[Plan, ...], lists: tuple[Plan, ...]) -> list[TensorSpec]:
    _check(inputs, 0)
    specs = [spec for feature in context for spec in _specs(feature, [])]
    for feature in lists:
        if isinstance(feature, Steps):
            specs.append(TensorSpec(TensorShape([None, *feature.shape]), feature.dtype))
        else:
            specs += _sparse_specs(2, feature.dtype)
    return specs


# -- kernels


def _outputs(arrays: list[Array]) -> Outputs:
    return arrays[0] if len(arrays) == 1 else arrays


def _batch_kernel(serialized: Any, names: Any | None = None, *, plan: tuple[Plan, ...]) -> Outputs:
    _check_rank(serialized, 1)
    if names is not None and names.shape != serialized.shape:
        fact = f"example_names must have the shape of serialized, {list(serialized.shape)}, got {list(names.shape)}"
        raise InvalidArgumentError(None, None, fact)
    try:
        if isinstance(serialized, Records):
            return _outputs(decode_records(serialized, plan))
        return _outputs(decode_many(serialized.tolist(), plan))
    except Fault as fault:
        name = "<unknown>" if names is None else names[fault.index].decode(errors="replace")
        raise _as_op_error(fault, f"Name: {name}, ", f", Index: {fault.index}") from None


def _single_kernel(serialized: Array, name: Array | None = None, *, plan: tuple[Plan, ...]) -> Outputs:
    _check_rank(serialized, 0)
    try:
        (row,) = parse([serialized.item()])
        return _outputs(decode_single(row, plan))
    except Fault as fault:
        raise _as_op_error(fault, _named(name)) from None


def _sequence_kernel(
    serialized: Array, name: Array | None = None, *, context: tuple[Plan, ...], lists: tuple[Plan, ...]
) -> Outputs:
    _check_rank(serialized, 0)
    try:
        row, found = parse_sequence(serialized.item())
        arrays = decode_single(row, context)
    except Fault as fault:
        raise _as_op_error(fault, _named(name)) from None
    try:
        arrays += [array for feature in lists for array in decode_list(feature.key, found, feature)]
    except Fault as fault:
        raise _as_op_error(fault, _named(name), f", Step: {fault.index}") from None
    return _outputs(arrays)


def _named(name: Array | None) -> str:
    return "" if name is None else f"Name: {name.item().decode(errors='replace')}, "


def _check_rank(serialized: Any, rank: int) -> None:
    if serialized.ndim != rank:
        kind = "a vector" if rank else "a scalar"
        raise InvalidArgumentError(None, None, f"serialized must be {kind}, got shape {list(serialized.shape)}")


def _as_op_error(fault: Fault, name: str, place: str = "") -> InvalidArgumentError:
    where = name if fault.key is None else f"{name}Key: {fault.key}{place}.  "
    error = InvalidArgumentError(None, None, f"{where}{fault}")
    error.record = fault.index  # type: ignore[attr-defined]
    return error


def _single_batch(kernel: Any, arrays: Sequence[Array], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    """n single Examples are a batch, if all their features have one shape."""
    if all(isinstance(feature, Fixed) for feature in attrs["plan"]):
        return _batch_kernel(*spread(arrays, batched), **attrs)
    rows = parse(spread(arrays, batched)[0].tolist())
    found = [part for feature in attrs["plan"] for part in decode_each(rows, feature)]
    return _outputs([part if isinstance(part, np.ndarray) else stack_steps(part) for part in found])


define("ParseExample", spec=_batch_spec, kernel=_batch_kernel, gradient=_NONE, batch=each, host_only=True)
define(
    "ParseSingleExample",
    spec=_single_spec,
    kernel=_single_kernel,
    gradient=_NONE,
    batch=_single_batch,
    host_only=True,
)
define(
    "ParseSingleSequenceExample",
    spec=_sequence_spec,
    kernel=_sequence_kernel,
    gradient=_NONE,
    batch=each,
    host_only=True,
)
