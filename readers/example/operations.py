"""Decoding serialized Examples: `parse_example` and `parse_single_example`.

Source: tf.parse_example and tf.parse_single_example of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.graph import create_op
from dflow.ops.rules.batching import each, spread, stack_steps
from dflow.readers.example.block import decode_many, decode_records
from dflow.readers.example.decode import Fault, Missing, decode_each, decode_single, parse
from dflow.readers.example.features import Fixed, Plan, Steps, computed_defaults, plan, with_defaults
from dflow.readers.example.shared import (
    NO_GRADIENT,
    Array,
    Features,
    Outputs,
    Parsed,
    as_dict,
    as_op_error,
    batch_of,
    check_names,
    check_rank,
    feature_specs,
    name_of,
    outputs_of,
    texts,
)
from dflow.readers.records import Records
from dflow.registry import define
from dflow.specs import TensorSpec


def parse_example(serialized: Any, features: Features, name: str | None = None, example_names: Any = None) -> Parsed:
    """Decode a batch of serialized Examples: a dict like `features`, of tensors and SparseTensors.

    serialized: a string vector.  features: key -> FixedLenFeature, FixedLenSequenceFeature (with allow_missing),
    VarLenFeature or SparseFeature; other keys of the Examples are ignored.
    example_names: a string vector, the names of the Examples in error messages; an empty one is as none.

    Wrong features are ValueErrors.  A run raises InvalidArgumentError for the first Example that does not fit, with
    its key and index; the index is the error's attribute `record`, too.
    Source: tf.parse_example of TensorFlow 1.15.
    """
    return _parse("ParseExample", serialized, features, name, example_names)


def parse_single_example(
    serialized: Any, features: Features, name: str | None = None, example_names: Any = None
) -> Parsed:
    """Decode one serialized Example: like `parse_example`, without the batch dimension.

    serialized: a scalar string.  A VarLenFeature is a SparseTensor of shape [count], a FixedLenSequenceFeature a
    tensor of shape [count, *shape].  example_names: a scalar string, for error messages.
    Source: tf.parse_single_example of TensorFlow 1.15.
    """
    return _parse("ParseSingleExample", serialized, features, name, example_names)


def _parse(kind: str, serialized: Any, features: Features, name: str | None, names: Any) -> Parsed:
    planned = plan(features)
    for feature in planned:
        if isinstance(feature, Steps) and not feature.may_miss:
            raise ValueError(
                f"Unsupported: FixedLenSequenceFeature requires allow_missing to be True. (feature {feature.key})"
            )
    inputs = [*texts(serialized, names), *computed_defaults(features, planned)]
    op = create_op(kind, *inputs, name=name, plan=planned, named=names is not None)
    return as_dict(features, planned, iter(op.outputs))


def _batch_spec(*inputs: TensorSpec, plan: tuple[Plan, ...], named: bool) -> list[TensorSpec]:
    batch = batch_of(inputs, 1, named)
    return [spec for feature in plan for spec in feature_specs(feature, batch)]


def _single_spec(*inputs: TensorSpec, plan: tuple[Plan, ...], named: bool) -> list[TensorSpec]:
    batch = batch_of(inputs, 0, named)
    return [spec for feature in plan for spec in feature_specs(feature, batch)]


def _batch_kernel(serialized: Any, *names_and_defaults: Any, plan: tuple[Plan, ...], named: bool = False) -> Outputs:
    check_rank(serialized, 1)
    names = names_and_defaults[0] if named else None
    if names is not None:
        check_names(names, serialized)
    plan = with_defaults(plan, names_and_defaults[named:])
    try:
        if isinstance(serialized, Records):
            return outputs_of(decode_records(serialized, plan))
        return outputs_of(decode_many(serialized.tolist(), plan))
    except Fault as fault:
        text = f"Name: {name_of(names, fault.index)}, {_with_key(fault, f', Index: {fault.index}')}"
        raise as_op_error(fault, text) from None


def _single_kernel(
    serialized: Array, *names_and_defaults: Array, plan: tuple[Plan, ...], named: bool = False
) -> Outputs:
    check_rank(serialized, 0)
    plan = with_defaults(plan, names_and_defaults[named:])
    try:
        (row,) = parse([serialized.item()])
        return outputs_of(decode_single(row, plan))
    except Fault as fault:
        name = f"Name: {name_of(names_and_defaults[0], 0)}, " if named else ""
        raise as_op_error(fault, name + _with_key(fault)) from None


def _with_key(fault: Fault, place: str = "") -> str:
    has_key = fault.key is not None and not isinstance(fault, Missing)
    return f"Key: {fault.key}{place}.  {fault}" if has_key else str(fault)


def _single_batch(kernel: Any, arrays: Sequence[Array], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    """n single Examples are a batch, if all their features have one shape."""
    plan, named = attrs["plan"], attrs["named"]
    if len(arrays) > 1 + named:  # computed defaults
        return each(kernel, arrays, batched, attrs)
    if all(isinstance(feature, Fixed) for feature in plan):
        return _batch_kernel(*spread(arrays, batched), **attrs)
    rows = parse(spread(arrays, batched)[0].tolist())
    parts = [part for feature in plan for part in decode_each(rows, feature)]
    return outputs_of([part if isinstance(part, np.ndarray) else stack_steps(part) for part in parts])


for _kind, _spec, _kernel, _batch in (
    ("ParseExample", _batch_spec, _batch_kernel, each),
    ("ParseSingleExample", _single_spec, _single_kernel, _single_batch),
):
    define(_kind, spec=_spec, kernel=_kernel, gradient=NO_GRADIENT, batch=_batch, host_only=True)
