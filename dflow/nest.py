"""Nested structures of lists, tuples, named tuples and dicts: flatten them, and build them again.

    nest.flatten({"b": 2, "a": (1, [3])})                      # [1, 3, 2]: dicts in the order of their sorted keys
    nest.pack_sequence_as({"b": 2, "a": (1, [3])}, [7, 8, 9])   # {"b": 9, "a": (7, [8])}

A string, an array, a tensor, a variable and None are leaves.  Objects of several tensors, such as SparseTensor, are
leaves, too, unless `expand_composites`.
Source: tf.nest of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any


def is_nested(seq: Any) -> bool:
    """Whether it is a list, a tuple or a dict."""
    return isinstance(seq, (Mapping, list, tuple)) or _is_attrs(seq)


is_sequence = is_nested


def flatten(structure: Any, expand_composites: bool = False) -> list[Any]:
    """The leaves, in order; of a leaf, a list of itself."""
    return list(_leaves(structure, expand_composites))


def pack_sequence_as(structure: Any, flat_sequence: Sequence[Any], expand_composites: bool = False) -> Any:
    """The leaves in a structure of the same form.

    ValueError if the structure has another number of leaves; TypeError if the leaves are no sequence.
    """
    if not isinstance(flat_sequence, (list, tuple)):
        raise TypeError(f"flat_sequence must be a sequence, got {type(flat_sequence).__name__}: {flat_sequence!r}")
    count = len(flatten(structure, expand_composites))
    if not (is_nested(structure) or (expand_composites and is_composite(structure))):
        if len(flat_sequence) != 1:
            raise ValueError(f"Structure is a scalar but len(flat_sequence) == {len(flat_sequence)} > 1")
        return flat_sequence[0]
    if count != len(flat_sequence):
        raise ValueError(
            f"Could not pack sequence. Structure had {count} elements, but flat_sequence had {len(flat_sequence)} "
            f"elements.  Structure: {structure}, flat_sequence: {flat_sequence}."
        )
    return _packed(structure, iter(flat_sequence), expand_composites)


def map_structure(func: Callable[..., Any], *structure: Any, **kwargs: Any) -> Any:
    """The structure whose leaves are those of `func`, called with a leaf of each of the structures.

    check_types, expand_composites: as in `assert_same_structure`.  TypeError if `func` is no function; the errors of
    `assert_same_structure`; ValueError for no structure, and for other arguments.
    """
    if not callable(func):
        raise TypeError(f"func must be callable, got: {func}")
    check_types = kwargs.pop("check_types", True)
    expand = kwargs.pop("expand_composites", False)
    if kwargs:
        raise ValueError(f"Only valid keyword arguments are `check_types` and `expand_composites`, not {list(kwargs)}")
    if not structure:
        raise ValueError("Must provide at least one structure")
    for other in structure[1:]:
        assert_same_structure(structure[0], other, check_types, expand)
    leaves = zip(*(flatten(one, expand) for one in structure), strict=True)
    return pack_sequence_as(structure[0], [func(*leaf) for leaf in leaves], expand)


def assert_same_structure(nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False) -> None:
    """Check that two structures have the same form.

    ValueError if they nest differently, or if dicts have different keys; with `check_types`, TypeError if their
    sequences are of different types.
    """
    try:
        _compare(nest1, nest2, check_types, expand_composites)
    except (ValueError, TypeError) as error:
        raise type(error)(
            f"The two structures don't have the same nested structure.\n\nFirst structure: {nest1}\n\n"
            f"Second structure: {nest2}\n\nMore specifically: {error}"
        ) from None


def _compare(one: Any, other: Any, check_types: bool, expand: bool) -> None:
    nested = _is_inner(one, expand), _is_inner(other, expand)
    if nested[0] != nested[1]:
        which = ("First", "Second") if nested[0] else ("Second", "First")
        raise ValueError(f'Substructure "{which[0]}" is a sequence, while substructure "{which[1]}" is not')
    if not nested[0]:
        return
    if check_types and not _same_type(one, other):
        raise TypeError(
            f"The two structures don't have the same sequence type. First structure has type {type(one)}, while "
            f"second structure has type {type(other)}."
        )
    if isinstance(one, Mapping) and isinstance(other, Mapping) and set(one) != set(other):
        raise ValueError(
            f"The two dictionaries don't have the same set of keys. First structure has keys {list(one)}, while "
            f"second structure has keys {list(other)}."
        )
    mine, others = list(_children(one, expand)), list(_children(other, expand))
    if len(mine) != len(others):
        raise ValueError(
            "The two structures don't have the same number of elements. "
            f"First structure: {one} has {len(mine)}, second structure: {other} has {len(others)}"
        )
    for a, b in zip(mine, others, strict=True):
        _compare(a, b, check_types, expand)


def _same_type(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return True
    if hasattr(one, "_fields") and hasattr(other, "_fields"):  # named tuples of one form
        return type(one).__name__ == type(other).__name__ and one._fields == other._fields
    return type(one) is type(other)


def _leaves(structure: Any, expand: bool) -> Iterator[Any]:
    if not _is_inner(structure, expand):
        yield structure
        return
    for child in _children(structure, expand):
        yield from _leaves(child, expand)


def _is_inner(structure: Any, expand: bool) -> bool:
    return is_nested(structure) or (expand and is_composite(structure))


def _children(structure: Any, expand: bool) -> Iterator[Any]:
    if isinstance(structure, Mapping):
        yield from (structure[key] for key in _keys(structure))
    elif _is_attrs(structure):
        yield from (getattr(structure, field.name) for field in structure.__attrs_attrs__)
    elif isinstance(structure, (list, tuple)):
        yield from structure
    else:
        yield from structure._parts()


def _keys(structure: Mapping[Any, Any]) -> list[Any]:
    try:
        return sorted(structure)
    except TypeError:
        raise TypeError("nest only supports dicts with sortable keys.") from None


def _packed(structure: Any, leaves: Iterator[Any], expand: bool) -> Any:
    if not _is_inner(structure, expand):
        return next(leaves)
    values = [_packed(child, leaves, expand) for child in _children(structure, expand)]
    kind: Any = type(structure)
    if isinstance(structure, Mapping):
        by_key = dict(zip(_keys(structure), values, strict=True))
        ordered = [(key, by_key[key]) for key in structure]
        return kind(structure.default_factory, ordered) if hasattr(structure, "default_factory") else kind(ordered)
    if _is_attrs(structure) or hasattr(structure, "_fields"):
        return kind(*values)
    if isinstance(structure, (list, tuple)):
        return kind(values)
    return structure._with_parts(values)


def _is_attrs(structure: Any) -> bool:
    return hasattr(type(structure), "__attrs_attrs__")


def is_composite(structure: Any) -> bool:
    """Whether it is an object of several tensors, such as SparseTensor."""
    return hasattr(structure, "_with_parts")
