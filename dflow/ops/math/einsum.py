"""Sums of products by the labels of axes: `einsum("ij,jk->ik", a, b)`.

The equation is resolved while the graph is built: an ellipsis becomes a label for each of its axes.  The kernel takes
two factors at a time and multiplies them as stacks of matrices, which the linear algebra of the machine does.
Source: special_math_ops.einsum of TensorFlow 1.15.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.fill import ones_like
from dflow.ops.linalg.diagonals import trace
from dflow.ops.math.arithmetic import conj
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.checked import checked
from dflow.ops.rules.like import sum_like
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import items_of, only, same_dtype, spec_of
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["einsum"]


def einsum(equation: str, *inputs: Any, **kwargs: Any) -> Tensor:
    """The sum, over the labels that the output lacks, of the products of the inputs.  Numbers.

    equation: a label (a letter) for each axis of each input, and behind `->` for each axis of the output, such as
    "bij,bjk->bik".  Without `->` the output has the labels that occur once, in alphabetical order.  `...` stands for
    axes that broadcast.
    name: the operation's name; optimize: accepted, without effect.
    ValueError for an equation that does not fit the inputs, or that repeats a label within one of them (only
    `einsum("ii", x)`, the trace, may); TypeError for other arguments.
    """
    name, _ = kwargs.pop("name", None), kwargs.pop("optimize", None)
    if kwargs:
        raise TypeError(f"invalid keyword arguments for this function: {', '.join(sorted(kwargs))}")
    with scope_of(inputs, name, "einsum") as scope:
        tensors = items_of(inputs, "Einsum")
        if re.fullmatch(r"([A-Za-z])\1", equation.replace(" ", "")) and len(tensors) == 1:
            return trace(tensors[0], name=scope)
        terms, output, broadcasts = _resolved(equation, tensors)
        return _einsum(terms, output, broadcasts, tensors, equation, scope)


def _einsum(
    terms: Sequence[str],
    output: str,
    broadcasts: str,
    tensors: Sequence[Tensor],
    equation: str | None = None,
    name: str | None = None,
) -> Tensor:
    equation = equation or f"{','.join(terms)}->{output}"
    result: Tensor = add_op(
        "Einsum", *tensors, name=name, equation=equation, terms=tuple(terms), output=output, broadcasts=broadcasts
    )
    return result


# -- the equation


def _resolved(equation: str, tensors: Sequence[Tensor]) -> tuple[list[str], str, str]:
    """The labels of each input and of the output, without ellipses, and the labels that stood for these."""
    equation = equation.replace(" ", "")
    if not re.fullmatch(r"[A-Za-z.]*(,[A-Za-z.]*)*(->[A-Za-z.]*)?", equation):
        raise ValueError(f"Indices have incorrect format: {equation}")
    left, arrow, output = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(tensors):
        raise ValueError(f'Got {len(tensors)} arguments for equation "{equation}", expecting {len(terms)}')
    if any("." in part.replace("...", "", 1) for part in (*terms, output)):
        raise ValueError(f"Indices have incorrect format: {equation}: the only dots are those of one ellipsis")
    if not arrow:
        counts = Counter(left.replace(",", "").replace(".", ""))
        output = ("..." if "..." in left else "") + "".join(sorted(label for label, n in counts.items() if n == 1))
    counts_of_axes = [_axes_of_ellipsis(term, tensor) for term, tensor in zip(terms, tensors, strict=True)]
    unused = [label for label in reversed(string.ascii_letters) if label not in equation]
    spread = "".join(reversed(unused[: max(counts_of_axes, default=0)]))
    terms = [term.replace("...", spread[len(spread) - n :]) for term, n in zip(terms, counts_of_axes, strict=True)]
    output = output.replace("...", spread)
    for term in (*terms, output):
        if len(set(term)) < len(term):
            raise ValueError(f"Subscript not supported: an axis appears more than once: {term}")
    missing = sorted(set(output) - set("".join(terms)))
    if missing:
        raise ValueError(f"Output axes {missing} of the equation {equation!r} are those of no input")
    return terms, output, spread


def _axes_of_ellipsis(term: str, tensor: Tensor) -> int:
    """The number of axes for which the ellipsis stands."""
    labels, rank = len(term.replace("...", "")), tensor.shape.ndims
    if "..." not in term:
        if rank is not None and rank != labels:
            raise ShapeError(f"{tensor.name} is of rank {rank}, and the equation has {labels} labels for it, {term!r}")
        return 0
    if rank is None:
        raise ValueError(f"the rank of {tensor.name} must be known for an ellipsis; use set_shape()")
    if rank < labels:
        raise ShapeError(f"{tensor.name} is of rank {rank}, and the equation has {labels} labels for it, {term!r}")
    return rank - labels


def _spec(*specs: TensorSpec, equation: str, terms: Sequence[str], output: str, broadcasts: str) -> TensorSpec:
    same_dtype(*specs)
    only(specs[0], specs[0].dtype.is_numeric, "numbers")
    sizes: dict[str, int | None] = {}
    for spec, term in zip(specs, terms, strict=True):
        if spec.shape.ndims is None:
            continue
        if spec.shape.ndims != len(term):
            raise ShapeError(f"Shape must be rank {len(term)} but is rank {spec.shape.ndims}, for the labels {term!r}")
        for label, size in zip(term, spec.shape, strict=True):
            before = sizes.get(label)
            if label in broadcasts and 1 in (before, size):
                sizes[label] = before if size == 1 and label in sizes else size
            elif before is not None and size is not None and before != size:
                raise ShapeError(f"Dimensions must be equal, but are {before} and {size} for the label {label!r}")
            elif before is None:
                sizes[label] = size
    return spec_of([sizes.get(label) for label in output], specs[0].dtype)


# -- the sum of products


def _kernel(*arrays: Any, equation: str, terms: Sequence[str], output: str, broadcasts: str) -> Any:
    factors = list(zip(arrays, terms, strict=True))
    while len(factors) > 1:
        first, second = _cheapest(factors, output)
        others = [factor for i, factor in enumerate(factors) if i not in (first, second)]
        needed = set(output).union(*(labels for _, labels in others))
        factors = [*others, _product(*factors[first], *factors[second], needed)]
    (array, labels), wanted = factors[0], set(output)
    array, labels = _summed(array, labels, wanted)
    xp = namespace(array)
    result = xp.permute_dims(array, tuple(labels.index(label) for label in output))
    return xp.astype(result, arrays[0].dtype, copy=False)  # of bfloat16, NumPy makes float32


def _cheapest(factors: Sequence[tuple[Any, str]], output: str) -> tuple[int, int]:
    """The two factors whose product is the smallest."""
    if len(factors) == 2:
        return 0, 1

    def values(i: int, j: int) -> int:
        needed = set(output).union(*(labels for k, (_, labels) in enumerate(factors) if k not in (i, j)))
        sizes: dict[str, int] = {}
        for array, labels in (factors[i], factors[j]):
            for label, size in zip(labels, array.shape, strict=True):
                sizes[label] = max(size, sizes.get(label, 0))
        return math.prod(size for label, size in sizes.items() if label in needed)

    pairs = [(i, j) for j in range(len(factors)) for i in range(j)]
    return min(pairs, key=lambda pair: values(*pair))


def _summed(array: Any, labels: str, needed: set[str]) -> tuple[Any, str]:
    """The sum over the labels that nothing needs."""
    gone = tuple(place for place, label in enumerate(labels) if label not in needed)
    if not gone:
        return array, labels
    kept = "".join(label for label in labels if label in needed)
    return namespace(array).sum(array, axis=gone, dtype=array.dtype), kept


def _product(x: Any, x_labels: str, y: Any, y_labels: str, needed: set[str]) -> tuple[Any, str]:
    """The product of two factors, summed over the labels that nothing else needs, and its labels.

    An axis of size 1 that broadcasts is not summed together with one of another size: the sum over it comes first.
    """
    x, x_labels = _summed(x, x_labels, needed | set(y_labels))
    y, y_labels = _summed(y, y_labels, needed | set(x_labels))
    sizes = {
        label: (x.shape[x_labels.index(label)], y.shape[y_labels.index(label)])
        for label in x_labels
        if label in y_labels
    }
    gone = [label for label, (a, b) in sizes.items() if label not in needed and a == b]
    both = [label for label in sizes if label not in gone]
    own = [label for label in x_labels if label not in sizes], [label for label in y_labels if label not in sizes]
    xp = namespace(x, y)
    left = xp.permute_dims(x, tuple(map(x_labels.index, (*both, *own[0], *gone))))
    right = xp.permute_dims(y, tuple(map(y_labels.index, (*both, *gone, *own[1]))))
    n = len(both)
    a, b = left.shape[n : n + len(own[0])], right.shape[right.ndim - len(own[1]) :]
    inner = math.prod(left.shape[n + len(own[0]) :])
    left = xp.reshape(left, (*left.shape[:n], math.prod(a), inner))
    right = xp.reshape(right, (*right.shape[:n], inner, math.prod(b)))
    product = _matrix_product(left, right)
    labels = "".join((*both, *own[0], *own[1]))
    return _summed(xp.reshape(product, (*product.shape[:n], *a, *b)), labels, needed)


def _matrix_product(x: Any, y: Any) -> Any:
    """The product of stacks of matrices; without a call for each matrix where these are small."""
    xp = namespace(x, y)
    if x.shape[-1] == 1:
        return x * y
    if x.shape[-2] == y.shape[-1] == 1 and x.ndim > 2:
        return xp.sum(x * xp.matrix_transpose(y), axis=-1, dtype=x.dtype, keepdims=True)
    return xp.matmul(x, y)


# -- the gradient


def _gradient(op: Operation, dy: Tensor) -> list[Tensor]:
    return [_gradient_of(op, place, dy) for place in range(len(op.inputs))]


def _gradient_of(op: Operation, place: int, dy: Tensor) -> Tensor:
    """The sum of products of dy and the other inputs; where no other has a label, ones of the input have it."""
    terms, x = op.attrs["terms"], op.inputs[place]
    others = [i for i in range(len(terms)) if i != place]
    factors = [dy, *(conj(op.inputs[i]) for i in others)]
    labels = [op.attrs["output"], *(terms[i] for i in others)]
    if not set(terms[place]) <= set("".join(labels)):
        factors.append(ones_like(x))
        labels.append(terms[place])
    return sum_like(_einsum(labels, terms[place], op.attrs["broadcasts"], factors), x)


define("Einsum", spec=_spec, kernel=checked(_spec, _kernel), gradient=_gradient)
