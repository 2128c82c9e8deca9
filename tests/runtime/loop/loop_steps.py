"""One line for each operation that has a batch rule: what a loop may compute with it.

A line is a kind of operation and the ways to use it.  A way takes tensors by dtype, which the letters say, and may
refuse them while the graph is built; then it is not used.  `tests/runtime/loop/test_vectorized_ops.py` tries each line
alone, and all of them in random bodies.  A new batch rule is a line here.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import dflow as df
from dflow.ops.array.constants import placeholder_with_default
from dflow.ops.sparse.serial import deserialize_many_sparse, serialize_many_sparse, serialize_sparse
from dflow.readers.example.operations import parse_example, parse_single_example
from dflow.readers.example.proto import SequenceExample
from dflow.readers.example.sequence_operations import parse_sequence_example, parse_single_sequence_example
from tests.readers.example.examples import example
from tests.runtime.loop import loop_steps_math, loop_steps_text

LETTERS = {"f": df.float32, "i": df.int32, "b": df.bool, "s": df.string}


EXAMPLES = [example(), example(x=[2.0, 3.0], n=[4], v=[1.0], i=[7]), example(v=[1.0, 2.0, 3.0], i=[4, 2, 9])]


def sequence_example(steps: list[list[int]]) -> bytes:
    message = SequenceExample()
    message.context.feature["v"].float_list.value.extend([1.0] * len(steps))
    for values in steps:
        message.feature_lists.feature_list["f"].feature.add().float_list.value.append(len(values))
        message.feature_lists.feature_list["v"].feature.add().int64_list.value.extend(values)
    return message.SerializeToString()  # type: ignore[no-any-return]


TENSORS = [df.make_tensor_proto(value).SerializeToString() for value in (1.0, [1.0, 2.0], [[3.0]])]
SEQUENCES = [sequence_example([[1], [2, 3]]), sequence_example([[]])]


@dataclass(frozen=True)
class Way:
    """One way to use an operation.  takes: the dtype of each tensor, as in LETTERS."""

    takes: str
    build: Callable[..., Any]

    def uses(self, pool: list[Any]) -> Iterator[list[Any]]:
        """The outputs for all tensors of a pool that it takes."""
        for inputs in product(*([x for x in pool if x.dtype == LETTERS[letter]] for letter in self.takes)):
            found = self.use(*inputs)
            if found:
                yield found

    def use(self, *inputs: Any) -> list[Any]:
        """The outputs; none if the inputs do not fit."""
        try:
            found = self.build(*inputs)
        except (ValueError, TypeError, IndexError):
            return []
        return list(found) if isinstance(found, (list, tuple)) else [found]


def ways(takes: str, *builds: Callable[..., Any]) -> list[Way]:
    return [Way(takes, build) for build in builds]


def reduction(build: Callable[..., Any], takes: str = "f") -> list[Way]:
    return ways(takes, build, *(lambda x, a=axis: build(x, a, True) for axis in (0, -1)), lambda x: build(x, -1))


def number(x: Any) -> Any:
    """An int32 scalar between 0 and 3 that depends on x."""
    return df.cast(df.floormod(df.reduce_sum(df.cast(x, df.float32)), 4.0), df.int32)


def zero(x: Any) -> Any:
    """An int32 scalar that a record says: 0."""
    return df.multiply(number(x), 0)


def one(x: Any) -> int:
    """A number that all records share."""
    return 1


def single(text: Any, *more: str) -> list[Any]:
    features = {"x": df.FixedLenFeature([2], df.float32, [0.5, 1.5]), "n": df.FixedLenFeature([], df.int64, 3)}
    kinds = {
        "v": df.VarLenFeature(df.float32),
        "q": df.FixedLenSequenceFeature([1], df.float32, allow_missing=True),
        "p": df.SparseFeature("i", "v", df.float32, 10),
    }
    return flat(parse_single_example(text, {**features, **{key: kinds[key] for key in more}}))


def flat(parsed: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    for value in parsed.values():
        sparse = isinstance(value, df.SparseTensor)
        found += [value.indices, value.values, value.dense_shape] if sparse else [value]
    return found


def in_a_batch(text: Any, feature: Any) -> list[Any]:
    return flat(parse_example(df.reshape(text, [1]), {"x": feature, "n": df.FixedLenFeature([], df.int64, 3)}))


def sequence(text: Any) -> list[Any]:
    context, lists = parse_single_sequence_example(
        text,
        {"v": df.VarLenFeature(df.float32)},
        {"f": df.FixedLenSequenceFeature([], df.float32), "v": df.VarLenFeature(df.int64)},
    )
    return flat(context) + flat(lists)


def sequences(texts: Any) -> list[Any]:
    context, lists, lengths = parse_sequence_example(
        texts,
        {"v": df.VarLenFeature(df.float32)},
        {"f": df.FixedLenSequenceFeature([], df.float32), "v": df.VarLenFeature(df.int64)},
    )
    return flat(context) + flat(lists) + flat(lengths)


def with_computed_defaults(text: Any, x: Any) -> list[Any]:
    total = df.reduce_sum(x)
    features = {"y": df.FixedLenFeature([], df.float32, total), "n": df.FixedLenFeature([], df.int64, 3)}
    return flat(parse_single_example(text, features))


def one_of(n: Any, *texts: bytes) -> Any:
    """One of some texts, as an integer scalar says."""
    return df.gather(df.constant(list(texts)), df.floormod(df.squeeze(df.reshape(n, [1])), len(texts)))


def sparse(values: Any) -> Any:
    n = df.shape(values, out_type=df.int64)
    places = df.cast(df.reshape(df.range(df.size(values)), [-1, 1]), df.int64)
    return df.SparseTensor(places, values, n)


def sparse_rows(values: Any) -> Any:
    one = sparse(values)
    indices = df.concat([df.zeros_like(one.indices), one.indices], 1)
    return df.SparseTensor(indices, one.values, df.concat([df.constant([1], df.int64), one.dense_shape], 0))


def again(values: Any) -> list[Any]:
    return flat({"x": deserialize_many_sparse(serialize_many_sparse(sparse_rows(values)), df.float32)})


def asserted(condition: Any, x: Any) -> Any:
    with df.control_dependencies([df.Assert(df.reduce_all(condition), [x])]):
        return df.identity(x)


def long(x: Any) -> Any:
    """A vector of 4 values at least: each place that `number` gives is inside."""
    return df.concat([df.reshape(x, [-1]), [7.0, 8.0, 9.0, 0.5]], 0)


UNARY = {
    "Abs": df.abs,
    "Neg": df.negative,
    "Sign": df.sign,
    "Exp": df.exp,
    "Expm1": df.expm1,
    "Log": df.log,
    "Log1p": df.log1p,
    "Sqrt": df.sqrt,
    "Rsqrt": df.rsqrt,
    "Square": df.square,
    "Reciprocal": df.reciprocal,
    "Sin": df.sin,
    "Cos": df.cos,
    "Tanh": df.tanh,
    "Sigmoid": df.sigmoid,
    "Softplus": df.nn.softplus,
    "Floor": df.floor,
    "Ceil": df.ceil,
    "Round": df.round,
    "Relu": df.nn.relu,
    "IsNan": df.is_nan,
    "IsInf": df.is_inf,
    "IsFinite": df.is_finite,
    "StopGradient": df.stop_gradient,
    "L2Loss": df.nn.l2_loss,
    "Conj": lambda x: df.conj(df.cast(x, df.complex64)),
}
BINARY = {
    "Add": df.add,
    "Sub": df.subtract,
    "Mul": df.multiply,
    "RealDiv": df.divide,
    "FloorDiv": lambda x, y: df.floordiv(x, df.maximum(y, 1)),
    "FloorMod": lambda x, y: df.floormod(x, df.maximum(y, 1)),
    "Pow": df.pow,
    "SquaredDifference": df.squared_difference,
    "Maximum": df.maximum,
    "Minimum": df.minimum,
    "Less": df.less,
    "LessEqual": df.less_equal,
    "Greater": df.greater,
    "GreaterEqual": df.greater_equal,
}

STEPS: dict[str, list[Way]] = {
    **{kind: ways("f", build) for kind, build in UNARY.items()},
    **{kind: [*ways("ff", build), *ways("ii", build)] for kind, build in BINARY.items()},
    "Equal": [*ways("ff", df.equal), *ways("ss", df.equal)],
    "NotEqual": [*ways("ii", df.not_equal), *ways("ss", df.not_equal)],
    "LogicalAnd": ways("bb", df.logical_and),
    "LogicalOr": ways("bb", df.logical_or),
    "BitwiseAnd": ways("ii", lambda x, y: x & y),
    "BitwiseOr": ways("ii", lambda x, y: x | y),
    "BitwiseXor": ways("ii", lambda x, y: x ^ y),
    "Invert": ways("i", lambda x: ~x),
    "LogicalNot": ways("b", df.logical_not),
    "AddN": [
        *ways("ff", lambda x, y: df.add_n([x, y])),
        *ways("f", lambda x: df.add_n([x[: number(x)], [1.0, 2.0]])),  # whether that fits depends on the record
    ],
    "Cast": [
        *ways("f", *(lambda x, d=d: df.cast(x, d) for d in ("int32", "int64", "float64", "bool", "uint8"))),
        *ways("i", lambda x: df.cast(x, df.float32)),
        *ways("b", lambda x: df.cast(x, df.int32)),
    ],
    "Select": [
        *ways("bff", df.where),
        *ways("bss", df.where),
        *ways("b", lambda c: df.where(c, [[1.0, 2.0]] * 3, [[0.0, 3.0]] * 3)),  # one condition a row
        *ways("f", lambda x: df.where(x[: number(x)] > 0.0, x[: number(x)], [1.0, 2.0])),
    ],
    "Where": ways("b", df.where),
    "MatMul": ways(
        "ff", df.matmul, lambda a, b: df.matmul(a, b, True), lambda a, b: df.matmul(df.expand_dims(a, 0), b)
    ),
    "BiasAdd": ways("f", lambda x: df.nn.bias_add(x, [1.0, 2.0]), lambda x: df.nn.bias_add(x, x[0])),
    **{
        kind: reduction(build)
        for kind, build in {
            "Sum": df.reduce_sum,
            "Mean": df.reduce_mean,
            "Prod": df.reduce_prod,
            "Max": df.reduce_max,
            "Min": df.reduce_min,
        }.items()
    },
    "All": reduction(df.reduce_all, "b"),
    "Any": reduction(df.reduce_any, "b"),
    "ArgMax": ways("f", df.argmax, lambda x: df.argmax(x, -1)),
    "ArgMin": ways("f", df.argmin),
    "Cumsum": ways(
        "f",
        lambda x: df.cumsum(df.stack([x, x])),
        lambda x: df.cumsum(df.stack([x, x]), -1, True, True),
        lambda x: df.cumsum(long(x), zero(x)),
    ),
    "Shape": [
        *ways("f", lambda x: df.shape(x[: number(x)])),
        *ways("s", lambda x: df.add_op("Shape", x, out_type=df.int32)),
    ],
    "Size": [
        *ways("f", lambda x: df.size(x[: number(x)])),
        *ways("s", lambda x: df.add_op("Size", x, out_type=df.int32)),
    ],
    "Rank": ways("f", lambda x: df.add_op("Rank", x)),
    "Reshape": [
        *ways(
            "f",
            lambda x: df.reshape(x, [-1]),
            lambda x: df.reshape(x, [2, -1]),
            lambda x: df.reshape(x, df.concat([[1], df.shape(x)], 0)),
        ),
        *ways("s", lambda x: df.reshape(x, [1, -1])),
    ],
    "Transpose": ways(
        "f", df.transpose, lambda x: df.transpose(x, [1, 0]), lambda x: df.transpose(x, df.range(df.rank(x)))
    ),
    "InvertPermutation": ways("i", lambda n: df.invert_permutation(df.range(df.abs(df.reduce_sum(n)) % 4))),
    "ExpandDims": [
        *ways("f", lambda x: df.expand_dims(x, 0), lambda x: df.expand_dims(x, -1)),
        *ways("f", lambda x: df.expand_dims(long(x), df.floormod(number(x), 2))),
        *ways("s", lambda x: df.expand_dims(x, 0)),
    ],
    "Squeeze": ways("f", lambda x: df.squeeze(df.expand_dims(x, 0)), lambda x: df.squeeze(df.expand_dims(x, -1), [-1])),
    "BroadcastTo": ways(
        "f", lambda x: df.broadcast_to(x, [2, 2, 3]), lambda x: df.broadcast_to(df.reduce_sum(x), [number(x), 3])
    ),
    "Fill": ways("f", lambda x: df.fill([2, 2], x), lambda x: df.fill([number(x), 2], x)),
    "ZerosLike": ways("f", lambda x: df.zeros_like(x, optimize=False))
    + ways("s", lambda x: df.zeros_like(x, None, None, False)),
    "OnesLike": ways("f", lambda x: df.ones_like(x, optimize=False)),
    "Range": ways("f", lambda x: df.range(number(x)), lambda x: df.range(0.0, df.abs(df.reduce_sum(x)), 0.5)),
    "ConcatV2": [
        *ways("ff", lambda x, y: df.concat([x, y], 0), lambda x, y: df.concat([x, y, x], -1)),
        *ways("ss", lambda x, y: df.concat([x, y], 0)),
        *ways("f", lambda x: df.concat([long(x), long(x)], zero(x))),
    ],
    "Pack": [
        *ways("ff", lambda x, y: df.stack([x, y]), lambda x, y: df.stack([x, y], -1)),
        *ways("ss", lambda x, y: df.stack([x, y])),
    ],
    "Unpack": ways("f", df.unstack, lambda x: df.unstack(x, axis=-1)),
    "Split": ways("f", lambda x: df.split(x, 1), lambda x: df.split(x, 2, -1), lambda x: df.split(x, 3, -1)),
    "SplitV": ways("f", lambda x: df.split(x, [1, -1], -1), lambda x: df.split(long(x), df.stack([number(x), -1]))),
    "Tile": ways(
        "f",
        lambda x: df.tile(x, [2]),
        lambda x: df.tile(x, [1, 2]),
        lambda x: df.tile(long(x), df.reshape(number(x), [1])),
    ),
    "Pad": ways(
        "f",
        lambda x: df.pad(x, [[1, 0]]),
        lambda x: df.pad(x, [[1, 0], [0, 2]], constant_values=3),
        lambda x: df.pad(long(x), [[number(x), 1]]),
    ),
    "MirrorPad": ways(
        "f", lambda x: df.pad(x, [[1, 1]], "REFLECT"), lambda x: df.pad(x, [[1, 0], [0, 1]], "SYMMETRIC")
    ),
    "StridedSlice": [
        *ways(
            "f",
            lambda x: x[0],
            lambda x: x[::-1],
            lambda x: x[..., 1:],
            lambda x: x[None, :, 1],
            lambda x: x[: number(x)],
            lambda x: long(x)[number(x)],
            lambda x: df.strided_slice(long(x), df.placeholder_with_default([0], [None]), [1]),
            lambda x: df.strided_slice(long(x), df.placeholder_with_default([0], [None]), df.stack([number(x)])),
        ),
        *ways("s", lambda x: x[0]),
    ],
    "Slice": ways(
        "f",
        lambda x: df.slice(x, [1], [-1]),
        lambda x: df.slice(x, [0, 1], [1, 1]),
        lambda x: df.slice(long(x), df.reshape(number(x), [1]), [1]),
    ),
    "GatherV2": [
        *ways(
            "f",
            lambda x: df.gather(x, [0, 1, 0]),
            lambda x: df.gather(x, [1], axis=-1),
            lambda x: df.gather(long(x), number(x)),
            lambda x: df.gather(long(x), [0], axis=zero(x)),
            lambda x: df.gather([1.0, 2.0, 3.0, 4.0], [number(x), 1]),
            lambda x: df.boolean_mask(x, [True, False, True]),
            lambda x: df.boolean_mask(x, x > 0.0),
        ),
        *ways("s", lambda x: df.gather(x, [0])),
    ],
    "OneHot": [
        *ways("i", lambda n: df.one_hot(n, 4), lambda n: df.one_hot(n, 3, 5.0, -1.0, axis=0)),
        *ways("f", lambda x: df.one_hot([0, 2], number(x))),
    ],
    "Softmax": ways("f", df.nn.softmax, lambda x: df.nn.softmax(x, 0)),
    "LogSoftmax": ways("f", df.nn.log_softmax),
    "SparseSoftmaxCrossEntropyWithLogits": ways(
        "f", lambda x: df.nn.sparse_softmax_cross_entropy_with_logits(labels=number(x), logits=long(x))
    ),
    "SoftmaxCrossEntropyWithLogits": ways("ff", lambda x, p: df.nn.softmax_cross_entropy_with_logits_v2(p, x)),
    "InTopKV2": ways("f", *(lambda x, k=k: df.nn.in_top_k(df.reshape(x, [1, -1]), [1], k(x)) for k in (one, number))),
    "ReluGrad": ways("f", lambda x: df.gradients(df.nn.relu(x), x)[0]),
    "Identity": [*ways("f", df.identity), *ways("s", df.identity), *ways("b", df.identity)],
    "PlaceholderWithDefault": ways("f", lambda x: placeholder_with_default(x, None)),
    "Assert": ways("bf", asserted, lambda c, x: asserted(df.logical_or(c, df.logical_not(c)), x)),
    "DecodeCSV": [
        *ways("i", lambda n: df.decode_csv(one_of(n, b"1,2,a", b",,", b'3,4,"b,c"'), [[0.5], [1], ["?"]])),
        *ways("i", lambda n: df.decode_csv(one_of(n, b"1,2,a", b",,", b"x,4,"), [[1]], select_cols=[1])),
        *ways("s", lambda s: df.decode_csv(s, [["?"]])),
        *ways("if", lambda n, x: df.decode_csv(one_of(n, b"1,a", b",b"), [df.reduce_sum(x), ["?"]])),
    ],
    "DecodeRaw": [
        *ways(
            "s", *(lambda s, d=dtype: df.decode_raw(df.reshape(s, [-1])[0], d) for dtype in ("uint8", "int16", "bool"))
        ),
        *ways("i", lambda n: df.decode_raw(one_of(n, b"abcdefgh", b"\0" * 8), df.int32, little_endian=False)),
        *ways("i", lambda n: df.decode_raw(one_of(n, b"abcdefgh", b"", b"\0" * 4), df.float32)),
        *ways("s", lambda s: df.decode_raw(s, "int16", fixed_length=4)),
    ],
    "ParseSingleExample": [
        *ways("i", *(lambda n, more=more: single(one_of(n, *EXAMPLES), *more) for more in ("", "v", "q", "p", "vqp"))),
        *ways("if", lambda n, x: with_computed_defaults(one_of(n, *EXAMPLES), x)),
    ],
    "ParseExample": [
        *ways("i", lambda n: in_a_batch(one_of(n, *EXAMPLES), df.FixedLenFeature([2], df.float32, [0.5, 1.5]))),
        *ways("i", lambda n: in_a_batch(one_of(n, *EXAMPLES), df.VarLenFeature(df.float32))),
    ],
    "ParseSingleSequenceExample": ways("i", lambda n: sequence(one_of(n, *SEQUENCES))),
    "ParseSequenceExample": ways("i", lambda n: sequences(df.stack([one_of(n, *SEQUENCES), SEQUENCES[0]]))),
    "EncodeBase64": ways("s", df.encode_base64, lambda s: df.encode_base64(s, pad=True)),
    "DecodeBase64": ways("s", lambda s: df.decode_base64(df.encode_base64(s))),
    "DecodeCompressed": ways("i", lambda n: df.decode_compressed(one_of(n, *map(zlib.compress, EXAMPLES)), "ZLIB")),
    "DecodeJSONExample": ways("i", lambda n: df.decode_json_example(one_of(n, b"{}", b'{"features": {}}'))),
    "SerializeTensor": [*ways("f", df.serialize_tensor), *ways("s", df.serialize_tensor)],
    "ParseTensor": [
        *ways("f", lambda x: df.parse_tensor(df.serialize_tensor(x), df.float32)),
        *ways("i", lambda n: df.parse_tensor(one_of(n, *TENSORS), df.float32)),
    ],
    "SerializeSparse": [
        *ways("f", lambda x: serialize_sparse(sparse(x))),
        *ways("s", lambda x: serialize_sparse(sparse(x))),
    ],
    "SerializeManySparse": ways("f", lambda x: serialize_many_sparse(sparse_rows(x))),
    "DeserializeManySparse": ways("f", again),
}

STEPS |= loop_steps_text.lines(ways, sparse, sparse_rows)
STEPS |= loop_steps_math.lines(ways)
