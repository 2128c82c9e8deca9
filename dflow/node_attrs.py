"""The attributes of TensorFlow's nodes: a table by kind of operation.

Some numbers are attributes of an operation here, such as the axis of a sum, where a node of TensorFlow has one more
input, a constant.  In a node their names begin with `_`, as the names of attributes that TensorFlow is to ignore.
Source: the ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.dtypes import DType, int32, int64, string
from dflow.node_attrs_images import CHANNELS
from dflow.node_attrs_images import GROUPS as IMAGES
from dflow.node_rules import FromAttr, FromSeeds, Node, Rule, Rules
from dflow.node_rules import attr as _attr
from dflow.node_rules import dtype_of as _dtype
from dflow.node_rules import same as _is
from dflow.shapes import UNKNOWN_SHAPE
from dflow.tensor_proto import make_tensor_proto


def _dtypes(op: Node) -> list[DType]:
    return [tensor.dtype for tensor in op.operands]


def _dtype_of_output(op: Node) -> DType:
    return op.outputs[0].dtype


def _count(op: Node) -> int:
    return len(op.operands)


def _joined(op: Node) -> int:
    """How many tensors are put together: the axis may be one more operand."""
    return len(op.operands) - (op.attrs["axis"] is None)


def _dtype_of_axis(op: Node) -> DType:
    return op.operands[-1].dtype if op.attrs["axis"] is None else int32


def _given(op: Node) -> Any:
    """A constant's value, without the values at its end that only repeat the last one of the user's."""
    value = op.attrs["value"]
    return make_tensor_proto(value.reshape(-1)[: op.attrs.get("given")], shape=value.shape)


def _array(name: str) -> Rule:
    """An array; of an operation that has an input for it, nothing."""
    return FromAttr(name, lambda value: None if value is None else np.array(value, np.int32), _nested)


def _nested(value: Any) -> Any:
    """An array as nested tuples."""
    return tuple(_nested(item) for item in value) if np.ndim(value) else value.item()


def _numbers(name: str) -> Rule:
    """A list that is empty where the attribute is None."""
    return FromAttr(name, lambda value: list(value or ()), lambda value: tuple(value) or None)


def _mask(name: str, is_one: Callable[[Any], bool]) -> Rule:
    """The items of a slice's key as the bits of a number; where a run makes the key, the graph has these bits."""

    def bits(op: Any) -> int:
        key = op.attrs["key"]
        if not isinstance(key, tuple):
            return int(getattr(key, name))
        return sum(1 << place for place, item in enumerate(key) if is_one(item))

    return bits


def _or(value: bool) -> Callable[[Any], bool]:
    """Use `value` for an attribute that the operation does not have."""
    return lambda given: value if given is None else given


_RED = np.array([255, 0, 0, 255], np.uint8)  # a pixel
_T: Rules = {"T": _dtype(0)}
_REDUCTION: Rules = {"keep_dims": _attr("keepdims", False), "Tidx": _dtype(1), "_axis": _attr("axis")}
_SEEDS: Rules = {"seed": FromSeeds(0), "seed2": FromSeeds(1)}
_BITS: Rules = {"num_bits": _attr("num_bits"), "narrow_range": _attr("narrow_range")}
_SETS: Rules = {"set_operation": _attr("set_operation"), "validate_indices": _attr("validate_indices")}
_NOT_LAST = FromAttr("axis", lambda axis: None if axis == -1 else axis, default=-1)
_VARIABLE: Rules = {"T": lambda op: op.attrs["variable"].dtype}
_MIRROR = FromAttr("symmetric", lambda it: "SYMMETRIC" if it else "REFLECT", lambda it: it == "SYMMETRIC")
_UPDATE: Rules = {**_VARIABLE, "use_locking": FromAttr("use_locking", _or(False), default=False, optional=True)}
_ROWS: Rules = {**_UPDATE, "Tindices": lambda op: next(it.dtype for it in op.operands if it.dtype.is_integer)}
_CANDIDATES: Rules = {**{name: _attr(name) for name in ("num_true", "num_sampled", "unique")}, **_SEEDS}

OWN = "_dflow"  # the attribute of a node with what TensorFlow's node of its kind does not have, as text

STATE = {  # kind -> the attribute with the spec of the state
    **dict.fromkeys(("FIFOQueueV2", "PaddingFIFOQueueV2", "PriorityQueueV2", "RandomShuffleQueueV2"), "queue"),
    "Reader": "reader",
    **dict.fromkeys(
        ("HashTableV2", "MutableHashTableV2", "MutableHashTableOfTensorsV2", "MutableDenseHashTableV2"), "table"
    ),
    "VariableV2": "variable",
}

_GROUPS: list[tuple[str, Rules]] = [  # (kinds, their attributes)
    (
        "Abs Acos Acosh Add Asin Asinh Atan Atan2 Atanh BesselI0e BesselI1e Betainc BitwiseAnd BitwiseOr BitwiseXor "
        "Ceil Cholesky Conj Cos Cosh Cross Diag DiagPart Digamma DivNoNan Erf Erfc Erfinv Exp Expm1 Floor FloorDiv "
        "FloorMod Greater GreaterEqual Identity Igamma IgammaGradA Igammac Invert InvertPermutation IsFinite IsInf "
        "IsNan L2Loss LeftShift Less LessEqual Lgamma Log Log1p LogMatrixDeterminant MatrixDeterminant "
        "MatrixExponential MatrixLogarithm MatrixSquareRoot Maximum Minimum Mul MulNoNan Ndtri Neg NextAfter "
        "Polygamma PopulationCount Pow Rank RealDiv Reciprocal Relu ReluGrad RightShift Rint Round Rsqrt "
        "SerializeTensor Sigmoid Sign Sin Sinh Softplus Sqrt Square SquaredDifference StopGradient Sub Tan Tanh "
        "TruncateDiv TruncateMod Where Xdivy Xlog1py Xlogy Zeta",
        _T,
    ),
    (
        "DecodeBase64 DecodeJSONExample DeleteSessionTensor LogicalAnd LogicalNot LogicalOr MatchingFiles NoOp "
        "ReadFile Timestamp WriteFile "
        "QueueIsClosedV2 QueueSizeV2 "
        "ReaderNumRecordsProducedV2 ReaderNumWorkUnitsCompletedV2 ReaderReadUpToV2 ReaderReadV2 ReaderResetV2 "
        "ReaderRestoreStateV2 ReaderSerializeStateV2 LoopCond ControlTrigger TensorArraySizeV3 TensorArrayCloseV3 "
        "StringStrip RegexFullMatch SparseReshape LookupTableSizeV2 ShardedFilename ShardedFilespec",
        {},
    ),
    ("Switch Exit NextIteration", _T),
    ("Merge", {**_T, "N": _count}),
    (
        "Enter",
        {
            **_T,
            "frame_name": _attr("frame_name"),
            "is_constant": _attr("is_constant"),
            "parallel_iterations": _attr("parallel_iterations"),
        },
    ),
    ("StackV2", {"elem_type": _attr("elem_type"), "stack_name": _is("")}),
    ("StackPushV2", {"T": _dtype(1), "swap_memory": _is(False)}),
    ("StackPopV2", {"elem_type": _attr("elem_type")}),
    (
        "TensorArrayV3",
        {
            "dtype": _attr("dtype"),
            "element_shape": _attr("element_shape"),
            "dynamic_size": _attr("dynamic_size"),
            "clear_after_read": _attr("clear_after_read"),
            "identical_element_shapes": _attr("identical_element_shapes"),
            "tensor_array_name": _attr("tensor_array_name"),
        },
    ),
    ("TensorArrayGradV3", {"source": _attr("source")}),
    ("TensorArrayReadV3", {"dtype": _attr("dtype")}),
    ("TensorArrayGatherV3", {"dtype": _attr("dtype"), "element_shape": _attr("element_shape")}),
    ("TensorArrayConcatV3", {"dtype": _attr("dtype"), "element_shape_except0": _is(UNKNOWN_SHAPE)}),
    ("TensorArrayWriteV3 TensorArrayScatterV3", {"T": _dtype(2)}),
    ("TensorArraySplitV3", {"T": _dtype(1)}),
    ("All Any", _REDUCTION),
    ("ArgMax ArgMin", {**_T, "Tidx": _dtype(1), "output_type": _attr("output_type", int64), "_axis": _attr("axis")}),
    ("EuclideanNorm Max Mean Min Prod Sum", {**_T, **_REDUCTION}),
    ("Equal NotEqual", {**_T, "incompatible_shape_error": _is(True)}),
    ("MergeV2Checkpoints", {"delete_old_dirs": _attr("delete_old_dirs", True)}),
    ("RestoreV2", {"dtypes": FromAttr("dtypes", list, tuple)}),
    ("SaveV2", {"dtypes": lambda op: _dtypes(op)[3:]}),
    ("SaveSlices", {"T": lambda op: _dtypes(op)[3:]}),
    ("LogSoftmax Softmax SoftmaxCrossEntropyWithLogits", {**_T, "_axis": _NOT_LAST}),
    (
        "RandomStandardNormal RandomUniform TruncatedNormal",
        {**_SEEDS, "dtype": _attr("dtype"), "T": _dtype(0), "_shape": _attr("shape")},
    ),
    ("QueueEnqueueV2 QueueEnqueueManyV2", {"Tcomponents": _dtypes, "timeout_ms": _is(-1)}),
    (
        "QueueDequeueV2 QueueDequeueManyV2 QueueDequeueUpToV2",
        {"component_types": lambda op: list(op.attrs["queue"].dtypes), "timeout_ms": _is(-1)},
    ),
    ("OnesLike ZerosLike", {"T": _attr("dtype")}),
    ("Shape Size", {**_T, "out_type": _attr("out_type", int32)}),
    (
        "ApplyAdadelta ApplyAdagradDA ApplyCenteredRMSProp ApplyFtrl ApplyFtrlV2 ApplyGradientDescent "
        "ApplyProximalAdagrad ApplyProximalGradientDescent ApplyRMSProp AssignAdd AssignSub",
        _UPDATE,
    ),
    (
        "ScatterAdd ScatterDiv ScatterMax ScatterMin ScatterMul ScatterNdAdd ScatterNdSub ScatterNdUpdate ScatterSub "
        "ScatterUpdate SparseApplyAdadelta SparseApplyAdagradDA SparseApplyCenteredRMSProp SparseApplyFtrl "
        "SparseApplyFtrlV2 SparseApplyProximalAdagrad SparseApplyProximalGradientDescent SparseApplyRMSProp",
        _ROWS,
    ),
    ("StridedSliceAssign", {**_VARIABLE, "Index": _is(int32)}),
    ("ApplyAdagrad", {**_UPDATE, "update_slots": _attr("update_slots", True)}),
    ("SparseApplyAdagrad", {**_ROWS, "update_slots": _attr("update_slots", True)}),
    ("SparseApplyMomentum", {**_ROWS, "use_nesterov": _attr("use_nesterov", False)}),
    ("SerializeManySparse SerializeSparse", {"T": _dtype(1), "out_type": _is(string)}),
    ("StringLength", {"unit": _attr("unit")}),
    ("StringLower StringUpper", {"encoding": _attr("encoding")}),
    ("Substr", {"T": _dtype(1), "unit": _attr("unit")}),
    ("StringJoin", {"N": _count, "separator": _attr("separator")}),
    (
        "ReduceJoin",
        {"keep_dims": _attr("keepdims"), "separator": _attr("separator"), "_axis": _attr("axis")},
    ),
    ("StringSplit", {"skip_empty": _attr("skip_empty")}),
    ("StringSplitV2", {"maxsplit": _attr("maxsplit")}),
    ("RegexReplace", {"replace_global": _attr("replace_global")}),
    (
        "StaticRegexReplace",
        {"pattern": _attr("pattern"), "rewrite": _attr("rewrite"), "replace_global": _attr("replace_global")},
    ),
    ("StaticRegexFullMatch", {"pattern": _attr("pattern")}),
    ("StringToNumber", {"out_type": _attr("out_type")}),
    (
        "AsString",
        {**_T, **{name: _attr(name) for name in ("precision", "scientific", "shortest", "width", "fill")}},
    ),
    (
        "StringFormat",
        {"T": _dtypes, **{name: _attr(name) for name in ("template", "placeholder", "summarize")}},
    ),
    (
        "UnicodeTranscode",
        {
            name: _attr(name)
            for name in (
                "input_encoding",
                "output_encoding",
                "errors",
                "replacement_char",
                "replace_control_characters",
            )
        },
    ),
    ("StringToHashBucket StringToHashBucketFast", {"num_buckets": _attr("num_buckets")}),
    ("StringToHashBucketStrong", {"num_buckets": _attr("num_buckets"), "key": lambda op: list(op.attrs["key"])}),
    (
        "SparseReorder SparseDenseCwiseAdd SparseDenseCwiseMul SparseDenseCwiseDiv SparseSparseMaximum "
        "SparseSparseMinimum SparseSlice SparseSoftmax SparseFillEmptyRows SparseFillEmptyRowsGrad",
        {"T": _dtype(1)},
    ),
    ("SparseAddGrad SparseSliceGrad", _T),
    ("SparseAdd", {"T": _dtype(1), "Treal": _dtype(6)}),
    ("SparseTensorDenseAdd", {"T": _dtype(1), "Tindices": _dtype(0)}),
    ("SparseToDense", {"validate_indices": _attr("validate_indices"), "T": _dtype(2), "Tindices": _dtype(0)}),
    (
        "SparseConcat",
        {"concat_dim": _attr("concat_dim"), "N": _attr("N"), "T": lambda op: op.operands[op.attrs["N"]].dtype},
    ),
    ("SparseSplit", {"num_split": _attr("num_split"), "T": _dtype(2)}),
    (
        "SparseReduceSum SparseReduceSumSparse SparseReduceMax SparseReduceMaxSparse",
        {"keep_dims": _attr("keep_dims"), "T": _dtype(1)},
    ),
    (
        "SparseTensorDenseMatMul",
        {
            "T": _dtype(1),
            "Tindices": _dtype(0),
            "adjoint_a": _attr("adjoint_a"),
            "adjoint_b": _attr("adjoint_b"),
        },
    ),
    (
        "SparseMatMul",
        {
            "Ta": _dtype(0),
            "Tb": _dtype(1),
            **{name: _attr(name) for name in ("transpose_a", "transpose_b", "a_is_sparse", "b_is_sparse")},
        },
    ),
    ("DeserializeSparse", {"dtype": _attr("dtype"), "Tserialized": _dtype(0), "_rank": _attr("rank")}),
    ("SetSize", {"validate_indices": _attr("validate_indices"), "T": _dtype(1)}),
    ("DenseToDenseSetOperation DenseToSparseSetOperation", {**_SETS, **_T}),
    ("SparseToSparseSetOperation", {**_SETS, "T": _dtype(1)}),
    ("LookupTableFindV2 LookupTableInsertV2 LookupTableImportV2", {"Tin": _dtype(0), "Tout": _dtype(1)}),
    ("LookupTableRemoveV2", {"Tin": _dtype(0)}),
    ("LookupTableExportV2", {"Tkeys": _dtype_of_output, "Tvalues": lambda op: op.outputs[1].dtype}),
    ("InitializeTableV2", {"Tkey": _dtype(0), "Tval": _dtype(1)}),
    (
        "InitializeTableFromTextFileV2",
        {name: _attr(name) for name in ("key_index", "value_index", "vocab_size", "delimiter")},
    ),
    ("AccumulateNV2", {"N": _count, **_T, "shape": _attr("shape")}),
    ("AddN", {"N": _count, **_T}),
    ("Angle Complex Imag Real", {**_T, "Tout": _dtype_of_output}),
    ("ApplyAdam", {**_UPDATE, "use_nesterov": _attr("use_nesterov", False)}),
    ("MergeSummary", {"N": _count}),
    ("HistogramSummary ScalarSummary TensorSummaryV2", {"T": _dtype(1)}),
    ("ImageSummary", {"max_images": _attr("max_images"), "T": _dtype(1), "bad_color": _is(_RED)}),
    ("AudioSummaryV2", {"max_outputs": _attr("max_outputs")}),
    ("GetSessionHandle", _T),
    ("GetSessionTensor", {"dtype": _attr("dtype")}),
    ("ApplyMomentum", {**_UPDATE, "use_nesterov": _attr("use_nesterov", False)}),
    ("Assert", {"T": lambda op: _dtypes(op)[1:], "summarize": _attr("summarize", 3)}),
    (
        "Assign",
        {
            **_VARIABLE,
            "use_locking": FromAttr("use_locking", _or(True), default=True, optional=True),
            "validate_shape": _attr("validate_shape", True),
        },
    ),
    ("BiasAdd", {**_T, "data_format": CHANNELS}),
    ("BroadcastTo", {**_T, "Tidx": _dtype(1), "_shape": _attr("shape")}),
    ("Cast", {"SrcT": _dtype(0), "DstT": _attr("dtype"), "Truncate": _is(False)}),
    ("Bincount", {"T": _dtype(2)}),
    ("CheckNumerics", {**_T, "message": _attr("message")}),
    ("ConcatV2", {"N": _joined, **_T, "Tidx": _dtype_of_axis, "_axis": _attr("axis")}),
    ("Const", {"value": _given, "dtype": _dtype_of_output}),
    ("CountUpTo", {**_VARIABLE, "limit": _attr("limit")}),
    (
        "Cumprod Cumsum CumulativeLogsumexp",
        {
            **_T,
            "exclusive": _attr("exclusive", False),
            "reverse": _attr("reverse", False),
            "Tidx": _dtype(1),
            "_axis": _attr("axis"),
        },
    ),
    (
        "DecodeCSV",
        {
            "OUT_TYPE": _attr("out_types"),
            "field_delim": _attr("field_delim"),
            "use_quote_delim": _attr("use_quote_delim"),
            "na_value": _attr("na_value"),
            "select_cols": _numbers("select_cols"),
        },
    ),
    ("DecodeCompressed", {"compression_type": _attr("compression_type")}),
    ("DecodeRaw", {"out_type": _attr("out_type"), "little_endian": _attr("little_endian")}),
    ("DeserializeManySparse", {"dtype": _attr("dtype"), "_rank": _attr("rank")}),
    ("EncodeBase64", {"pad": _attr("pad")}),
    ("Einsum", {"N": _count, **_T, "equation": _attr("equation")}),
    ("EnsureShape", {**_T, "shape": _attr("shape"), "_of": _attr("of", "")}),
    ("ExpandDims", {**_T, "Tdim": _dtype(1), "_axis": _attr("axis")}),
    ("FFT FFT2D FFT3D IFFT IFFT2D IFFT3D", {"Tcomplex": _dtype(0)}),
    (
        "FakeQuantWithMinMaxArgs FakeQuantWithMinMaxArgsGradient",
        {"min": _attr("min"), "max": _attr("max"), **_BITS},
    ),
    (
        "FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsGradient FakeQuantWithMinMaxVarsPerChannel "
        "FakeQuantWithMinMaxVarsPerChannelGradient",
        _BITS,
    ),
    ("Fill", {**_T, "index_type": _dtype(1), "_shape": _attr("shape")}),
    (
        "GatherV2",
        {
            "Tparams": _dtype(0),
            "Tindices": _dtype(1),
            "Taxis": _dtype(2),
            "batch_dims": lambda op: op.attrs.get("batch_dims", 0),
            "_axis": _attr("axis"),
        },
    ),
    ("HistogramFixedWidth", {**_T, "dtype": _attr("dtype"), "_nbins": _attr("nbins")}),
    ("IRFFT IRFFT2D IRFFT3D", {"Treal": _dtype_of_output, "Tcomplex": _dtype(0), "_fft_length": _attr("lengths")}),
    ("InTopKV2", {"T": _dtype(1), "_k": _attr("k")}),
    ("IsVariableInitialized", {"dtype": lambda op: op.attrs["variable"].dtype}),
    ("MatMul", {**_T, "transpose_a": _attr("transpose_a", False), "transpose_b": _attr("transpose_b", False)}),
    ("Lu", {**_T, "output_idx_type": _attr("output_idx_type")}),
    (
        "MatrixBandPart",
        {**_T, "Tindex": _dtype(1, int64), "_num_lower": _attr("num_lower"), "_num_upper": _attr("num_upper")},
    ),
    ("MatrixDiag MatrixDiagPart MatrixSetDiag", {**_T, "_k": _attr("k"), "_align": _attr("align")}),
    ("MatrixInverse MatrixSolve", {**_T, "adjoint": _attr("adjoint")}),
    ("MatrixSolveLs", {**_T, "fast": _attr("fast")}),
    ("MatrixTriangularSolve", {**_T, "lower": _attr("lower"), "adjoint": _attr("adjoint")}),
    (
        "MirrorPad MirrorPadGrad",
        {
            **_T,
            "Tpaddings": _dtype(1),
            "mode": _MIRROR,
            "_paddings": _array("paddings"),
        },
    ),
    (
        "OneHot",
        {
            "T": _attr("dtype"),
            "TI": _dtype(0),
            "axis": _attr("axis", -1),
            "_depth": _attr("depth"),
            "_on_value": _attr("on_value"),
            "_off_value": _attr("off_value"),
        },
    ),
    ("Pack", {"N": _count, **_T, "axis": _attr("axis", 0)}),
    ("Pad", {**_T, "Tpaddings": _dtype(1), "_paddings": _array("paddings"), "_value": _attr("value")}),
    ("ParseTensor", {"out_type": _attr("out_type")}),
    ("Placeholder", {"dtype": _attr("dtype"), "shape": _attr("shape", UNKNOWN_SHAPE)}),
    ("PlaceholderWithDefault", {"dtype": _dtype(0), "shape": _attr("shape")}),
    ("PyFunc", {"Tin": _dtypes, "Tout": FromAttr("Tout", list, tuple)}),
    ("QueueCloseV2", {"cancel_pending_enqueues": _attr("cancel_pending_enqueues", False)}),
    (
        "Print",
        {
            **_T,
            "U": lambda op: _dtypes(op)[1:],
            "message": _attr("message"),
            "first_n": _attr("first_n"),
            "summarize": _attr("summarize"),
        },
    ),
    ("Qr", {**_T, "full_matrices": _attr("full_matrices")}),
    ("RFFT RFFT2D RFFT3D", {"Treal": _dtype(0), "Tcomplex": _dtype_of_output, "_fft_length": _attr("lengths")}),
    ("RandomShuffle", {**_SEEDS, **_T}),
    ("RandomUniformInt", {**_SEEDS, "Tout": _dtype(0), "T": _dtype(2), "_shape": _attr("shape")}),
    ("Range", {"Tidx": _dtype(0)}),
    ("Reshape", {**_T, "Tshape": _dtype(1), "_shape": _attr("shape")}),
    ("Select", {"T": _dtype(1)}),
    ("SelfAdjointEigV2", {**_T, "compute_v": _attr("compute_v")}),
    ("Slice", {**_T, "Index": _dtype(1), "_begin": _attr("begin"), "_size": _attr("size")}),
    ("SparseSoftmaxCrossEntropyWithLogits", {**_T, "Tlabels": _dtype(1)}),
    ("Split", {"num_split": _attr("num"), **_T, "_axis": _attr("axis")}),
    (
        "SplitV",
        {
            "num_split": _attr("num"),
            **_T,
            "Tlen": _dtype(1),
            "_axis": _attr("axis"),
            "_sizes": _attr("sizes"),
        },
    ),
    ("Squeeze", {**_T, "squeeze_dims": _numbers("axis")}),
    (
        "StridedSlice",
        {
            **_T,
            "Index": _dtype(1),
            "begin_mask": _mask("begin", lambda item: isinstance(item, slice) and item.start is None),
            "end_mask": _mask("end", lambda item: isinstance(item, slice) and item.stop is None),
            "ellipsis_mask": _mask("ellipsis", lambda item: item is Ellipsis),
            "new_axis_mask": _mask("new_axis", lambda item: item is None),
            "shrink_axis_mask": _mask(
                "shrink_axis", lambda item: item is not None and item is not Ellipsis and not isinstance(item, slice)
            ),
        },
    ),
    ("Svd", {**_T, "compute_uv": _attr("compute_uv"), "full_matrices": _attr("full_matrices")}),
    ("Tile", {**_T, "Tmultiples": _dtype(1), "_multiples": _attr("multiples")}),
    ("Transpose", {**_T, "Tperm": _dtype(1), "_perm": _attr("perm")}),
    ("Unpack", {"num": _attr("num"), **_T, "axis": _attr("axis", 0)}),
    (
        "LearnedUnigramCandidateSampler LogUniformCandidateSampler UniformCandidateSampler",
        {**_CANDIDATES, "range_max": _attr("range_max")},
    ),
    (
        "FixedUnigramCandidateSampler",
        {
            **_CANDIDATES,
            "range_max": _attr("range_max"),
            "vocab_file": _attr("vocab_file"),
            "distortion": _attr("distortion"),
            "num_reserved_ids": _attr("num_reserved_ids"),
            "num_shards": _attr("num_shards"),
            "shard": _attr("shard"),
            "unigrams": _numbers("unigrams"),
        },
    ),
    ("AllCandidateSampler", _CANDIDATES),
    ("ComputeAccidentalHits", {"num_true": _attr("num_true"), **_SEEDS}),
    (
        "CTCLoss",
        {
            "preprocess_collapse_repeated": _attr("preprocess_collapse_repeated"),
            "ctc_merge_repeated": _attr("ctc_merge_repeated"),
            "ignore_longer_outputs_than_inputs": _attr("ignore_longer_outputs_than_inputs"),
            **_T,
        },
    ),
    ("CTCGreedyDecoder", {"merge_repeated": _attr("merge_repeated"), **_T}),
    (
        "CTCBeamSearchDecoder",
        {
            "beam_width": _attr("beam_width"),
            "top_paths": _attr("top_paths"),
            "merge_repeated": _attr("merge_repeated"),
            **_T,
        },
    ),
]
_SEGMENTS: Rules = {**_T, "Tindices": _dtype(1)}
_SPARSE_SEGMENTS: Rules = {**_T, "Tidx": _dtype(1)}
_PATCHES: Rules = {"ksizes": _numbers("ksizes"), "strides": _numbers("strides"), **_T, "padding": _attr("padding")}
_STATELESS: Rules = {"T": _dtype(0), "Tseed": _dtype(1)}
_ARRAYS: list[tuple[str, Rules]] = [  # array operations, segments, random values
    ("BroadcastArgs BroadcastGradientArgs GuaranteeConst RandomGammaGrad", _T),
    ("ConcatOffset", {"N": lambda op: len(op.operands) - 1}),
    ("SelectV2", {"T": _dtype(1)}),
    ("ShapeN", {"N": _count, **_T, "out_type": _attr("out_type")}),
    ("IdentityN", {"T": _dtypes}),
    ("Bitcast", {**_T, "type": _attr("type")}),
    ("EditDistance", {"normalize": _attr("normalize"), "T": _dtype(1)}),
    ("SpaceToBatchND", {**_T, "Tblock_shape": _dtype(1), "Tpaddings": _dtype(2)}),
    ("BatchToSpaceND", {**_T, "Tblock_shape": _dtype(1), "Tcrops": _dtype(2)}),
    ("SpaceToDepth DepthToSpace", {**_T, "block_size": _attr("block_size"), "data_format": _attr("data_format")}),
    ("ExtractImagePatches", {**_PATCHES, "rates": _numbers("rates")}),
    ("ExtractVolumePatches", _PATCHES),
    ("ReverseV2", {"Tidx": _dtype(1), **_T}),
    ("ReverseSequence", {"seq_dim": _attr("seq_dim"), "batch_dim": _attr("batch_dim"), **_T, "Tlen": _dtype(1)}),
    ("Roll", {**_T, "Tshift": _dtype(1), "Taxis": _dtype(2)}),
    ("LinSpace", {**_T, "Tidx": _dtype(2)}),
    ("UnravelIndex", {"Tidx": _dtype(0)}),
    ("Unique UniqueWithCounts ListDiff", {**_T, "out_idx": _attr("out_idx")}),
    ("DynamicPartition", {"num_partitions": _attr("num"), **_T}),
    ("DynamicStitch ParallelDynamicStitch", {"N": lambda op: _count(op) // 2, "T": _dtype(-1)}),
    ("GatherNd", {"Tparams": _dtype(0), "Tindices": _dtype(1)}),
    ("ScatterNd", {"T": _dtype(1), "Tindices": _dtype(0)}),
    (
        "TensorScatterUpdate TensorScatterAdd TensorScatterSub TensorScatterMin TensorScatterMax "
        "ScatterNdNonAliasingAdd SegmentSum SegmentMean SegmentProd SegmentMin SegmentMax",
        _SEGMENTS,
    ),
    (
        "UnsortedSegmentSum UnsortedSegmentProd UnsortedSegmentMin UnsortedSegmentMax",
        {**_SEGMENTS, "Tnumsegments": _dtype(2)},
    ),
    ("SparseSegmentSum SparseSegmentMean SparseSegmentSqrtN", _SPARSE_SEGMENTS),
    (
        "SparseSegmentSumWithNumSegments SparseSegmentMeanWithNumSegments SparseSegmentSqrtNWithNumSegments",
        {**_SPARSE_SEGMENTS, "Tnumsegments": _dtype(3)},
    ),
    ("TopKV2", {"sorted": _attr("sorted"), **_T, "_k": _attr("k")}),
    ("NthElement", {"reverse": _attr("reverse"), **_T, "_n": _attr("n")}),
    ("LowerBound UpperBound", {**_T, "out_type": _attr("out_type")}),
    ("Multinomial", {**_SEEDS, **_T, "output_dtype": _attr("output_dtype")}),
    ("RandomGamma", {**_SEEDS, "S": _dtype(0), "T": _dtype(1)}),
    ("RandomPoissonV2", {**_SEEDS, "S": _dtype(0), "R": _dtype(1), "dtype": _attr("dtype")}),
    ("ParameterizedTruncatedNormal", {**_SEEDS, "dtype": _dtype(1), "T": _dtype(0)}),
    (
        "StatelessRandomUniform StatelessRandomNormal StatelessTruncatedNormal",
        {"dtype": _attr("dtype"), **_STATELESS},
    ),
    ("StatelessRandomUniformInt", {"dtype": _dtype(2), **_STATELESS}),
    ("StatelessMultinomial", {**_T, "Tseed": _dtype(2), "output_dtype": _attr("output_dtype")}),
]
RULES = {kind: rules for kinds, rules in [*_GROUPS, *_ARRAYS, *IMAGES] for kind in kinds.split()}

INPUT_ORDER = {  # where TensorFlow has another one: the places of the inputs, if all are there
    "Fill": (1, 0),
    "Split": (1, 0),
    "RandomUniformInt": (2, 0, 1),
}
