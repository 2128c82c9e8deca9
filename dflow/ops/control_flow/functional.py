"""Functions of functions: map_fn, scan, foldl, foldr.  Each is a loop over the rows of its elements.

    tf.map_fn(lambda x: x * x, tf.constant([1.0, 2.0]))          # [1, 4]
    tf.scan(lambda a, x: a + x, tf.constant([1.0, 2.0, 3.0]))    # [1, 3, 6]
    tf.foldl(lambda a, x: a + x, tf.constant([1.0, 2.0, 3.0]))   # 6

Source: functional_ops and map_fn of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow import nest
from dflow.graph import Tensor, convert_to_tensor, scopes
from dflow.ops.array.shape import shape
from dflow.ops.control_flow.tensor_array import TensorArray
from dflow.ops.control_flow.while_loop import while_loop
from dflow.ops.rules.static import graph_of
from dflow.shapes import TensorShape


def map_fn(
    fn: Callable[[Any], Any],
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
) -> Any:
    """The results of `fn` for each row of `elems`, stacked.

    elems: a tensor [n, ...], or a nested structure of such; `fn` gets a structure of rows.  dtype: the dtypes of its
    results, in their structure; None: those of `elems`.  infer_shape: whether all results have one shape.
    Raises TypeError for a function that is none, or a structure other than that of `dtype`; ValueError for scalars.
    Source: tf.map_fn.
    """
    _check_function(fn)
    graph, flat = _rows(elems)
    with scopes.building_in(graph), graph.name_scope(name or "map"):
        flat = _converted(flat)
        count = _count(flat)
        inputs = [_unstacked(x, count, infer_shape) for x in flat]
        structure = elems if dtype is None else dtype
        outputs = [
            TensorArray(kind, size=count, dynamic_size=False, infer_shape=infer_shape)
            for kind in ([x.dtype for x in flat] if dtype is None else nest.flatten(dtype))
        ]

        def compute(i: Tensor, arrays: Any) -> Any:
            result = fn(nest.pack_sequence_as(elems, [array.read(i) for array in inputs]))
            nest.assert_same_structure(structure, result)
            values = nest.flatten(result)
            return i + 1, [array.write(i, value) for array, value in zip(arrays, values, strict=True)]

        _, arrays = while_loop(
            lambda i, _: i < count,
            compute,
            (convert_to_tensor(0), outputs),
            parallel_iterations=parallel_iterations or 10,
            back_prop=back_prop,
            swap_memory=swap_memory,
            maximum_iterations=count,
        )
        return nest.pack_sequence_as(structure, _stacked(arrays, flat))


def scan(
    fn: Callable[[Any, Any], Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    reverse: bool = False,
    name: str | None = None,
) -> Any:
    """The results of `fn(result before, row)` for each row of `elems`, stacked.

    initializer: the result before the first row; None: the first row, and `fn` begins with the second one.
    reverse: from the last row to the first one; results stand at the places of their rows.
    Raises TypeError for a function that is none; ValueError for scalars, or structures that differ.
    Source: tf.scan.
    """
    _check_function(fn)
    graph, flat = _rows(elems)
    with scopes.building_in(graph), graph.name_scope(name or "scan"):
        flat = _converted(flat)
        count = _count(flat)
        inputs = [_unstacked(x, count, infer_shape) for x in flat]
        first, start = _first(elems, initializer, inputs, count, reverse)
        structure = elems if initializer is None else initializer
        outputs = [
            TensorArray(
                x.dtype,
                size=count,
                element_shape=x.shape if infer_shape else None,
                dynamic_size=False,
                infer_shape=infer_shape,
            )
            for x in first
        ]
        if initializer is None:
            place = count - 1 if reverse else 0
            outputs = [array.write(place, x) for array, x in zip(outputs, first, strict=True)]

        def compute(i: Tensor, before: Any, arrays: Any) -> Any:
            row = nest.pack_sequence_as(elems, [array.read(i) for array in inputs])
            result = fn(nest.pack_sequence_as(structure, before), row)
            nest.assert_same_structure(structure, result)
            values = nest.flatten(result)
            written = [array.write(i, value) for array, value in zip(arrays, values, strict=True)]
            return (i - 1 if reverse else i + 1), values, written

        _, _, arrays = while_loop(
            lambda i, *_: i >= 0 if reverse else i < count,
            compute,
            (start, first, outputs),
            parallel_iterations=parallel_iterations,
            back_prop=back_prop,
            swap_memory=swap_memory,
            maximum_iterations=count,
        )
        return nest.pack_sequence_as(structure, _stacked(arrays, flat))


def foldl(
    fn: Callable[[Any, Any], Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """The last result of `fn(result before, row)` for the rows of `elems`, from the first to the last one.

    Arguments and errors: as `scan`.  Source: tf.foldl.
    """
    return _fold(fn, elems, initializer, parallel_iterations, back_prop, swap_memory, name or "foldl", reverse=False)


def foldr(
    fn: Callable[[Any, Any], Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """The last result of `fn(result before, row)` for the rows of `elems`, from the last to the first one.

    Arguments and errors: as `scan`.  Source: tf.foldr.
    """
    return _fold(fn, elems, initializer, parallel_iterations, back_prop, swap_memory, name or "foldr", reverse=True)


def _fold(
    fn: Callable[[Any, Any], Any],
    elems: Any,
    initializer: Any,
    parallel_iterations: int,
    back_prop: bool,
    swap_memory: bool,
    name: str,
    reverse: bool,
) -> Any:
    _check_function(fn)
    graph, flat = _rows(elems)
    with scopes.building_in(graph), graph.name_scope(name):
        flat = _converted(flat)
        count = _count(flat)
        inputs = [_unstacked(x, count, True) for x in flat]
        first, start = _first(elems, initializer, inputs, count, reverse)
        structure = elems if initializer is None else initializer

        def compute(i: Tensor, before: Any) -> Any:
            row = nest.pack_sequence_as(elems, [array.read(i) for array in inputs])
            return (i - 1 if reverse else i + 1), fn(before, row)

        _, result = while_loop(
            lambda i, _: i >= 0 if reverse else i < count,
            compute,
            (start, nest.pack_sequence_as(structure, first)),
            parallel_iterations=parallel_iterations,
            back_prop=back_prop,
            swap_memory=swap_memory,
            maximum_iterations=count,
        )
        return result


# -- common parts


def _check_function(fn: Any) -> None:
    if not callable(fn):
        raise TypeError(f"{fn!r} is not callable")


def _rows(elems: Any) -> tuple[Any, list[Any]]:
    flat = nest.flatten(elems)
    return graph_of(flat), flat


def _converted(flat: list[Any]) -> list[Tensor]:
    tensors = [convert_to_tensor(x, name="elem") for x in flat]
    for tensor in tensors:
        if tensor.shape.ndims == 0:
            raise ValueError(f"elements in elems must be 1+ dimensional Tensors, not scalars: {tensor.name}")
    return tensors


def _count(flat: list[Tensor]) -> Any:
    """The number of rows: a number if it is known while the graph is built."""
    first = flat[0]
    sizes = TensorShape([None]) if first.shape.ndims is None else TensorShape(first.shape.as_list()[:1])
    for x in flat[1:]:
        if x.shape.ndims is not None:
            sizes = sizes.merge_with(TensorShape(x.shape.as_list()[:1]))
    known = sizes.as_list()[0]
    return shape(first)[0] if known is None else known


def _unstacked(x: Tensor, count: Any, infer_shape: bool) -> TensorArray:
    array = TensorArray(x.dtype, size=count, dynamic_size=False, infer_shape=infer_shape)
    return array.unstack(x)


def _first(
    elems: Any, initializer: Any, inputs: list[TensorArray], count: Any, reverse: bool
) -> tuple[list[Tensor], Tensor]:
    """The result before the first call, and the number of the row of that call."""
    last = convert_to_tensor(count - 1)
    if initializer is not None:
        values = [convert_to_tensor(x) for x in nest.flatten(initializer)]
        if not values:
            raise ValueError("initializer must be a Tensor or a structure of them, it has none")
        return values, last if reverse else convert_to_tensor(0)
    values = [array.read(last if reverse else 0) for array in inputs]
    return values, last - 1 if reverse else convert_to_tensor(1)


def _stacked(arrays: list[TensorArray], flat: list[Tensor]) -> list[Tensor]:
    results = [array.stack() for array in arrays]
    for result in results:
        rows = None if flat[0].shape.ndims is None else flat[0].shape.as_list()[0]
        if result.shape.ndims is not None:
            result.set_shape([rows, *result.shape.as_list()[1:]])
    return results


__all__ = ["foldl", "foldr", "map_fn", "scan"]
