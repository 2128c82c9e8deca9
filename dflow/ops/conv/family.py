"""What all kinds of convolutions share: three operations that are each other's gradients.

A kind has the convolution, the gradient of its image and the gradient of its filter.  The sizes of a gradient are an
attribute, or the input that TensorFlow has there, if they are known only at run time.
Source: nn_ops and nn_grad of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError, UnimplementedError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.shape import shape
from dflow.ops.rules.arrays import sizes_of
from dflow.ops.rules.building import operation, scoped
from dflow.ops.rules.static import (
    is_symbolic,
    known_shape,
    known_value,
    only,
    operands,
    same_dtype,
    shape_argument,
    spec_of,
)
from dflow.ops.rules.windows import (
    Axis,
    at_run_time,
    axes_of,
    channel_place,
    channels_last,
    in_format,
    narrow,
    out_size,
    spatial_paddings,
    spatial_places,
    wide,
)
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

Attrs = dict[str, Any]
Dims = Sequence[int | None]


@dataclass(frozen=True)
class Convolution:
    """A kind of convolution.

    kind, to_input, to_filter: the operations.  outputs: the number of channels of the result, or a ShapeError, from the
    channels of the image and the last two sizes of the filter.  On arrays with the channels last: convolve(x, f, axes),
    input_gradient(dy, f, axes, channels of x), filter_gradient(x, dy, axes, channels of f).
    """

    kind: str
    to_input: str
    to_filter: str
    outputs: Callable[[int | None, int | None, int | None], int | None]
    convolve: Callable[..., Any]
    input_gradient: Callable[..., Any]
    filter_gradient: Callable[..., Any]

    # -- building

    def of(self, x: Any, f: Any, attrs: Attrs, name: str | None = None) -> Tensor:
        """The convolution of an image with a filter."""
        result: Tensor = operation(self.kind, ("input", "filter"), (x, f), name, **attrs)
        return result

    def back_to_input(self, sizes: Any, f: Any, dy: Any, attrs: Attrs, name: str | None = None) -> Tensor:
        """The gradient of an image of these sizes."""
        number, inputs = _sizes(sizes)
        with scoped(self.to_input, name, f, dy, *inputs) as scope:
            f, dy = operands((f, dy), ("filter", "out_backprop"), self.to_input)
            result: Tensor = add_op(self.to_input, *inputs, f, dy, name=scope, input_sizes=number, **attrs)
        return _of_sizes(result, inputs)

    def back_to_filter(self, x: Any, sizes: Any, dy: Any, attrs: Attrs, name: str | None = None) -> Tensor:
        """The gradient of a filter of these sizes."""
        number, inputs = _sizes(sizes)
        with scoped(self.to_filter, name, x, dy, *inputs) as scope:
            x, dy = operands((x, dy), ("input", "out_backprop"), self.to_filter)
            result: Tensor = add_op(self.to_filter, x, *inputs, dy, name=scope, filter_sizes=number, **attrs)
        return _of_sizes(result, inputs)

    # -- shapes

    def shape(self, x: TensorShape, f: TensorShape, attrs: Attrs) -> list[int | None]:
        """The sizes of the result, as far as they are known; ShapeError for sizes that do not fit."""
        rank, data_format = len(attrs["strides"]), attrs["data_format"]
        sizes, window = x.with_rank(rank), f.with_rank(rank)
        _check_steps(attrs, rank)
        paddings = spatial_paddings(attrs["padding"], attrs["explicit_paddings"], data_format, rank)
        result = [sizes[0]] * rank
        for i, place in enumerate(spatial_places(data_format, rank)):
            stride, dilation = attrs["strides"][place], attrs["dilations"][place]
            result[place] = out_size(sizes[place], window[i], stride, dilation, paddings[i])
        channels = channel_place(data_format, rank)
        result[channels] = self.outputs(sizes[channels], window[-2], window[-1])
        return result

    def _spec(self, x: TensorSpec, f: TensorSpec, **attrs: Any) -> TensorSpec:
        _floating(x, f)
        return spec_of(self.shape(x.shape, f.shape, attrs), x.dtype)

    def _to_input_spec(self, *inputs: TensorSpec, input_sizes: Any, **attrs: Any) -> TensorSpec:
        f, dy = inputs[-2:]
        return _gradient_spec(f, dy, inputs[0], input_sizes, attrs, of_images=True)

    def _to_filter_spec(self, *inputs: TensorSpec, filter_sizes: Any, **attrs: Any) -> TensorSpec:
        return _gradient_spec(inputs[0], inputs[-1], inputs[1], filter_sizes, attrs)

    # -- kernels

    def _checked_axes(self, x: Sequence[int], f: Sequence[int], attrs: Attrs, dy: Any = None) -> tuple[Axis, ...]:
        """The axes; InvalidArgumentError for sizes that do not fit, also those of the result's gradient."""
        with at_run_time():
            expected = self.shape(TensorShape(x), TensorShape(f), attrs)
        if dy is not None and list(dy.shape) != expected:
            raise InvalidArgumentError(
                None,
                None,
                f"{self.kind}: Size of out_backprop doesn't match computed: "
                f"actual = {list(dy.shape)}, computed = {expected}",
            )
        rank = len(x)
        places = spatial_places(attrs["data_format"], rank)
        return axes_of(
            [x[place] for place in places],
            f[: rank - 2],
            [attrs["strides"][place] for place in places],
            [attrs["dilations"][place] for place in places],
            spatial_paddings(attrs["padding"], attrs["explicit_paddings"], attrs["data_format"], rank),
        )

    def _kernel(self, x: Any, f: Any, **attrs: Any) -> Any:
        axes, layout = self._checked_axes(x.shape, f.shape, attrs), attrs["data_format"]
        return narrow(in_format(self.convolve(wide(channels_last(x, layout)), wide(f), axes), layout), x)

    def _to_input_kernel(self, *arrays: Any, input_sizes: Any, **attrs: Any) -> Any:
        f, dy = arrays[-2:]
        sizes = sizes_of(arrays[0]) if input_sizes is None else input_sizes
        axes, layout = self._checked_axes(sizes, f.shape, attrs, dy), attrs["data_format"]
        channels = sizes[channel_place(layout, len(sizes))]
        return narrow(
            in_format(self.input_gradient(wide(channels_last(dy, layout)), wide(f), axes, channels), layout), dy
        )

    def _to_filter_kernel(self, *arrays: Any, filter_sizes: Any, **attrs: Any) -> Any:
        x, dy = arrays[0], arrays[-1]
        sizes = sizes_of(arrays[1]) if filter_sizes is None else filter_sizes
        axes, layout = self._checked_axes(x.shape, sizes, attrs, dy), attrs["data_format"]
        inside = self.filter_gradient(wide(channels_last(x, layout)), wide(channels_last(dy, layout)), axes, sizes[-2])
        return narrow(inside, x)

    # -- gradients

    def _gradient(self, op: Operation, dy: Tensor) -> tuple[Tensor, Tensor]:
        x, f = op.operands
        return self.back_to_input(_sizes_at_run(x), f, dy, op.attrs), self.back_to_filter(
            x, _sizes_at_run(f), dy, op.attrs
        )

    def _to_input_gradient(self, op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
        f, dy = op.operands[-2:]
        attrs = _without(op.attrs, "input_sizes")
        grads = self.back_to_filter(dx, _sizes_at_run(f), dy, attrs), self.of(dx, f, attrs)
        return (*[None] * (len(op.operands) - 2), *grads)

    def _to_filter_gradient(self, op: Operation, df: Tensor) -> tuple[Tensor | None, ...]:
        x, dy = op.operands[0], op.operands[-1]
        attrs = _without(op.attrs, "filter_sizes")
        into_x = self.back_to_input(_sizes_at_run(x), df, dy, attrs)
        return (into_x, *[None] * (len(op.operands) - 2), self.of(x, df, attrs))

    def define(self) -> None:
        """Add the three operations to the table."""
        for kind, spec, kernel, gradient in (
            (self.kind, self._spec, self._kernel, self._gradient),
            (self.to_input, self._to_input_spec, self._to_input_kernel, self._to_input_gradient),
            (self.to_filter, self._to_filter_spec, self._to_filter_kernel, self._to_filter_gradient),
        ):
            define(kind, spec=spec, kernel=kernel, gradient=gradient)


def _check_steps(attrs: Attrs, rank: int) -> None:
    for what in ("strides", "dilations"):
        steps = attrs[what]
        if len(steps) != rank:
            raise ShapeError(f"the {what} attribute is to contain {rank} values, but got: {len(steps)}")
        if steps[0] != 1 or steps[channel_place(attrs["data_format"], rank)] != 1:
            raise UnimplementedError(
                None,
                None,
                f"Current implementation does not yet support {what} in the batch and depth dimensions, "
                f"got {list(steps)}",
            )


def _floating(*specs: TensorSpec) -> None:
    same_dtype(*specs)
    only(specs[0], specs[0].dtype.is_floating, "floating numbers")


def _gradient_spec(
    x: TensorSpec, dy: TensorSpec, sizes: TensorSpec, known: Any, attrs: Attrs, of_images: bool = False
) -> TensorSpec:
    """The spec of a gradient: of `known` sizes, or of those that the spec of an input tells."""
    rank = len(attrs["strides"])
    _floating(x, dy)
    _check_steps(attrs, rank)
    spatial_paddings(attrs["padding"], attrs["explicit_paddings"], attrs["data_format"], rank)
    for spec in (x, dy):
        spec.shape.with_rank(rank)
    if known is not None:
        return spec_of(TensorShape(known).with_rank(rank), dy.dtype)
    only(sizes, sizes.dtype.is_integer, "integers as sizes")
    sizes.shape.merge_with([rank])
    return spec_of([dy.shape.with_rank(rank)[0] if of_images else None, *[None] * (rank - 1)], dy.dtype)


def _sizes(sizes: Any) -> tuple[Any, tuple[Tensor, ...]]:
    """Sizes as an attribute, or as an input if they are known only at run time."""
    if is_symbolic(sizes):
        tensor = convert_to_tensor(sizes)
        value = known_value(tensor)
        sizes = tensor if value is None else value
    return shape_argument(sizes)


def _of_sizes(result: Tensor, sizes: tuple[Tensor, ...]) -> Tensor:
    if sizes:
        result.set_shape(known_shape(sizes[0]))
    return result


def _sizes_at_run(x: Tensor) -> Any:
    return x.shape.as_list() if x.shape.is_fully_defined() else shape(x)


def _without(attrs: Attrs, name: str) -> Attrs:
    return {key: value for key, value in attrs.items() if key != name}
