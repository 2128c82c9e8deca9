"""Diagonals of matrices: taken out, put in, made into matrices.

A band of diagonals is `k=(lowest, highest)`: 0 is the main diagonal, 1 that above it, -1 that below it.  Its values
are rows of one length, the highest diagonal first; `align` says on which side a shorter one has its padding.
Source: array_ops and math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import device

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.ops.array.fill import zeros_like
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.arrays import is_text, namespace
from dflow.ops.rules.checked import checked
from dflow.ops.rules.matrices import of_rank_at_least, stack
from dflow.ops.rules.named import named, scope_of
from dflow.ops.rules.static import same_dtype, static_value
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE, TensorShape, bracket
from dflow.specs import TensorSpec

__all__ = ["matrix_diag", "matrix_diag_part", "matrix_set_diag", "trace"]

Band = tuple[int, int]  # the lowest and the highest diagonal
_ALIGNMENTS = ("LEFT_LEFT", "LEFT_RIGHT", "RIGHT_LEFT", "RIGHT_RIGHT")

# -- functions


def matrix_diag(
    diagonal: Any,
    name: str | None = "diag",
    k: Any = 0,
    num_rows: Any = -1,
    num_cols: Any = -1,
    padding_value: Any = 0,
    align: str = "RIGHT_LEFT",
) -> Tensor:
    """Matrices with these diagonals: [..., n] -> [..., n, n], or with k=(lowest, highest), [..., diagonals, n].

    num_rows, num_cols: the sizes of a matrix, -1: the smallest that fit; padding_value: all other values; align: how
    the rows of a band are padded, for superdiagonals and for subdiagonals.  k and the sizes are known numbers.
    """
    band = _band(k)
    rows, columns = _number(num_rows, "num_rows"), _number(num_cols, "num_cols")
    tensor: Tensor = named(
        "MatrixDiag",
        (diagonal,),
        ("diagonal",),
        name or "diag",
        k=band,
        num_rows=rows,
        num_cols=columns,
        padding_value=_plain(padding_value),
        align=_alignment(align),
    )
    return tensor


def matrix_diag_part(
    input: Any, name: str | None = "diag_part", k: Any = 0, padding_value: Any = 0, align: str = "RIGHT_LEFT"
) -> Tensor:
    """Diagonals of matrices: [..., n, m] -> [..., min(n, m)], or with k=(lowest, highest), [..., diagonals, length].

    padding_value: what fills the rows of shorter diagonals; align: on which side, see `matrix_diag`.
    """
    tensor: Tensor = named(
        "MatrixDiagPart",
        (input,),
        ("input",),
        name or "diag_part",
        k=_band(k),
        padding_value=_plain(padding_value),
        align=_alignment(align),
    )
    return tensor


def matrix_set_diag(
    input: Any, diagonal: Any, name: str | None = "set_diag", k: Any = 0, align: str = "RIGHT_LEFT"
) -> Tensor:
    """The matrices with other diagonals.  input: [..., n, m]; diagonal: as `matrix_diag_part` gives them."""
    tensor: Tensor = named(
        "MatrixSetDiag",
        (input, diagonal),
        ("input", "diagonal"),
        name or "set_diag",
        k=_band(k),
        align=_alignment(align),
    )
    return tensor


def trace(x: Any, name: str | None = None) -> Tensor:
    """The sum of the main diagonal of each matrix: [..., n, m] -> [...].  Numbers."""
    with scope_of((x,), name, "Trace") as scope:
        return reduce_sum(matrix_diag_part(convert_to_tensor(x, name="x")), [-1], name=scope)


# -- arguments


def _number(value: Any, what: str) -> int:
    known = static_value(value)
    if known is None or known.size != 1:
        raise ValueError(f"{what} is one integer that is known while the graph is built, got {value!r}")
    return int(known.reshape(()))


def _band(k: Any) -> Band:
    known = static_value(k)
    if known is None or known.size not in (1, 2):
        raise ValueError(f"k is one or two integers that are known while the graph is built, got {k!r}")
    lowest, highest = (int(item) for item in np.broadcast_to(known.reshape(-1), (2,)))
    if lowest > highest:
        raise ValueError(f"lower_diag_index must not be larger than upper_diag_index: {lowest} > {highest}")
    return lowest, highest


def _plain(value: Any) -> Any:
    known = static_value(value)
    if known is None or known.ndim:
        raise ValueError(f"padding_value is a number that is known while the graph is built, got {value!r}")
    return known.item()


def _alignment(align: str) -> str:
    if align not in _ALIGNMENTS:
        raise ValueError(f"align is one of {', '.join(_ALIGNMENTS)}, got {align!r}")
    return align


# -- where the values of a band are


class _Line(NamedTuple):
    """One diagonal: its row in the band and where this begins, its place in a flat matrix, and its length."""

    row: int
    start: int
    place: slice
    length: int


def _length(rows: int, columns: int, diagonal: int) -> int:
    return max(0, min(rows + min(diagonal, 0), columns - max(diagonal, 0)))


def _longest(rows: int, columns: int, band: Band) -> int:
    lowest, highest = band
    return max(0, min(rows + min(highest, 0), columns - max(lowest, 0)))


def _lines(rows: int, columns: int, band: Band, align: str) -> Iterator[_Line]:
    longest = _longest(rows, columns, band)
    above, _, below = align.partition("_")
    for row, diagonal in enumerate(range(band[1], band[0] - 1, -1)):
        length = _length(rows, columns, diagonal)
        if not length:
            continue
        side = above if diagonal > 0 else below if diagonal < 0 else "LEFT"
        first = max(-diagonal, 0) * columns + max(diagonal, 0)
        place = slice(first, first + (length - 1) * (columns + 1) + 1, columns + 1)
        yield _Line(row, longest - length if side == "RIGHT" and diagonal else 0, place, length)


def _as_rows(diagonal: Any, band: Band) -> Any:
    """The values of a band with an axis of diagonals, also of a single one."""
    if band[0] != band[1]:
        return diagonal
    return namespace(diagonal).reshape(diagonal, (*diagonal.shape[:-1], 1, diagonal.shape[-1]))


def _written(flat: Any, diagonal: Any, rows: int, columns: int, band: Band, align: str) -> Any:
    """The flat matrices, a new array, with these diagonals written into it."""
    values = _as_rows(diagonal, band)
    for line in _lines(rows, columns, band, align):
        flat[..., line.place] = values[..., line.row, line.start : line.start + line.length]
    return namespace(flat).reshape(flat, (*flat.shape[:-1], rows, columns))


def _full(like: Any, shape: tuple[int, ...], value: Any) -> Any:
    if is_text(like):
        return np.full(shape, b"", dtype=object)
    xp = namespace(like)
    if like.dtype == xp.bool:
        value = bool(value)
    return xp.full(shape, value, dtype=like.dtype, device=device(like))


# -- matrices of diagonals


def _sizes(longest: int, band: Band, rows: int, columns: int) -> tuple[int, int]:
    """The sizes of a matrix; ShapeError for sizes that do not fit the diagonals."""
    fewest = longest - min(band[1], 0), longest + max(band[0], 0)
    if rows == columns == -1:
        return max(fewest), max(fewest)
    found = fewest[0] if rows == -1 else rows, fewest[1] if columns == -1 else columns
    if found[0] < fewest[0] or found[1] < fewest[1]:
        raise ShapeError(
            f"The number of rows or columns, {list(found)}, is too small: it must be {list(fewest)} at least"
        )
    if found[0] != fewest[0] and found[1] != fewest[1]:
        raise ShapeError(
            f"The number of rows or columns, {list(found)}, is not consistent with the length of the longest diagonal, "
            f"{longest}"
        )
    return found


def _diag_spec(
    diagonal: TensorSpec, k: Band, num_rows: int, num_cols: int, padding_value: Any, align: str
) -> TensorSpec:
    is_band = k[0] != k[1]
    of_rank_at_least(diagonal, 1 + is_band)
    if diagonal.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, diagonal.dtype)
    *outer, longest = diagonal.shape.known
    if is_band and outer.pop() not in (k[1] - k[0] + 1, None):
        raise ShapeError(f"diagonal has the shape {diagonal.shape}, and k={k} are {k[1] - k[0] + 1} diagonals")
    sizes = (None, None) if longest is None else _sizes(longest, k, num_rows, num_cols)
    return TensorSpec(TensorShape([*outer, *sizes]), diagonal.dtype)


def _diag_kernel(diagonal: Any, k: Band, num_rows: int, num_cols: int, padding_value: Any, align: str) -> Any:
    rows, columns = _sizes(diagonal.shape[-1], k, num_rows, num_cols)
    outer = diagonal.shape[: -1 if k[0] == k[1] else -2]
    return _written(_full(diagonal, (*outer, rows * columns), padding_value), diagonal, rows, columns, k, align)


def _diag_gradient(op: Operation, dy: Tensor) -> Tensor:
    return matrix_diag_part(dy, k=op.attrs["k"], align=op.attrs["align"])


define("MatrixDiag", spec=_diag_spec, kernel=checked(_diag_spec, _diag_kernel), gradient=_diag_gradient)

# -- diagonals of matrices


def _part_spec(x: TensorSpec, k: Band, padding_value: Any, align: str) -> TensorSpec:
    return TensorSpec(_part_shape(x, k), x.dtype)


def _part_shape(x: TensorSpec, k: Band) -> TensorShape:
    found = stack(x)
    if found.rows is None or found.columns is None:
        longest = None
    else:
        _in_bounds(found.rows, found.columns, k)
        longest = _longest(found.rows, found.columns, k)
    return found.of(longest) if k[0] == k[1] else found.of(k[1] - k[0] + 1, longest)


def _in_bounds(rows: int, columns: int, k: Band) -> None:
    for what, diagonal in (("lower", k[0]), ("upper", k[1])):
        if diagonal and not -rows < diagonal < columns:
            raise ShapeError(f"{what}_diag_index {diagonal} is out of bound: it must be between {-rows} and {columns}")


def _part_kernel(x: Any, k: Band, padding_value: Any, align: str) -> Any:
    rows, columns = x.shape[-2:]
    xp, outer = namespace(x), x.shape[:-2]
    flat = xp.reshape(x, (*outer, rows * columns))
    band = _full(x, (*outer, k[1] - k[0] + 1, _longest(rows, columns, k)), padding_value)
    for line in _lines(rows, columns, k, align):
        band[..., line.row, line.start : line.start + line.length] = flat[..., line.place]
    return band[..., 0, :] if k[0] == k[1] else band


def _part_gradient(op: Operation, dy: Tensor) -> Tensor:
    return matrix_set_diag(zeros_like(op.inputs[0]), dy, k=op.attrs["k"], align=op.attrs["align"])


define("MatrixDiagPart", spec=_part_spec, kernel=checked(_part_spec, _part_kernel), gradient=_part_gradient)

# -- matrices with other diagonals


def _set_spec(x: TensorSpec, diagonal: TensorSpec, k: Band, align: str) -> TensorSpec:
    same_dtype(x, diagonal)
    wanted = _part_shape(x, k)
    if not diagonal.shape.is_compatible_with(wanted):
        rank = "Shape must be at least rank 1 but is rank 0: " if diagonal.shape.ndims == 0 else ""
        raise ShapeError(
            f"{rank}diagonal must have the shape {bracket(wanted.known)}, but received input shape: "
            f"{bracket(x.shape.known)} and diagonal shape: {bracket(diagonal.shape.known)}"
        )
    of_rank_at_least(diagonal, 1)
    if x.shape.ndims is None and diagonal.shape.ndims is not None:
        return TensorSpec(_outer_of(diagonal.shape, k).concatenate([None, None]), x.dtype)
    return TensorSpec(stack(x).outer.merge_with(_outer_of(diagonal.shape, k)).concatenate(x.shape[-2:]), x.dtype)


def _outer_of(diagonal: TensorShape, k: Band) -> TensorShape:
    return diagonal if diagonal.ndims is None else TensorShape(diagonal.known[: -1 if k[0] == k[1] else -2])


def _set_kernel(x: Any, diagonal: Any, k: Band, align: str) -> Any:
    rows, columns = x.shape[-2:]
    xp = namespace(x)
    flat = xp.asarray(xp.reshape(x, (*x.shape[:-2], rows * columns)), copy=True)
    return _written(flat, diagonal, rows, columns, k, align)


def _set_gradient(op: Operation, dy: Tensor) -> tuple[Tensor, Tensor]:
    attrs = {"k": op.attrs["k"], "align": op.attrs["align"]}
    return matrix_set_diag(dy, zeros_like(op.inputs[1]), **attrs), matrix_diag_part(dy, **attrs)


define("MatrixSetDiag", spec=_set_spec, kernel=checked(_set_spec, _set_kernel), gradient=_set_gradient)
