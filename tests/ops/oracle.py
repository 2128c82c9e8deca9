"""The oracle table: what each kind of operation computes, as NumPy says it, and on which inputs to try it.

A new operation is a line here.  `tests/ops/test_oracle.py` judges every line: values on NumPy and on the strictest of
array namespaces, first and second gradients by central differences, batch rules by single calls.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import dflow as df
from dflow.ops.array.constants import placeholder_with_default
from dflow.ops.control import identity
from tests.ops import oracle_sparse
from tests.ops.cases import Case, positive, real, truth, whole
from tests.ops.oracle_arrays import ARRAYS, NOT_JUDGED
from tests.ops.oracle_conv import CONVOLUTIONS, NOT_JUDGED_CONVOLUTIONS
from tests.ops.oracle_images import IMAGES, NOT_JUDGED_IMAGES
from tests.ops.oracle_linalg import LINALG, NOT_JUDGED_LINALG
from tests.ops.oracle_losses import JUDGED_BY_THEIR_OWN_TESTS
from tests.ops.oracle_math import MATH, NOT_JUDGED_MATH


def unary(build: Callable[..., Any], judge: Callable[..., Any], make: Callable[..., Any] = real) -> list[Case]:
    return [Case(build, judge, (make(2, 3),)), Case(build, judge, (make(),))]


def binary(build: Callable[..., Any], judge: Callable[..., Any], make: Callable[..., Any] = real) -> list[Case]:
    """Equal shapes, and every way to broadcast."""
    shapes = [((2, 3), (2, 3)), ((2, 3), ()), ((3,), (2, 3)), ((2, 1), (1, 3)), ((4, 2, 1), (3,))]
    return [Case(build, judge, (make(*x), make(*y))) for x, y in shapes]


def reduction(build: Callable[..., Any], judge: Callable[..., Any], make: Callable[..., Any] = real) -> list[Case]:
    def case(axis: Any, keepdims: bool) -> Case:
        return Case(
            lambda x: build(x, axis, keepdims),
            lambda x: judge(x, axis=axis, keepdims=keepdims),
            (make(2, 3, 2),),
        )

    cases = [case(axis, keepdims) for axis in (None, 0, -1, (0, 2), (1, -1)) for keepdims in (False, True)]
    at_run_time = Case(
        lambda x, axis: build(x, axis), lambda x, axis: judge(x, axis=tuple(axis)), (make(2, 3), np.array([1])), (1,)
    )
    scalar = Case(lambda x: build(x), lambda x: judge(x, axis=None), (make(),))
    return [*cases, at_run_time, scalar]


def log_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def probabilities(*shape: int) -> np.ndarray:
    found = positive(*shape)
    return found / found.sum(axis=-1, keepdims=True)


def select(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if condition.ndim == 1:
        condition = condition.reshape(-1, *(1,) * (x.ndim - 1))
    return np.where(condition, x, y)


def at(key: Any) -> Case:
    return Case(lambda x: x[key], lambda x: x[key], (real(4, 3, 5),))


def cumsum(exclusive: bool, reverse: bool) -> Case:
    def judge(x: np.ndarray) -> np.ndarray:
        values = x[:, ::-1] if reverse else x
        total = values.cumsum(axis=1) - (values if exclusive else 0)
        return total[:, ::-1] if reverse else total

    return Case(lambda x: df.cumsum(x, 1, exclusive, reverse), judge, (real(2, 4),))


def sparse_loss(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return -np.take_along_axis(log_softmax(logits), labels[..., None], axis=-1)[..., 0]


def sum_at(rows: int, indices: np.ndarray, values: np.ndarray) -> np.ndarray:
    total = np.zeros((rows, *values.shape[1:]))
    np.add.at(total, indices, values)
    return total


def top_k(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    order = np.argsort(-predictions, axis=1)[:, :2]
    return (order == targets[:, None]).any(axis=1)


def of_any_shape(kind: str, x: Any, **attrs: Any) -> Any:
    """The operation itself, in whose place there may be a constant."""
    return df.add_op(kind, x, **attrs)


def sizes(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int32)


ORACLE: dict[str, list[Case]] = {
    **CONVOLUTIONS,
    **IMAGES,
    # arithmetic
    "Add": binary(df.add, np.add),
    "Sub": binary(df.subtract, np.subtract),
    "Mul": binary(df.multiply, np.multiply),
    "RealDiv": [*binary(df.divide, np.true_divide, positive), *binary(df.truediv, np.true_divide, whole)],
    "FloorDiv": [*binary(df.floordiv, np.floor_divide), *binary(df.floordiv, np.floor_divide, whole)],
    "FloorMod": [*binary(df.floormod, np.mod), *binary(df.floormod, np.mod, whole)],
    "Pow": [*binary(df.pow, np.power, positive), *binary(df.pow, np.power, whole)],
    "SquaredDifference": binary(df.squared_difference, lambda x, y: (x - y) ** 2),
    "Maximum": [*binary(df.maximum, np.maximum), *binary(df.maximum, np.maximum, whole)],
    "Minimum": binary(df.minimum, np.minimum),
    "Neg": unary(df.negative, np.negative),
    "Abs": unary(df.abs, np.abs),
    "Sign": unary(df.sign, np.sign),
    "Exp": unary(df.exp, np.exp),
    "Expm1": unary(df.expm1, np.expm1),
    "Log": unary(df.log, np.log, positive),
    "Log1p": unary(df.log1p, np.log1p, positive),
    "Sqrt": unary(df.sqrt, np.sqrt, positive),
    "Rsqrt": unary(df.rsqrt, lambda x: x**-0.5, positive),
    "Square": unary(df.square, np.square),
    "Reciprocal": unary(df.reciprocal, np.reciprocal, positive),
    "Sin": unary(df.sin, np.sin),
    "Cos": unary(df.cos, np.cos),
    "Tanh": unary(df.tanh, np.tanh),
    "Sigmoid": unary(df.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "Softplus": unary(df.nn.softplus, lambda x: np.log(1 + np.exp(x))),
    "Floor": unary(df.floor, np.floor),
    "Ceil": unary(df.ceil, np.ceil),
    "Round": [*unary(df.round, np.round), Case(df.round, np.round, (np.array([0.6, 2.4, -1.6]),))],
    "Cast": [
        Case(lambda x: df.cast(x, "int32"), lambda x: x.astype(np.int32), (real(2, 3) * 4,)),
        Case(lambda x: df.cast(x, "float64"), lambda x: x.astype(np.float64), (whole(3),)),
        Case(lambda x: df.cast(x, "bool"), lambda x: x.astype(bool), (whole(2, 3, low=0, high=2),)),
    ],
    "AddN": [
        Case(lambda *x: df.add_n(x), lambda *x: sum(x), (real(2, 3), real(2, 3), real(2, 3))),
        Case(lambda x: df.add_n([x], name="one"), lambda x: x, (real(2, 3),)),
    ],
    # comparisons and logic
    "Equal": binary(df.equal, np.equal, whole),
    "NotEqual": binary(df.not_equal, np.not_equal, whole),
    "Less": binary(df.less, np.less),
    "LessEqual": binary(df.less_equal, np.less_equal, whole),
    "Greater": binary(df.greater, np.greater),
    "GreaterEqual": binary(df.greater_equal, np.greater_equal, whole),
    "LogicalAnd": binary(df.logical_and, np.logical_and, truth),
    "LogicalOr": binary(df.logical_or, np.logical_or, truth),
    "LogicalNot": unary(df.logical_not, np.logical_not, truth),
    "BitwiseAnd": binary(lambda x, y: x & y, np.bitwise_and, whole),
    "BitwiseOr": binary(lambda x, y: x | y, np.bitwise_or, whole),
    "BitwiseXor": binary(lambda x, y: x ^ y, np.bitwise_xor, whole),
    "Invert": unary(lambda x: ~x, np.invert, whole),
    "IsNan": unary(df.is_nan, np.isnan),
    "IsInf": unary(df.is_inf, np.isinf),
    "IsFinite": unary(df.is_finite, np.isfinite),
    "Select": [
        Case(df.where, select, (truth(2, 3), real(2, 3), real(2, 3))),
        Case(df.where, select, (truth(3), real(3, 2, 2), real(3, 2, 2))),
        Case(df.where, select, (truth(), real(2, 2), real(2, 2))),
    ],
    "Where": [
        Case(df.where, np.argwhere, (truth(3, 4),)),
        Case(df.where, np.argwhere, (whole(3, 4, low=-1, high=2),)),
        Case(df.where, np.argwhere, (np.array([0.0, np.nan, -0.0, -1.0]),)),
    ],
    # products of matrices
    "MatMul": [
        Case(df.matmul, np.matmul, (real(2, 3), real(3, 4))),
        Case(lambda a, b: df.matmul(a, b, True), lambda a, b: a.T @ b, (real(3, 2), real(3, 4))),
        Case(lambda a, b: df.matmul(a, b, False, True), lambda a, b: a @ b.T, (real(2, 3), real(4, 3))),
        Case(lambda a, b: df.matmul(a, b, True, True), lambda a, b: a.T @ b.T, (real(3, 2), real(4, 3))),
        Case(df.matmul, np.matmul, (real(5, 2, 3), real(5, 3, 4))),
        Case(df.matmul, np.matmul, (real(5, 2, 3), real(3, 4))),
        Case(df.matmul, np.matmul, (whole(2, 3), whole(3, 2))),
    ],
    # reductions
    "Sum": reduction(df.reduce_sum, np.sum),
    "Mean": reduction(df.reduce_mean, np.mean),
    "Prod": [
        *reduction(df.reduce_prod, np.prod),
        Case(lambda x: df.reduce_prod(x, 1), lambda x: x.prod(axis=1), (np.array([[0.0, 2, 3], [0, 0, 4]]),)),
    ],
    "Max": [*reduction(df.reduce_max, np.max), Case(df.reduce_max, np.max, (whole(2, 3),))],
    "Min": reduction(df.reduce_min, np.min),
    "All": reduction(df.reduce_all, np.all, truth),
    "Any": reduction(df.reduce_any, np.any, truth),
    "ArgMax": [
        Case(df.argmax, lambda x: x.argmax(0), (real(3, 4),)),
        Case(lambda x: df.argmax(x, -1), lambda x: x.argmax(-1), (whole(3, 4),)),
    ],
    "ArgMin": [Case(lambda x: df.argmin(x, 1), lambda x: x.argmin(1), (real(3, 4),))],
    "Cumsum": [
        *(cumsum(exclusive, reverse) for exclusive in (False, True) for reverse in (False, True)),
        Case(df.cumsum, lambda x, axis: x.cumsum(axis), (real(2, 4), np.int32(-1)), (1,)),
    ],
    # shapes
    "Shape": [
        Case(partial(of_any_shape, "Shape", out_type=df.int32), lambda x: sizes(*x.shape), (real(*shape),))
        for shape in ((2, 3), ())
    ],
    "Size": [Case(partial(of_any_shape, "Size", out_type=df.int32), lambda x: np.int32(x.size), (real(2, 3),))],
    "Rank": [Case(partial(of_any_shape, "Rank"), lambda x: np.int32(x.ndim), (real(2, 3),))],
    "Reshape": [
        Case(lambda x: df.reshape(x, [3, -1]), lambda x: x.reshape(3, -1), (real(2, 3, 2),)),
        Case(lambda x: df.reshape(x, [12]), lambda x: x.reshape(12), (real(2, 3, 2),)),
        Case(df.reshape, lambda x, s: x.reshape(s), (real(2, 3), sizes(3, 2)), (1,)),
    ],
    "Transpose": [
        Case(df.transpose, np.transpose, (real(2, 3, 4),)),
        Case(lambda x: df.transpose(x, [1, 2, 0]), lambda x: x.transpose(1, 2, 0), (real(2, 3, 4),)),
        Case(df.transpose, np.transpose, (real(2, 3, 4), sizes(1, 2, 0)), (1,)),
    ],
    "InvertPermutation": [
        Case(
            lambda x, perm: df.transpose(df.transpose(x, perm), df.invert_permutation(perm)),
            lambda x, perm: x,
            (real(2, 3, 4), sizes(1, 2, 0)),
            (1,),
        ),
    ],
    "ExpandDims": [
        Case(lambda x, axis=axis: df.expand_dims(x, axis), lambda x, axis=axis: np.expand_dims(x, axis), (real(2, 3),))
        for axis in (0, 1, 2, -1, -2)
    ]
    + [Case(df.expand_dims, np.expand_dims, (real(2, 3), np.int32(-2)), (1,))],
    "Squeeze": [
        Case(df.squeeze, np.squeeze, (real(2, 1, 3, 1),)),
        Case(lambda x: df.squeeze(x, [1]), lambda x: x.squeeze(1), (real(2, 1, 3, 1),)),
        Case(lambda x: df.squeeze(x, -1), lambda x: x.squeeze(-1), (real(2, 1, 3, 1),)),
    ],
    "BroadcastTo": [
        Case(lambda x: df.broadcast_to(x, [4, 2, 3]), lambda x: np.broadcast_to(x, (4, 2, 3)), (real(2, 1),)),
        Case(df.broadcast_to, np.broadcast_to, (real(3), sizes(2, 3)), (1,)),
    ],
    "Fill": [
        Case(lambda x: df.fill([2, 3], x), lambda x: np.full((2, 3), x), (real(),)),
        Case(lambda n, x: df.fill(n, x), lambda n, x: np.full(n, x), (sizes(2, 3), real()), (0,)),
    ],
    "ZerosLike": [
        Case(lambda x: df.zeros_like(x, optimize=False), np.zeros_like, (real(2, 3),)),
        Case(lambda x: df.zeros_like(x, "int64", None, False), lambda x: np.zeros_like(x, np.int64), (real(2, 3),)),
        Case(lambda x: df.zeros_like(x, optimize=False), np.zeros_like, (truth(2),)),
    ],
    "OnesLike": [
        Case(lambda x: df.ones_like(x, optimize=False), np.ones_like, (make(2, 3),)) for make in (real, truth)
    ],
    "Range": [
        Case(df.range, np.arange, (np.int32(2), np.int32(11), np.int32(3)), (0, 1, 2)),
        Case(df.range, np.arange, (np.float64(2), np.float64(0), np.float64(-0.5)), (0, 1, 2)),
    ],
    # joining and taking apart
    "ConcatV2": [
        Case(lambda *x: df.concat(x, 0), lambda *x: np.concatenate(x), (real(2, 3), real(1, 3), real(3, 3))),
        Case(lambda *x: df.concat(x, -1), lambda *x: np.concatenate(x, -1), (real(2, 3), real(2, 1))),
        Case(
            lambda x, y, axis: df.concat([x, y], axis),
            lambda x, y, axis: np.concatenate([x, y], axis),
            (real(2, 3), real(2, 1), np.int32(-1)),
            (2,),
        ),
    ],
    "Pack": [
        Case(
            lambda *x, axis=axis: df.stack(x, axis),
            lambda *x, axis=axis: np.stack(x, axis),
            (real(2, 3), real(2, 3)),
        )
        for axis in (0, 1, -1)
    ],
    "Unpack": [
        Case(lambda x: df.unstack(x, 2), lambda x: list(x), (real(2, 3),)),
        Case(lambda x: df.unstack(x, 3, -1), lambda x: list(np.moveaxis(x, -1, 0)), (real(2, 3),)),
        Case(lambda x: df.unstack(x, 1), lambda x: list(x), (real(1, 3),)),
    ],
    "Split": [
        Case(lambda x: df.split(x, 2, 1), lambda x: np.split(x, 2, 1), (real(3, 4),)),
        Case(lambda x: df.split(x, 1), lambda x: [x], (real(3, 4),)),
        Case(
            lambda x, axis: df.split(x, 2, axis), lambda x, axis: np.split(x, 2, axis), (real(3, 4), np.int32(1)), (1,)
        ),
    ],
    "SplitV": [
        Case(lambda x: df.split(x, [1, -1, 2], -1), lambda x: np.split(x, [1, 4], 1), (real(3, 6),)),
        Case(lambda x, n: df.split(x, n, 0, num=2), lambda x, n: np.split(x, [1]), (real(3, 4), sizes(1, 2)), (1,)),
        Case(
            lambda x, n, axis: df.split(x, n, axis, num=2),
            lambda x, n, axis: np.split(x, [1], axis),
            (real(3, 4), sizes(1, 3), np.int32(-1)),
            (1, 2),
        ),
    ],
    "Tile": [
        Case(lambda x: df.tile(x, [2, 3]), lambda x: np.tile(x, (2, 3)), (real(2, 2),)),
        Case(df.tile, np.tile, (real(2, 2), sizes(1, 2)), (1,)),
    ],
    "Pad": [
        Case(lambda x: df.pad(x, [[1, 0], [2, 1]]), lambda x: np.pad(x, [(1, 0), (2, 1)]), (real(2, 3),)),
        Case(
            lambda x: df.pad(x, [[1, 1]], constant_values=7),
            lambda x: np.pad(x, 1, constant_values=7),
            (real(3),),
        ),
        Case(df.pad, np.pad, (real(2, 3), whole(2, 2, low=0, high=3)), (1,)),
    ],
    "MirrorPad": [
        Case(
            lambda x, mode=mode: df.pad(x, [[1, 1], [0, 2]], mode),
            lambda x, mode=mode: np.pad(x, [(1, 1), (0, 2)], mode=mode.lower()),
            (real(2, 3),),
        )
        for mode in ("REFLECT", "SYMMETRIC")
    ]
    + [
        Case(
            lambda x, pairs: df.pad(x, pairs, "SYMMETRIC"),
            lambda x, pairs: np.pad(x, pairs, mode="symmetric"),
            (real(2, 3), whole(2, 2, low=0, high=3)),
            (1,),
        )
    ],
    # parts
    "StridedSlice": [
        *(at(key) for key in [1, -2, slice(1, 3), slice(None, None, 2), slice(None, None, -1), slice(3, 0, -2)]),
        *(at(key) for key in [(Ellipsis, 1), (0, slice(None), 2), (slice(9, 2),), (None, 1, None, slice(-2, None))]),
        *(at(key) for key in [(slice(0, 2), Ellipsis, slice(1, 99), None), Ellipsis, (1, 2, 3)]),
        Case(
            lambda x, i: x[i, :i],
            lambda x, i: x[i, :i],
            (real(4, 3), np.int32(2)),
            (1,),
        ),
    ],
    "Slice": [
        Case(lambda x: df.slice(x, [1, 0], [2, -1]), lambda x: x[1:3], (real(4, 3),)),
        Case(df.slice, lambda x, b, n: x[1:3, :2], (real(4, 3), sizes(1, 0), sizes(2, 2)), (1, 2)),
    ],
    "GatherV2": [
        Case(df.gather, lambda x, i: x[i], (real(5, 2), whole(3, low=0, high=5))),
        Case(df.gather, lambda x, i: x[i], (real(5), whole(2, 3, low=0, high=5))),
        Case(df.gather, lambda x, i: x[i], (real(5, 2), whole(low=0, high=5))),
        Case(
            lambda x, i: df.gather(x, i, axis=1),
            lambda x, i: x[:, i],
            (real(2, 5, 2), whole(2, 2, low=0, high=5)),
        ),
        Case(
            lambda x, i, axis: df.gather(x, i, axis=axis),
            lambda x, i, axis: x.take(i, axis),
            (real(2, 5, 2), whole(2, 2, low=0, high=5), np.int64(-2)),
            (2,),
        ),
    ],
    "DenseOfSlices": [
        Case(
            lambda values, indices: df.convert_to_tensor(df.IndexedSlices(values, indices, [5, 2])),
            lambda values, indices: sum_at(5, indices, values),
            (real(4, 2), np.array([3, 0, 3, 1])),
            unknown=False,
        )
    ],
    "OneHot": [
        Case(lambda x: df.one_hot(x, 4), lambda x: np.eye(4, dtype=np.float32)[x], (whole(2, 3, low=0, high=4),)),
        Case(
            lambda x: df.one_hot(x, 4, 5.0, -1.0, axis=0, dtype="float64"),
            lambda x: np.moveaxis(np.eye(4)[x] * 6 - 1, -1, 0),
            (whole(2, 3, low=0, high=4),),
        ),
        Case(
            lambda x, depth: df.one_hot(x, depth, 5.0, axis=0, dtype="float64"),
            lambda x, depth: np.moveaxis(np.eye(depth)[x] * 5, -1, 0),
            (whole(2, 3, low=0, high=4), np.int32(4)),
            (1,),
        ),
    ],
    # neural networks
    "Relu": unary(df.nn.relu, lambda x: np.maximum(x, 0)),
    "Softmax": [
        Case(df.nn.softmax, lambda x: np.exp(log_softmax(x)), (real(2, 3),)),
        Case(lambda x: df.nn.softmax(x, 0), lambda x: np.exp(log_softmax(x, 0)), (real(2, 3),)),
    ],
    "LogSoftmax": [
        Case(df.nn.log_softmax, log_softmax, (real(2, 3),)),
        Case(lambda x: df.nn.log_softmax(x, 0), lambda x: log_softmax(x, 0), (real(2, 3),)),
    ],
    "SparseSoftmaxCrossEntropyWithLogits": [
        Case(
            lambda x, labels: df.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=x),
            sparse_loss,
            (real(*shape, 4), whole(*shape, low=0, high=4)),
        )
        for shape in ((3,), (2, 3), ())
    ],
    "SoftmaxCrossEntropyWithLogits": [  # labels add up to 1, so that only the first differences are TensorFlow's
        Case(
            lambda x, p: df.nn.softmax_cross_entropy_with_logits_v2(p, x),
            lambda x, p: -(p * log_softmax(x)).sum(-1),
            (real(2, 3), probabilities(2, 3)),
            second=False,
        ),
        Case(
            lambda x, p: df.nn.softmax_cross_entropy_with_logits_v2(p, x, axis=0),
            lambda x, p: -(p * log_softmax(x, 0)).sum(0),
            (real(3, 2), probabilities(2, 3).T.copy()),
            second=False,
        ),
    ],
    "L2Loss": [Case(df.nn.l2_loss, lambda x: (x * x).sum() / 2, (real(2, 3),))],
    "BiasAdd": [
        Case(df.nn.bias_add, np.add, (real(2, 3, 4), real(4))),
        Case(
            lambda x, b: df.nn.bias_add(x, b, "NCHW"),
            lambda x, b: x + b[:, None],
            (real(2, 3, 4), real(3)),
            unknown=False,
        ),
    ],
    "InTopKV2": [
        Case(lambda x, i: df.nn.in_top_k(x, i, 2), top_k, (real(5, 4), whole(5, low=0, high=4))),
        Case(df.nn.in_top_k, lambda x, i, k: top_k(x, i), (real(5, 4), whole(5, low=0, high=4), np.int64(2)), (2,)),
    ],
    **ARRAYS,
    **LINALG,
    **MATH,
    # others
    "Identity": unary(identity, np.array),
    "PlaceholderWithDefault": [Case(lambda x: placeholder_with_default(x, [None, 3]), np.array, (real(2, 3),))],
}

ORACLE |= oracle_sparse.lines(Case)

NO_ORACLE: dict[str, str] = {
    **NOT_JUDGED,
    **NOT_JUDGED_CONVOLUTIONS,
    **NOT_JUDGED_IMAGES,
    **NOT_JUDGED_LINALG,
    **NOT_JUDGED_MATH,
    "Const": "it is its value",
    "Placeholder": "it has no value",
    "NoOp": "it has no outputs",
    "StopGradient": "an Identity whose gradient is nothing: tests/test_gradients.py",
    "Assert": "it has no outputs",
    "Conj": "complex: tests/ops/test_math.py",
    "PyFunc": "it computes what the user says: tests/ops/test_py_func.py",
    **dict.fromkeys(
        ("RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal", "RandomShuffle"),
        "random: tests/ops/test_random.py",
    ),
    **dict.fromkeys(
        [
            *(
                "SumLike",
                "BroadcastLike",
                "ReshapeLike",
                "Spread",
                "SpreadLike",
                "ProdOfOthers",
                "SplitLike",
                "SumOfTiles",
            ),
            *(
                "TileLike",
                "Unpad",
                "StridedSliceGrad",
                "SliceGrad",
                "GatherGrad",
                "ReluGrad",
                "MinusOneHot",
                "MirrorPadGrad",
            ),
        ],
        "part of a gradient, which the gradient's test judges, first and second",
    ),
    **oracle_sparse.NO_ORACLE,
}

ELSEWHERE: dict[str, str] = {  # module -> why its operations are not judged here
    **JUDGED_BY_THEIR_OWN_TESTS,
    **dict.fromkeys(
        [f"dflow.ops.state.{file}" for file in ("assign", "reads", "scatter", "slice_assign")],
        "they are about state, which a session keeps",
    ),
    "dflow.ops.state.variable_lists": "they are about state, which a session keeps",
    "dflow.ops.queues.operations": "they are about state, which a session keeps",
    "dflow.ops.control_flow.gates": "they decide what runs: tests/ops/test_control_flow.py",
    "dflow.ops.control_flow.folded": "no graph has them: tests/ops/test_control_flow.py",
    "dflow.ops.control_flow.stack": "they keep values for a gradient: tests/ops/test_control_flow.py",
    "dflow.ops.control_flow.tensor_array_ops": "they are about the state of a run: tests/ops/test_control_flow.py",
    "dflow.ops.files": "they are about files: tests/conformance/test_i14_producers.py",
    "dflow.ops.sparse.serial": "they are about bytes: tests/conformance/test_b15_sparse_batching.py",
    **dict.fromkeys(
        [f"dflow.ops.summary.{name}" for name in ("audio", "histogram", "image", "merge", "scalar", "tensor")],
        "they are about messages: tests/summary/test_summaries.py",
    ),
    "dflow.ops.session_ops": "they are about state, which a session keeps",
    "dflow.ops.readers": "they are about state, which a session keeps",
    **oracle_sparse.ELSEWHERE,
}
