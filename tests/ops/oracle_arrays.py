"""Lines of the oracle table: array operations, segments, order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import dflow as df
from dflow.ops.array.partition import parallel_dynamic_stitch
from dflow.ops.array.tensor_scatter import scatter_nd_non_aliasing_add
from dflow.ops.order.search import lower_bound, upper_bound
from dflow.ops.order.top_k import nth_element
from tests.ops.cases import Case, positive, real, truth, whole

Array = np.ndarray[Any, Any]
IDS = np.array([0, 0, 1, 3, 3, 3], np.int32)  # sorted numbers of segments; 2 has no rows
ANY_IDS = np.array([[3, 0], [-1, 3], [1, 0]], np.int32)
PAIRS = np.array([[2, 0], [0, 1], [2, 0]], np.int64)


def numbers(*values: int) -> Array:
    return np.array(values, np.int32)


def segments(function: Callable[..., Any], empty: float = 0.0) -> Callable[[Array, Array], Array]:
    """Each segment by itself."""

    def judge(data: Array, ids: Array, count: int | None = None) -> Array:
        rows = int(ids.max()) + 1 if count is None else int(count)
        flat = data.reshape(-1, *data.shape[ids.ndim :])
        return np.stack(
            [
                function(flat[ids.ravel() == i], axis=0)
                if (ids == i).any()
                else np.full(flat.shape[1:], empty, data.dtype)
                for i in range(rows)
            ]
        )

    return judge


def sqrt_n(rows: Array, axis: int) -> Array:
    return rows.sum(axis) / np.sqrt(rows.shape[axis])


def sorted_case(build: Callable[..., Any], function: Callable[..., Any], empty: float = 0.0, **more: Any) -> list[Case]:
    judge = segments(function, empty)
    return [
        Case(build, judge, (positive(6, 2), IDS), (1,), **more),
        Case(build, judge, (positive(6), IDS), (1,), **more),
    ]


def unsorted_case(build: Callable[..., Any], function: Callable[..., Any], empty: float) -> list[Case]:
    judge = segments(function, empty)
    return [
        Case(build, judge, (positive(3, 2, 2), ANY_IDS, np.int32(5)), (1, 2)),
        Case(build, judge, (positive(6), np.array([4, 0, 4, 2, 0, 0]), np.int32(5)), (1, 2)),
        Case(lambda data, ids: build(data, ids, 4), judge, (whole(6, 2), IDS), (1,)),
    ]


def extreme_case(build: Callable[..., Any], function: Callable[..., Any], empty: int) -> list[Case]:
    judge = segments(function, empty)
    return [
        Case(build, judge, (positive(3, 2, 2), np.array([[1, 0], [-1, 1], [1, 0]]), np.int32(2)), (1, 2)),
        Case(build, judge, (whole(6, 2), IDS, np.int32(5)), (1, 2)),
    ]


def sparse_case(build: Callable[..., Any], function: Callable[..., Any]) -> tuple[list[Case], list[Case]]:
    judge = segments(function)
    places = numbers(4, 0, 0, 2, 1, 3)
    plain = Case(build, lambda x, i, ids: judge(x[i], ids), (real(5, 2), places, IDS), (1, 2))
    counted = Case(
        lambda x, i, ids, n: build(x, i, ids, num_segments=n),
        lambda x, i, ids, n: judge(x[i], ids, n),
        (real(5, 2), places, IDS, np.int32(6)),
        (1, 2, 3),
    )
    return [plain], [counted]


def updated(change: Callable[..., Any]) -> Callable[[Array, Array, Array], Array]:
    def judge(x: Array, places: Array, updates: Array) -> Array:
        result = x.copy()
        for place, update in zip(places.reshape(-1, places.shape[-1]), updates.reshape(len(places), -1), strict=True):
            key = tuple(place)
            result[key] = change(result[key], update.reshape(np.shape(result[key])))
        return result

    return judge


def scattered(build: Callable[..., Any], change: Callable[..., Any], places: Array = PAIRS) -> list[Case]:
    return [
        Case(build, updated(change), (real(3, 2), places, real(len(places))), (1,)),
        Case(build, updated(change), (real(4, 2), places[:, :1], real(len(places), 2)), (1,)),
    ]


def distinct(x: Array) -> tuple[list[int], list[int], list[int]]:
    values = list(dict.fromkeys(x.tolist()))
    return values, [values.index(item) for item in x.tolist()], [x.tolist().count(item) for item in values]


def reversed_part(x: Array, lengths: Array) -> Array:
    """Along axis 1, for each index of axis 0."""
    return np.stack([np.concatenate([row[:n][::-1], row[n:]]) for row, n in zip(x, lengths, strict=True)])


def to_batch(x: Array) -> Array:
    """Blocks of 2 by 1, with a row of zeros before the image."""
    padded = np.pad(x, [(0, 0), (1, 0), (0, 0), (0, 0)])
    return np.concatenate([padded[:, 0::2], padded[:, 1::2]])


def to_depth(x: Array) -> Array:
    return np.concatenate([x[:, i::2, j::2] for i in range(2) for j in range(2)], axis=-1)


def patches(x: Array, size: int, stride: int, rate: int, same: bool) -> Array:
    reach = (size - 1) * rate + 1
    if same:
        count = -(-x.shape[1] // stride)
        pad = max(0, (count - 1) * stride + reach - x.shape[1])
        x = np.pad(x, [(0, 0), *[(pad // 2, pad - pad // 2)] * (x.ndim - 2), (0, 0)])
    count = (x.shape[1] - reach) // stride + 1
    result = np.zeros((x.shape[0], *[count] * (x.ndim - 2), size ** (x.ndim - 2) * x.shape[-1]))
    for place in itertools.product(range(count), repeat=x.ndim - 2):
        inside = tuple(slice(i * stride, i * stride + reach, rate) for i in place)
        result[(slice(None), *place)] = x[(slice(None), *inside)].reshape(x.shape[0], -1)
    return result


def largest(x: Array, k: int = 2) -> list[Array]:
    order = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    return [np.take_along_axis(x, order, -1), order]


_SUMS, _SUMS_N = sparse_case(df.sparse_segment_sum, np.sum)
_MEANS, _MEANS_N = sparse_case(df.sparse_segment_mean, np.mean)
_ROOTS, _ROOTS_N = sparse_case(df.sparse_segment_sqrt_n, sqrt_n)

ARRAYS: dict[str, list[Case]] = {
    "SelectV2": [
        Case(df.where_v2, np.where, (truth(2, 1), real(3), real(2, 3))),
        Case(df.where_v2, np.where, (truth(2, 3), real(), real(2, 3))),
    ],
    "ShapeN": [
        Case(lambda x, y: df.shape_n([x, y]), lambda x, y: [numbers(2, 3), numbers(4)], (real(2, 3), real(4))),
    ],
    "IdentityN": [
        Case(lambda x, y: df.identity_n([x, y]), lambda x, y: [x, y], (real(2, 3), whole(4))),
        Case(lambda x: df.identity_n([x]), lambda x: [x], (real(2, 3),)),
    ],
    "GuaranteeConst": [Case(df.guarantee_const, np.array, (real(2, 3),))],
    "BroadcastArgs": [
        Case(
            df.broadcast_dynamic_shape,
            lambda a, b: np.array(np.broadcast_shapes(tuple(a), tuple(b)), np.int32),
            (numbers(2, 1, 3), numbers(4, 1)),
            (0, 1),
        )
    ],
    "BroadcastGradientArgs": [
        Case(
            lambda a, b: df.raw_ops.BroadcastGradientArgs(s0=a, s1=b),
            lambda a, b: [np.array([1], np.int32), np.array([0, 2], np.int32)],
            (np.array([2, 1, 3], np.int32), np.array([4, 1], np.int32)),
            (0, 1),
        )
    ],
    "ConcatOffset": [
        Case(
            lambda axis, a, b: df.raw_ops.ConcatOffset(concat_dim=axis, shape=[a, b]),
            lambda axis, a, b: [np.zeros(2, np.int32), np.array([0, 3], np.int32)],
            (np.array(1, np.int32), np.array([2, 3], np.int32), np.array([2, 5], np.int32)),
            (0, 1, 2),
        )
    ],
    # order of values
    "ReverseV2": [
        Case(lambda x: df.reverse(x, [0, -1]), lambda x: x[::-1, :, ::-1], (real(2, 3, 4),)),
        Case(df.reverse, lambda x, axis: x[:, ::-1], (real(2, 3), numbers(1)), (1,)),
    ],
    "ReverseSequence": [
        Case(lambda x, n: df.reverse_sequence(x, n, 1), reversed_part, (real(3, 4, 2), np.array([0, 2, 4])), (1,)),
        Case(
            lambda x, n: df.reverse_sequence(x, n, 0, 1),
            lambda x, n: reversed_part(x.swapaxes(0, 1), n).swapaxes(0, 1),
            (real(4, 3, 2), np.array([3, 1, 4])),
            (1,),
        ),
    ],
    "Roll": [
        Case(lambda x: df.roll(x, 2, 1), lambda x: np.roll(x, 2, 1), (real(2, 3),)),
        Case(
            lambda x, n, axis: df.roll(x, n, axis),
            lambda x, n, axis: np.roll(x, tuple(n), tuple(axis)),
            (real(4, 3), numbers(1, -2, 5), numbers(0, -1, 0)),
            (1, 2),
        ),
    ],
    "LinSpace": [
        Case(
            lambda a, b: df.linspace(a, b, 5), lambda a, b: np.linspace(a, b, 5), (np.array(1.0), np.array(3.0)), (0, 1)
        ),
        Case(lambda a, b: df.lin_space(a, b, 1), lambda a, b: np.array([a]), (np.array(1.0), np.array(3.0)), (0, 1)),
    ],
    "UnravelIndex": [
        Case(
            df.unravel_index,
            lambda i, n: np.stack(np.unravel_index(i, tuple(n))),
            (numbers(22, 41), numbers(7, 6)),
            (1,),
        ),
        Case(df.unravel_index, lambda i, n: np.array([3, 4]), (np.int32(22), numbers(7, 6)), (1,)),
    ],
    # indices of several axes
    "GatherNd": [
        Case(df.gather_nd, lambda x, i: x[tuple(i.T)], (real(3, 2, 4), PAIRS), (1,)),
        Case(df.gather_nd, lambda x, i: x[i[..., 0]], (real(3, 2), whole(2, 2, 1, low=0, high=3)), (1,)),
        Case(df.gather_nd, lambda x, i: x[i[:, 0]], (real(3, 2), whole(4, 1, low=0, high=3)), (1,)),
        Case(df.gather_nd, lambda x, i: x[tuple(i)], (real(3, 2), numbers(2, 1)), (1,)),
        Case(
            lambda x, i: df.gather_nd(x, i, batch_dims=1),
            lambda x, i: np.stack([a[b[:, 0]] for a, b in zip(x, i, strict=True)]),
            (real(3, 4, 2), whole(3, 2, 1, low=0, high=4)),
            (1,),
            unknown=False,
        ),
    ],
    "ScatterNd": [
        Case(
            lambda i, u: df.scatter_nd(i, u, [3, 2, 2]),
            lambda i, u: updated(np.add)(np.zeros((3, 2, 2)), i, u),
            (PAIRS, real(3, 2)),
            (0,),
        ),
        Case(
            df.scatter_nd,
            lambda i, u, n: updated(np.add)(np.zeros(tuple(n)), i, u),
            (numbers(4, 1, 4)[:, None], real(3), numbers(6)),
            (0, 2),
        ),
    ],
    "TensorScatterUpdate": scattered(df.tensor_scatter_update, lambda old, new: new, PAIRS[:2]),
    "TensorScatterAdd": scattered(df.tensor_scatter_add, np.add),
    "TensorScatterSub": scattered(df.tensor_scatter_sub, np.subtract),
    "TensorScatterMin": scattered(df.tensor_scatter_nd_min, np.minimum),
    "TensorScatterMax": scattered(df.tensor_scatter_nd_max, np.maximum),
    "ScatterNdNonAliasingAdd": scattered(scatter_nd_non_aliasing_add, np.add),
    # partitions
    "DynamicPartition": [
        Case(
            lambda x, i: df.dynamic_partition(x, i, 3),
            lambda x, i: [x[i == k] for k in range(3)],
            (real(4, 2), numbers(2, 0, 2, 0)),
            (1,),
        ),
        Case(
            lambda x, i: df.dynamic_partition(x, i, 2),
            lambda x, i: [x[i == k] for k in range(2)],
            (real(2, 3), numbers(1, 0, 1, 1, 0, 1).reshape(2, 3)),
            (1,),
        ),
    ],
    "DynamicStitch": [
        Case(
            lambda i, j, x, y: df.dynamic_stitch([i, j], [x, y]),
            lambda i, j, x, y: np.stack([x[0], y[0, 0], x[1], y[0, 1]]),
            (numbers(0, 2), numbers(1, 3)[None], real(2, 2), real(1, 2, 2)),
            (0, 1),
        )
    ],
    "ParallelDynamicStitch": [
        Case(
            lambda i, x: parallel_dynamic_stitch([i], [x]),
            lambda i, x: x[[2, 0, 1]],
            (numbers(1, 2, 0), real(3)),
            (0,),
        )
    ],
    "Unique": [
        Case(lambda x: df.unique(x), lambda x: list(map(np.array, distinct(x)[:2])), (numbers(7, 2, 7, 0, 2),)),
        Case(lambda x: df.unique(x, "int64").idx, lambda x: np.array(distinct(x)[1]), (numbers(1, 1, 0),)),
    ],
    "UniqueWithCounts": [
        Case(lambda x: df.unique_with_counts(x), lambda x: list(map(np.array, distinct(x))), (numbers(7, 2, 7, 0, 2),)),
    ],
    "ListDiff": [
        Case(
            lambda x, y: df.setdiff1d(x, y),
            lambda x, y: [np.array([5, 5, 9]), np.array([1, 2, 4])],
            (numbers(1, 5, 5, 2, 9), numbers(2, 1)),
        ),
    ],
    # images
    "SpaceToBatchND": [
        Case(lambda x: df.space_to_batch_nd(x, [2, 1], [[1, 0], [0, 0]]), to_batch, (real(2, 3, 2, 1),)),
        Case(
            df.space_to_batch_nd,
            lambda x, n, p: to_batch(x),
            (real(2, 3, 2, 1), numbers(2, 1), np.array([[1, 0], [0, 0]])),
            (1, 2),
        ),
    ],
    "BatchToSpaceND": [
        Case(
            lambda x: df.batch_to_space_nd(x, [2], [[1, 0]]),
            lambda x: np.stack([x[:2], x[2:]], axis=2).reshape(2, 6)[:, 1:],
            (real(4, 3),),
        ),
    ],
    "SpaceToDepth": [
        Case(lambda x: df.space_to_depth(x, 2), to_depth, (real(2, 4, 2, 3),)),
        Case(
            lambda x: df.space_to_depth(x, 2, data_format="NCHW"),
            lambda x: np.moveaxis(to_depth(np.moveaxis(x, 1, -1)), -1, 1),
            (real(2, 3, 4, 2),),
        ),
    ],
    "DepthToSpace": [
        Case(
            lambda x, order=order: df.space_to_depth(df.depth_to_space(x, 2, None, order), 2, None, order),
            lambda x: x,
            (real(*shape),),
        )
        for order, shape in (("NHWC", (2, 2, 1, 8)), ("NCHW", (2, 8, 2, 1)))
    ],
    "ExtractImagePatches": [
        Case(
            lambda x, size=size, stride=stride, rate=rate, same=same: df.extract_image_patches(
                x, [1, size, size, 1], [1, stride, stride, 1], [1, rate, rate, 1], "SAME" if same else "VALID"
            ),
            lambda x, size=size, stride=stride, rate=rate, same=same: patches(x, size, stride, rate, same),
            (real(1, 5, 5, 2),),
        )
        for size, stride, rate, same in ((2, 1, 1, False), (2, 2, 2, False), (3, 2, 1, True))
    ],
    "ExtractVolumePatches": [
        Case(
            lambda x: df.extract_volume_patches(x, [1, 2, 2, 2, 1], [1, 1, 1, 1, 1], "VALID"),
            lambda x: patches(x, 2, 1, 1, False),
            (real(1, 3, 3, 3, 1),),
        )
    ],
    # segments
    "SegmentSum": [
        *sorted_case(df.segment_sum, np.sum),
        Case(df.segment_sum, segments(np.sum), (whole(6, 2), IDS), (1,)),
    ],
    "SegmentMean": sorted_case(df.segment_mean, np.mean),
    "SegmentProd": sorted_case(df.segment_prod, np.prod, 1.0),
    "SegmentMin": sorted_case(df.segment_min, np.min),
    "SegmentMax": sorted_case(df.segment_max, np.max),
    "UnsortedSegmentSum": [
        *unsorted_case(df.unsorted_segment_sum, np.sum, 0),
        Case(df.unsorted_segment_mean, segments(np.mean), (real(3, 2, 2), ANY_IDS, np.int32(5)), (1, 2)),
        Case(df.unsorted_segment_sqrt_n, segments(sqrt_n), (real(3, 2, 2), ANY_IDS, np.int32(5)), (1, 2)),
    ],
    "UnsortedSegmentProd": unsorted_case(df.unsorted_segment_prod, np.prod, 1),
    "UnsortedSegmentMin": extreme_case(df.unsorted_segment_min, np.min, np.iinfo(np.int32).max),
    "UnsortedSegmentMax": extreme_case(df.unsorted_segment_max, np.max, np.iinfo(np.int32).min),
    "SparseSegmentSum": _SUMS,
    "SparseSegmentMean": _MEANS,
    "SparseSegmentSqrtN": _ROOTS,
    "SparseSegmentSumWithNumSegments": _SUMS_N,
    "SparseSegmentMeanWithNumSegments": _MEANS_N,
    "SparseSegmentSqrtNWithNumSegments": _ROOTS_N,
    # order
    "TopKV2": [
        Case(lambda x: df.nn.top_k(x, 2), largest, (real(2, 3, 4),)),
        Case(lambda x: df.nn.top_k(x, 2), largest, (real(2, 40),)),
        Case(lambda x: df.nn.top_k(x, 2), largest, (numbers(3, 5, 3, 5, 5, 1),)),
        Case(lambda x, k: df.nn.top_k(x, k), largest, (real(2, 4), np.int32(2)), (1,)),
        Case(lambda x: df.sort(x, 0), lambda x: np.sort(x, 0), (real(4, 3, 2),)),
        Case(lambda x: df.argsort(x), lambda x: np.argsort(x), (real(4, 3),)),
    ],
    "NthElement": [
        Case(
            lambda x, back=back: nth_element(x, 1, back),
            lambda x, back=back: np.sort(x, -1)[..., -2 if back else 1],
            (real(2, 4),),
        )
        for back in (False, True)
    ],
    "LowerBound": [
        Case(
            lower_bound, lambda a, v: np.stack([np.searchsorted(a[0], v[0])]), (np.array([[0.0, 1, 1, 3]]), real(1, 5))
        )
    ],
    "UpperBound": [
        Case(
            lambda a, v: upper_bound(a, v, "int64"),
            lambda a, v: np.stack([np.searchsorted(x, y, "right") for x, y in zip(a, v, strict=True)]),
            (np.array([[0, 1, 1, 3], [1, 2, 3, 4]]), np.array([[1, 0, 9], [1, 4, 0]])),
        )
    ],
}

NOT_JUDGED: dict[str, str] = {
    "Bitcast": "its values depend on the order of bytes: tests/ops/test_arrays_more.py",
    "EditDistance": "of sparse tensors: tests/ops/test_arrays_more.py",
    **dict.fromkeys(
        (
            *("Multinomial", "RandomGamma", "RandomGammaGrad", "RandomPoissonV2", "ParameterizedTruncatedNormal"),
            *("StatelessRandomUniform", "StatelessRandomNormal", "StatelessTruncatedNormal"),
            *("StatelessRandomUniformInt", "StatelessMultinomial"),
        ),
        "random: tests/ops/test_sampling.py",
    ),
    **dict.fromkeys(
        ("ImagePatchesGrad", "VolumePatchesGrad"),
        "part of a gradient, which the gradient's test judges, first and second",
    ),
}
