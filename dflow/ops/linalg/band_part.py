"""A band of a matrix around its main diagonal.

Source: array_ops.matrix_band_part of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.rules.arrays import ints, namespace, zeros
from dflow.ops.rules.late import late
from dflow.ops.rules.like import only_first
from dflow.ops.rules.matrices import of_rank_at_least
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import operands
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["matrix_band_part"]


def matrix_band_part(input: Any, num_lower: Any, num_upper: Any, name: str | None = None) -> Tensor:
    """The matrices with zeros outside of a band: [..., n, m].

    num_lower, num_upper: how many diagonals below and above the main one are kept, negative: all of them.
    InvalidArgumentError at run time for more diagonals than there are.
    """
    with scope_of((input, num_lower, num_upper), name, "MatrixBandPart") as scope:
        (x,) = operands((input,), ("input",))
        lower, of_lower = late(num_lower, "num_lower")
        upper, of_upper = late(num_upper, "num_upper")
        result: Tensor = add_op("MatrixBandPart", x, *of_lower, *of_upper, name=scope, num_lower=lower, num_upper=upper)
        return result


def _spec(x: TensorSpec, *counts: TensorSpec, num_lower: int | None, num_upper: int | None) -> TensorSpec:
    of_rank_at_least(x, 2)
    for count in counts:
        count.shape.with_rank(0)
    return x


def _kernel(x: Any, *counts: Any, num_lower: int | None, num_upper: int | None) -> Any:
    if x.ndim < 2 or any(count.ndim for count in counts):
        raise InvalidArgumentError(
            None, None, f"input must be at least 2-dim and the counts scalars, got shape: {list(x.shape)}"
        )
    given = iter(counts)
    lower = ints(next(given))[0] if num_lower is None else num_lower
    upper = ints(next(given))[0] if num_upper is None else num_upper
    rows, columns = x.shape[-2:]
    for what, count, size in (("num_lower", lower, rows), ("num_upper", upper, columns)):
        if count > size:
            what_of = "rows" if what == "num_lower" else "columns"
            raise InvalidArgumentError(
                None, None, f"{what} must be negative or less or equal to number of {what_of} ({size}) got: {count}"
            )
    xp = namespace(x)
    above = xp.arange(columns, device=device(x))[None, :] - xp.arange(rows, device=device(x))[:, None]
    kept = xp.logical_and(above >= -(rows if lower < 0 else lower), above <= (columns if upper < 0 else upper))
    return xp.where(kept, x, zeros(x, ()))


def _gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return only_first(op, add_op("MatrixBandPart", dy, *op.inputs[1:], **op.attrs))


define("MatrixBandPart", spec=_spec, kernel=_kernel, gradient=_gradient)
