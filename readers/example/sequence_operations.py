"""Decoding serialized SequenceExamples: `parse_sequence_example` and `parse_single_sequence_example`.

Source: tf.io.parse_sequence_example and tf.parse_single_sequence_example of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.dtypes import int64
from dflow.graph import Operation, Tensor, create_op
from dflow.ops.rules.batching import each
from dflow.readers.example.decode import Fault, Missing, decode, without_batch
from dflow.readers.example.features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    Plan,
    SparseFeature,
    Steps,
    VarLenFeature,
    computed_defaults,
    plan,
    with_defaults,
)
from dflow.readers.example.sequence_decode import decode_lists, parse_sequences
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
    sparse_specs,
    texts,
)
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

Plans = tuple[Plan, ...]


def parse_sequence_example(
    serialized: Any,
    context_features: Features | None = None,
    sequence_features: Features | None = None,
    example_names: Any = None,
    name: str | None = None,
) -> tuple[Parsed, Parsed, dict[str, Tensor]]:
    """Decode a batch of serialized SequenceExamples: the dicts of contexts, of feature lists, and of their lengths.

    serialized: a string vector of n.  context_features: FixedLenFeature, VarLenFeature, SparseFeature, as in
    `parse_example`.  sequence_features: FixedLenSequenceFeature: [n, longest, *shape], filled up with zeros or empty
    strings; the number of steps of each is in the third dict.  VarLenFeature: a SparseTensor [n, steps, values].
    example_names: a string vector, the names of the Examples in error messages.
    Raises as `parse_single_sequence_example`.
    Source: tf.io.parse_sequence_example of TensorFlow 1.15.
    """
    op, context, lists = _operation(
        "ParseSequenceExample", serialized, context_features, sequence_features, example_names, name
    )
    outputs = iter(op.outputs)
    parsed = as_dict(context_features, context, outputs), as_dict(sequence_features, lists, outputs)
    return *parsed, {feature.key: next(outputs) for feature in lists if isinstance(feature, Steps)}


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
    Raises ValueError for wrong features or none at all; a run, InvalidArgumentError for values that do not fit, with
    the feature list and the step.
    Source: tf.parse_single_sequence_example of TensorFlow 1.15.
    """
    op, context, lists = _operation(
        "ParseSingleSequenceExample", serialized, context_features, sequence_features, example_name, name
    )
    outputs = iter(op.outputs)
    return as_dict(context_features, context, outputs), as_dict(sequence_features, lists, outputs)


def _operation(
    kind: str, serialized: Any, context: Features | None, sequence: Features | None, names: Any, name: str | None
) -> tuple[Operation, Plans, Plans]:
    if not context and not sequence:
        raise ValueError("Missing features: give context_features, sequence_features or both")
    contexts = plan(context, (FixedLenFeature, VarLenFeature, SparseFeature)) if context else ()
    lists = plan(sequence, (FixedLenSequenceFeature, VarLenFeature)) if sequence else ()
    for key, feature in (sequence or {}).items():
        if getattr(feature, "default_value", None) is not None:
            raise ValueError(f"feature {key}: a feature list has no default_value, got {feature.default_value!r}")
    inputs = [*texts(serialized, names), *computed_defaults(context or {}, contexts)]
    op = create_op(kind, *inputs, name=name, context=contexts, lists=lists, named=names is not None)
    return op, contexts, lists


# -- shape rules


def _batch_spec(*inputs: TensorSpec, context: Plans, lists: Plans, named: bool) -> list[TensorSpec]:
    batch = batch_of(inputs, 1, named)
    lengths = [TensorSpec(TensorShape(batch), int64) for feature in lists if isinstance(feature, Steps)]
    return _specs(context, lists, batch) + lengths


def _single_spec(*inputs: TensorSpec, context: Plans, lists: Plans, named: bool) -> list[TensorSpec]:
    return _specs(context, lists, batch_of(inputs, 0, named))


def _specs(context: Plans, lists: Plans, batch: Sequence[int | None]) -> list[TensorSpec]:
    specs = [spec for feature in context for spec in feature_specs(feature, batch)]
    return specs + [spec for feature in lists for spec in _list_specs(feature, batch)]


def _list_specs(feature: Plan, batch: Sequence[int | None]) -> list[TensorSpec]:
    if isinstance(feature, Steps):
        return [TensorSpec(TensorShape([*batch, None, *feature.shape]), feature.dtype)]
    return sparse_specs(len(batch) + 2, feature.dtype)


# -- kernels


def _batch_kernel(
    serialized: Any, *names_and_defaults: Any, context: Plans, lists: Plans, named: bool = False
) -> Outputs:
    check_rank(serialized, 1)
    names = names_and_defaults[0] if named else None
    if names is not None:
        check_names(names, serialized)
    decoded, lengths = _decode(serialized.tolist(), names, with_defaults(context, names_and_defaults[named:]), lists)
    return outputs_of([*(array for feature in decoded for array in feature), *lengths])


def _single_kernel(
    serialized: Any, *names_and_defaults: Any, context: Plans, lists: Plans, named: bool = False
) -> Outputs:
    check_rank(serialized, 0)
    names = names_and_defaults[0].reshape(1) if named else None
    decoded, _ = _decode([serialized.item()], names, with_defaults(context, names_and_defaults[named:]), lists)
    return outputs_of([array for feature in decoded for array in without_batch(feature)])


def _decode(
    serialized: Sequence[bytes], names: Array | None, context: Sequence[Plan], lists: Sequence[Plan]
) -> tuple[list[list[Array]], list[Array]]:
    """The arrays of each feature, and the lengths of the feature lists with a fixed shape."""
    try:
        contexts, rows = parse_sequences(serialized)
        decoded = [decode(contexts, [feature]) for feature in context]
        decoded_lists, lengths = decode_lists(rows, lists)
        return decoded + decoded_lists, lengths
    except Fault as fault:
        raise as_op_error(fault, f"Name: {name_of(names, fault.index)}, {_place(fault)}") from None


def _place(fault: Fault) -> str:
    if isinstance(fault, Missing):
        return f"Context feature '{fault.key}' is required but could not be found."
    return str(fault) if fault.key is None else f"Context feature: {fault.key}.  {fault}"


for _kind, _spec, _kernel in (
    ("ParseSequenceExample", _batch_spec, _batch_kernel),
    ("ParseSingleSequenceExample", _single_spec, _single_kernel),
):
    define(_kind, spec=_spec, kernel=_kernel, gradient=NO_GRADIENT, batch=each, host_only=True)
