"""Pooling of any number of spatial axes, with holes between the values of a window.

Source: nn_ops.pool of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.shape import expand_dims, squeeze
from dflow.ops.conv.convolution import steps_of
from dflow.ops.conv.space import with_space_to_batch
from dflow.ops.pool.avg_pool import avg_pool, avg_pool3d
from dflow.ops.pool.max_pool import max_pool, max_pool3d
from dflow.ops.rules.building import one_of, scoped
from dflow.ops.rules.windows import FORMATS, channels_first

__all__ = ["pool"]

_POOLS: dict[tuple[str, int], Callable[..., Tensor]] = {
    ("MAX", 1): max_pool,
    ("MAX", 2): max_pool,
    ("MAX", 3): max_pool3d,
    ("AVG", 1): avg_pool,
    ("AVG", 2): avg_pool,
    ("AVG", 3): avg_pool3d,
}


def pool(
    input: Any,
    window_shape: Any,
    pooling_type: str,
    padding: str,
    dilation_rate: Any = None,
    strides: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """The largest value ("MAX") or the mean ("AVG") of each window.

    input: [n, *sizes, c], or, if data_format starts with "NC", [n, c, *sizes], of 1 to 3 spatial axes.
    window_shape, strides, dilation_rate: one number for each of them; strides and dilation_rate are not both above 1,
    and there is no "SAME" padding of dilated windows.  ValueError for other arguments.  Source: tf.nn.pool.
    """
    window = [int(size) for size in window_shape]
    rates = one_of("dilations", dilations, "dilation_rate", dilation_rate)
    with scoped(f"{pooling_type.lower()}_pool", name, input) as scope:
        x = convert_to_tensor(input, name="input")
        spatial = len(window)
        if not 1 <= spatial <= 3:
            raise ValueError("It is required that 1 <= num_spatial_dims <= 3.")
        x.shape.with_rank(spatial + 2)
        steps, holes = steps_of(spatial, strides, rates)
        if padding == "SAME" and max(holes) > 1:
            raise ValueError("pooling with SAME padding is not implemented for dilation_rate > 1")
        if any(step > size for step, size in zip(steps, window, strict=True)):
            raise ValueError(
                "strides > window_shape not supported due to inconsistency between CPU and GPU implementations"
            )
        function = _POOLS.get((pooling_type, spatial))
        if function is None:
            raise ValueError(f"{spatial}-D {pooling_type} pooling is not supported.")
        if data_format is not None and data_format not in FORMATS[spatial + 2]:
            raise ValueError(f"data_format must be either {' or '.join(FORMATS[spatial + 2])}, got {data_format!r}")
        first = channels_first(data_format)

        def op(image: Tensor, _: int, padding: str) -> Tensor:
            return _pooled(function, image, window, steps, padding, first, scope)

        return with_space_to_batch(x, holes, padding, op, window, data_format="NC" if first else None)


def _pooled(
    function: Callable[..., Tensor], x: Tensor, window: Any, steps: Any, padding: str, first: bool, scope: str
) -> Tensor:
    """A pool without holes, under exactly this name; sequences are images of height 1."""
    spatial = len(window)
    place = 2 if first else 1
    if spatial == 1:
        x, window, steps = expand_dims(x, place), [1, *window], [1, *steps]
    ksize, strides = ([1, 1, *numbers] if first else [1, *numbers, 1] for numbers in (window, steps))
    y = function(x, ksize, strides, padding, FORMATS[len(ksize)][first], name=None if spatial == 1 else scope)
    return squeeze(y, [place], name=scope) if spatial == 1 else y
