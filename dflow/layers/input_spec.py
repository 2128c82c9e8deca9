"""What a layer demands of its inputs.  Source: tf.layers.InputSpec of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dflow.dtypes import as_dtype
from dflow.nest import flatten

__all__ = ["InputSpec", "check_inputs"]


class InputSpec:
    """The rank, the dtype and the sizes that an input must have; None: any.

    dtype; shape: sizes, None for any; ndim, max_ndim, min_ndim: the rank; axes: axis -> size.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
    ) -> None:
        self.dtype = dtype
        self.shape = shape
        self.ndim = ndim if shape is None else len(shape)
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = dict(axes or {})

    def __repr__(self) -> str:
        given = [f"{name}={value}" for name, value in vars(self).items() if value]
        return f"InputSpec({', '.join(given)})"


def check_inputs(spec: Any, inputs: Any, layer: str) -> None:
    """ValueError, which names the layer, for inputs that do not meet its spec: one, or one for each input."""
    if not spec:
        return
    specs: Sequence[Any] = spec if isinstance(spec, (list, tuple)) else [spec]
    tensors = flatten(inputs)
    if len(tensors) != len(specs):
        raise ValueError(f"Layer {layer} expects {len(specs)} inputs, but it received {len(tensors)} input tensors.")
    for place, (tensor, wanted) in enumerate(zip(tensors, specs, strict=True)):
        fault = None if wanted is None else _fault(wanted, tensor)
        if fault:
            raise ValueError(f"Input {place} of layer {layer} is incompatible with the layer: {fault}")


def _fault(spec: InputSpec, x: Any) -> str | None:
    """What an input lacks; None if it meets the spec."""
    shape = x.shape
    rank = shape.ndims
    if rank is None:
        needs_rank = spec.ndim is not None or spec.max_ndim is not None or spec.min_ndim is not None
        return "its rank is undefined, but the layer requires a defined rank." if needs_rank else None
    sizes = shape.as_list()
    if spec.ndim is not None and rank != spec.ndim:
        return f"expected ndim={spec.ndim}, found ndim={rank}. Full shape received: {sizes}"
    if spec.max_ndim is not None and rank > spec.max_ndim:
        return f"expected max_ndim={spec.max_ndim}, found ndim={rank}"
    if spec.min_ndim is not None and rank < spec.min_ndim:
        return f"expected min_ndim={spec.min_ndim}, found ndim={rank}. Full shape received: {sizes}"
    if spec.dtype is not None and x.dtype != as_dtype(spec.dtype):
        return f"expected dtype={spec.dtype}, found dtype={x.dtype.name}"
    for axis, size in spec.axes.items():
        if size is not None and sizes[int(axis)] not in (size, None):
            return f"expected axis {axis} of input shape to have value {size} but received input with shape {sizes}"
    for wanted, size in zip(spec.shape or (), sizes, strict=False):
        if wanted is not None and size is not None and wanted != size:
            return f"expected shape={spec.shape}, found shape={sizes}"
    return None
