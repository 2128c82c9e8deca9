"""A number that an operation takes as an attribute, or, if it is known only at run time, as its last input.

The attribute is None then.  `late_rules` makes rules for both ways from those for a number:

    place, inputs = late(axis)
    add_op("Cumsum", x, *inputs, axis=place)
    define("Cumsum", **late_rules("axis", spec=..., unknown=..., kernel=..., batch=...), gradient=...)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dflow.dtypes import int64, to_array
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.rules.arrays import ints, single
from dflow.ops.rules.batching import Attrs, Kernel, each
from dflow.ops.rules.static import is_symbolic, known_value, only
from dflow.registry import BatchRule
from dflow.specs import TensorSpec

__all__ = ["late", "late_rules"]

Specs = TensorSpec | Sequence[TensorSpec]


def late(value: Any, what: str = "axis") -> tuple[int | None, tuple[Tensor, ...]]:
    """One integer as (attribute, inputs): (number, ()) if it is known, (None, (tensor,)) if only at run time.

    A bool is an integer, and an array of one number is cast, as TensorFlow does.
    TypeError for a value that is no integer, ShapeError for several.
    """
    if is_symbolic(value):
        tensor = convert_to_tensor(value)
        only(tensor.spec, tensor.dtype.is_integer, f"an integer as its {what}")
        value = known_value(tensor)
        if value is None:
            return None, (tensor,)
    if np.ndim(value):
        raise ShapeError(f"the {what} is one integer, got {value!r}")
    if hasattr(value, "dtype"):
        return int(to_array(value, int64)), ()
    if not hasattr(value, "__index__"):
        raise TypeError(f"the {what} is an integer, got {value!r}")
    return int(value.__index__()), ()


def late_rules(
    attr: str,
    *,
    spec: Callable[..., Specs],
    unknown: Callable[..., Specs],
    kernel: Kernel,
    batch: BatchRule | None = None,
    vector: bool = False,
) -> dict[str, Any]:
    """The rules of an operation whose number `attr` may be its last input.

    spec, kernel, batch: its rules for a number; unknown: its shape rule without `attr`, if that is known only at run
    time; vector: whether a run may feed a vector of one number, too.
    """

    def number(array: Any) -> int:
        value = single(array) if vector else array
        if value.ndim:
            raise InvalidArgumentError(None, None, f"the {attr} is one integer, got a shape of {list(array.shape)}")
        return ints(value)[0]

    def spec_rule(*inputs: TensorSpec, **attrs: Any) -> Specs:
        if attrs[attr] is not None:
            return spec(*inputs, **attrs)
        if inputs[-1].shape.ndims not in (0, None):
            raise ShapeError(f"the {attr} is one integer, got a shape of {inputs[-1].shape}")
        return unknown(*inputs[:-1], **{key: value for key, value in attrs.items() if key != attr})

    def any_kernel(*arrays: Any, **attrs: Any) -> Any:
        if attrs[attr] is not None:
            return kernel(*arrays, **attrs)
        return kernel(*arrays[:-1], **{**attrs, attr: number(arrays[-1])})

    def batch_rule(kernel: Kernel, arrays: Sequence[Any], batched: Sequence[bool], attrs: Attrs) -> Any:
        assert batch is not None
        if attrs[attr] is not None:
            return batch(kernel, arrays, batched, attrs)
        if batched[-1]:  # each step has a number of its own
            return each(kernel, arrays, batched, attrs)
        return batch(kernel, arrays[:-1], batched[:-1], {**attrs, attr: number(arrays[-1])})

    return {"spec": spec_rule, "kernel": any_kernel, "batch": None if batch is None else batch_rule}
