"""Sets in the rows of tensors, against Python's own sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors

RNG = np.random.default_rng(2)


def rows_of(value: Any) -> list[list[Any]]:
    """The rows of a sparse tensor of any rank, flat; in each, entries come in a row, from place 0 on."""
    found: list[list[Any]] = [[] for _ in range(int(np.prod(value.dense_shape[:-1])))]
    for place, entry in zip(value.indices.tolist(), value.values.tolist(), strict=True):
        row = found[int(np.ravel_multi_index(place[:-1], value.dense_shape[:-1]))]
        assert place[-1] == len(row)
        row.append(entry)
    assert max(map(len, found)) == value.dense_shape[-1]
    return found


def as_sparse(rows: np.ndarray) -> df.SparseTensor:
    """All values of an array as entries."""
    return df.SparseTensor(np.argwhere(np.ones(rows.shape)), df.constant(rows.ravel()), rows.shape)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, object])
@pytest.mark.parametrize("shape", [(3,), (2, 3)])
@pytest.mark.parametrize("forms", ["dense", "mixed", "mixed back", "sparse"])
def test_operations_are_those_of_sets(dtype: Any, shape: tuple[int, ...], forms: str) -> None:
    a, b = (RNG.integers(0, 6, size=(*shape, size)) for size in (4, 5))
    if dtype is object:
        a, b = (np.array([b"%d" % it for it in x.ravel()], object).reshape(x.shape) for x in (a, b))
    else:
        a, b = a.astype(dtype), b.astype(dtype)
    left = as_sparse(a) if forms in ("sparse", "mixed back") else df.constant(a)
    right = as_sparse(b) if forms in ("sparse", "mixed") else df.constant(b)
    operations = {
        df.sets.set_intersection: set.intersection,
        df.sets.set_union: set.union,
        df.sets.set_difference: set.difference,
        lambda x, y: df.sets.difference(x, y, aminusb=False): lambda x, y: y - x,
    }
    with df.Session() as session:
        for function, judge in operations.items():
            found = rows_of(session.run(function(left, right)))
            sets = zip(a.reshape(-1, 4).tolist(), b.reshape(-1, 5).tolist(), strict=True)
            assert found == [sorted(judge(set(x), set(y))) for x, y in sets]
        sizes = session.run(df.sets.size(as_sparse(a)))
        assert sizes.ravel().tolist() == [len(set(row)) for row in a.reshape(-1, 4).tolist()]


def test_what_makes_no_sets_is_an_error() -> None:
    assert df.sets.intersection is df.sets.set_intersection
    assert df.sets.union is df.sets.set_union
    with pytest.raises(TypeError, match="Expected `SparseTensor`"):
        df.sets.set_size(df.constant([[1]]))
    with pytest.raises(TypeError, match="invalid dtype float32"):
        df.sets.union([[1.0]], [[1.0]])
    unordered = df.SparseTensor([[1, 0], [0, 0]], [1, 2], [2, 2])
    with df.Session() as session:
        with pytest.raises(errors.InvalidArgumentError, match="out of order"):
            session.run(df.sets.size(unordered))
        with pytest.raises(errors.InvalidArgumentError, match="Mismatched group shapes"):
            session.run(df.sets.union([[1], [2]], [[1]]))
        assert session.run(df.sets.size(unordered, validate_indices=False)).tolist() == [1, 1]
