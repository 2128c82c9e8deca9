"""dflow: TensorFlow 1's programming model, on Dask.

    import dflow as df

A user builds a graph of operations, pins parts of it to devices, and runs it in a session: in this process, or on the
workers of a Dask cluster.  Names, argument order and behaviour are those of TensorFlow 1's Python API.
"""

import sys as _sys

from dflow import (
    bitwise,
    cluster,
    contrib,
    data,
    debugging,
    errors,
    graph_util,
    image,
    initializers,
    io,
    layers,
    linalg,
    lookup,
    losses,
    manip,
    math,
    metrics,
    nest,
    nn,
    python_io,
    quantization,
    random,
    saved_model,
    sets,
    signal,
    sparse,
    spectral,
    strings,
    train,
)
from dflow.absent import refer_to_the_page as _refer_to_the_page
from dflow.blocks import (
    add_to_collection,
    colocate_with,
    container,
    control_dependencies,
    device,
    get_collection,
    name_scope,
)
from dflow.dashboard import page as _page  # adds its page to the scheduler  # noqa: F401
from dflow.devices import DeviceSpec
from dflow.dtypes import (
    DType,
    as_dtype,
    bfloat16,
    complex64,
    complex128,
    double,
    float16,
    float32,
    float64,
    half,
    int8,
    int16,
    int32,
    int64,
    string,
    uint8,
    uint16,
    uint32,
    uint64,
)
from dflow.dtypes import bool_ as bool
from dflow.gradients import AggregationMethod, UnconnectedGradients, gradients
from dflow.graph import (
    Graph,
    GraphKeys,
    Operation,
    Tensor,
    add_op,
    convert_to_tensor,
    get_default_graph,
    reset_default_graph,
)
from dflow.graph.scopes import get_default_session
from dflow.graph_import import import_graph_def
from dflow.graph_proto import (
    GRAPH_DEF_VERSION,
    GRAPH_DEF_VERSION_MIN_CONSUMER,
    GRAPH_DEF_VERSION_MIN_PRODUCER,
    GraphDef,
    MetaGraphDef,
    TensorInfo,
)
from dflow.node_proto import AttrValue, NameAttrList, NodeDef
from dflow.ops import operators as _operators  # gives tensors and variables Python's operators  # noqa: F401
from dflow.ops.array.bits import bitcast
from dflow.ops.array.broadcasting import broadcast_dynamic_shape, broadcast_static_shape
from dflow.ops.array.cast import cast, to_double, to_float, to_int32, to_int64
from dflow.ops.array.concat import concat, split
from dflow.ops.array.constants import constant, placeholder, placeholder_with_default
from dflow.ops.array.copies import guarantee_const, identity_n
from dflow.ops.array.depth import depth_to_space, space_to_depth
from dflow.ops.array.edit_distance import edit_distance
from dflow.ops.array.fill import broadcast_to, fill, ones, ones_like, zeros, zeros_like
from dflow.ops.array.gather import batch_gather, boolean_mask, gather
from dflow.ops.array.gather_nd import gather_nd, scatter_nd
from dflow.ops.array.grid import eye, lin_space, linspace, meshgrid, unravel_index
from dflow.ops.array.indexed_slices import IndexedSlices, convert_to_tensor_or_indexed_slices
from dflow.ops.array.mask import sequence_mask
from dflow.ops.array.one_hot import one_hot
from dflow.ops.array.pad import pad
from dflow.ops.array.partition import dynamic_partition, dynamic_stitch
from dflow.ops.array.patches import extract_image_patches, extract_volume_patches
from dflow.ops.array.repeat import repeat
from dflow.ops.array.reverse import reverse, reverse_sequence, reverse_v2, roll
from dflow.ops.array.sequence import range
from dflow.ops.array.shape import expand_dims, rank, reshape, shape, shape_n, size, squeeze
from dflow.ops.array.slice import slice
from dflow.ops.array.space import (
    batch_to_space,
    batch_to_space_nd,
    required_space_to_batch_paddings,
    space_to_batch,
    space_to_batch_nd,
)
from dflow.ops.array.stack import parallel_stack, stack, unstack
from dflow.ops.array.strided_slice import newaxis, strided_slice
from dflow.ops.array.tensor_scatter import tensor_scatter_add, tensor_scatter_sub, tensor_scatter_update
from dflow.ops.array.tensor_scatter import tensor_scatter_add as tensor_scatter_nd_add
from dflow.ops.array.tensor_scatter import tensor_scatter_max as tensor_scatter_nd_max
from dflow.ops.array.tensor_scatter import tensor_scatter_min as tensor_scatter_nd_min
from dflow.ops.array.tensor_scatter import tensor_scatter_sub as tensor_scatter_nd_sub
from dflow.ops.array.tensor_scatter import tensor_scatter_update as tensor_scatter_nd_update
from dflow.ops.array.tile import tile
from dflow.ops.array.transpose import invert_permutation, transpose
from dflow.ops.array.unique import setdiff1d, unique, unique_with_counts
from dflow.ops.checks.comparisons import (
    assert_equal,
    assert_greater,
    assert_greater_equal,
    assert_less,
    assert_less_equal,
    assert_near,
    assert_negative,
    assert_non_negative,
    assert_non_positive,
    assert_none_equal,
    assert_positive,
)
from dflow.ops.checks.dtypes import (
    assert_integer,
    assert_proper_iterable,
    assert_same_float_dtype,
    assert_type,
    is_numeric_tensor,
)
from dflow.ops.checks.numerics import add_check_numerics_ops, check_numerics, verify_tensor_all_finite
from dflow.ops.checks.order import is_non_decreasing, is_strictly_increasing
from dflow.ops.checks.printing import Print, print
from dflow.ops.checks.ranks import assert_rank, assert_rank_at_least, assert_rank_in, assert_scalar, ensure_shape
from dflow.ops.control import Assert, group, identity, no_op, stop_gradient
from dflow.ops.control import tuple_ as tuple
from dflow.ops.control_flow import folded as _folded  # the operation that a loop is in a plan  # noqa: F401
from dflow.ops.control_flow import stack as _stack  # noqa: F401
from dflow.ops.control_flow import tensor_array_ops as _tensor_array_ops  # noqa: F401
from dflow.ops.control_flow.cond import case, cond, switch_case
from dflow.ops.control_flow.functional import foldl, foldr, map_fn, scan
from dflow.ops.control_flow.tensor_array import TensorArray
from dflow.ops.control_flow.while_loop import while_loop
from dflow.ops.linalg.band_part import matrix_band_part
from dflow.ops.linalg.cholesky import cholesky
from dflow.ops.linalg.cross import cross
from dflow.ops.linalg.determinants import matrix_determinant
from dflow.ops.linalg.diagonals import matrix_diag, matrix_diag_part, matrix_set_diag, trace
from dflow.ops.linalg.eigen import self_adjoint_eig, self_adjoint_eigvals
from dflow.ops.linalg.functions import sqrtm as matrix_square_root
from dflow.ops.linalg.least_squares import matrix_solve_ls
from dflow.ops.linalg.norms import norm
from dflow.ops.linalg.qr import qr
from dflow.ops.linalg.solve import cholesky_solve, matrix_inverse, matrix_solve, matrix_triangular_solve
from dflow.ops.linalg.svd import svd
from dflow.ops.linalg.tensor_diagonal import diag, diag_part
from dflow.ops.linalg.transposes import matrix_transpose
from dflow.ops.lookup.tables import initialize_all_tables, tables_initializer
from dflow.ops.math.arg_reduction import arg_max, arg_min, argmax, argmin
from dflow.ops.math.arithmetic import (
    abs,
    add,
    add_n,
    conj,
    maximum,
    minimum,
    multiply,
    negative,
    sign,
    squared_difference,
    subtract,
)
from dflow.ops.math.combinations import accumulate_n, scalar_mul
from dflow.ops.math.compare import (
    equal,
    greater,
    greater_equal,
    is_finite,
    is_inf,
    is_nan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
    where,
)
from dflow.ops.math.complex import angle, complex, imag, real
from dflow.ops.math.confusion_matrix import confusion_matrix
from dflow.ops.math.counting import bincount, histogram_fixed_width, histogram_fixed_width_bins
from dflow.ops.math.cumsum import cumprod, cumsum
from dflow.ops.math.division import (
    div,
    divide,
    floor_div,
    floordiv,
    floormod,
    mod,
    realdiv,
    truediv,
    truncatediv,
    truncatemod,
)
from dflow.ops.math.einsum import einsum
from dflow.ops.math.erf import erf, erfc
from dflow.ops.math.gamma import betainc, digamma, igamma, igammac, lbeta, lgamma, polygamma, zeta
from dflow.ops.math.hyperbolic import acosh, asinh, atanh, cosh, sinh, tanh
from dflow.ops.math.linalg import matmul
from dflow.ops.math.powers import exp, expm1, log, log1p, pow, reciprocal, rsqrt, sqrt, square
from dflow.ops.math.products_with_zero import div_no_nan
from dflow.ops.math.reduction import (
    count_nonzero,
    reduce_all,
    reduce_any,
    reduce_logsumexp,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_sum,
)
from dflow.ops.math.rounding import ceil, floor, rint, round
from dflow.ops.math.select import where_v2
from dflow.ops.math.tensordot import tensordot
from dflow.ops.math.trigonometry import acos, asin, atan, atan2, cos, sin, tan
from dflow.ops.nn.activations import sigmoid
from dflow.ops.nn.clip import clip_by_average_norm, clip_by_global_norm, clip_by_norm, clip_by_value, global_norm
from dflow.ops.nn.fake_quant import (
    fake_quant_with_min_max_args,
    fake_quant_with_min_max_args_gradient,
    fake_quant_with_min_max_vars,
    fake_quant_with_min_max_vars_gradient,
    fake_quant_with_min_max_vars_per_channel,
    fake_quant_with_min_max_vars_per_channel_gradient,
)
from dflow.ops.order.search import searchsorted
from dflow.ops.order.sort import argsort, sort
from dflow.ops.py_func import py_func
from dflow.ops.queues.kinds import FIFOQueue, PaddingFIFOQueue, PriorityQueue, QueueBase, RandomShuffleQueue
from dflow.ops.random import random_normal, random_shuffle, random_uniform, set_random_seed, truncated_normal
from dflow.ops.random import seeds_of as get_seed
from dflow.ops.readers import ReaderBase
from dflow.ops.sampling.categories import multinomial
from dflow.ops.sampling.crop import random_crop
from dflow.ops.sampling.gamma import random_gamma, random_poisson
from dflow.ops.segments.sorted import segment_max, segment_mean, segment_min, segment_prod, segment_sum
from dflow.ops.segments.sparse import sparse_segment_mean, sparse_segment_sqrt_n, sparse_segment_sum
from dflow.ops.segments.unsorted import (
    unsorted_segment_max,
    unsorted_segment_mean,
    unsorted_segment_min,
    unsorted_segment_prod,
    unsorted_segment_sqrt_n,
    unsorted_segment_sum,
)
from dflow.ops.signal.fourier import fft, fft2d, fft3d, ifft, ifft2d, ifft3d
from dflow.ops.sparse.add import sparse_add
from dflow.ops.sparse.concat import sparse_concat
from dflow.ops.sparse.dense import sparse_tensor_to_dense, sparse_to_dense, sparse_to_indicator
from dflow.ops.sparse.elementwise import sparse_maximum, sparse_minimum
from dflow.ops.sparse.fill_empty_rows import sparse_fill_empty_rows
from dflow.ops.sparse.mask import sparse_mask
from dflow.ops.sparse.matmul import sparse_matmul, sparse_tensor_dense_matmul
from dflow.ops.sparse.merge import sparse_merge
from dflow.ops.sparse.order import sparse_reorder, sparse_transpose
from dflow.ops.sparse.parts import sparse_retain, sparse_slice, sparse_split
from dflow.ops.sparse.placeholder import sparse_placeholder
from dflow.ops.sparse.reduce import (
    sparse_reduce_max,
    sparse_reduce_max_sparse,
    sparse_reduce_sum,
    sparse_reduce_sum_sparse,
    sparse_softmax,
)
from dflow.ops.sparse.serial import deserialize_many_sparse, serialize_many_sparse, serialize_sparse
from dflow.ops.sparse.shape import sparse_reset_shape, sparse_reshape
from dflow.ops.state.assign import assign, assign_add, assign_sub, count_up_to
from dflow.ops.state.distribution import VariableAggregation, VariableSynchronization
from dflow.ops.state.get_variable import create_partitioned_variables, get_local_variable, get_variable
from dflow.ops.state.initializers import (
    constant_initializer,
    ones_initializer,
    random_normal_initializer,
    random_uniform_initializer,
    truncated_normal_initializer,
    uniform_unit_scaling_initializer,
    zeros_initializer,
)
from dflow.ops.state.partitions import (
    fixed_size_partitioner,
    min_max_variable_partitioner,
    variable_axis_size_partitioner,
)
from dflow.ops.state.scatter import (
    batch_scatter_update,
    scatter_add,
    scatter_div,
    scatter_max,
    scatter_min,
    scatter_mul,
    scatter_nd_add,
    scatter_nd_sub,
    scatter_nd_update,
    scatter_sub,
    scatter_update,
)
from dflow.ops.state.variable_creation import (
    disable_resource_variables,
    enable_resource_variables,
    resource_variables_enabled,
    variable_creator_scope,
)
from dflow.ops.state.variable_lists import (
    all_variables,
    assert_variables_initialized,
    global_variables,
    global_variables_initializer,
    initialize_all_variables,
    initialize_local_variables,
    initialize_variables,
    is_variable_initialized,
    local_variables,
    local_variables_initializer,
    model_variables,
    moving_average_variables,
    report_uninitialized_variables,
    trainable_variables,
    variables_initializer,
)
from dflow.ops.state.variable_scope import (
    AUTO_REUSE,
    VariableScope,
    get_variable_scope,
    no_regularizer,
    variable_op_scope,
    variable_scope,
)
from dflow.ops.state.variables import Variable
from dflow.ops.state.variance_scaling import (
    glorot_normal_initializer,
    glorot_uniform_initializer,
    orthogonal_initializer,
    variance_scaling_initializer,
)
from dflow.ops.text.characters import string_strip
from dflow.ops.text.hash_bucket import (
    string_to_hash_bucket,
    string_to_hash_bucket_fast,
    string_to_hash_bucket_strong,
)
from dflow.ops.text.join import reduce_join, string_join
from dflow.ops.text.numbers import as_string, string_to_number
from dflow.ops.text.regex import regex_replace
from dflow.ops.text.split import string_split
from dflow.ops.text.substring import substr
from dflow.readers import (
    CSVReader,
    FixedLenFeature,
    FixedLengthRecordReader,
    FixedLenSequenceFeature,
    IdentityReader,
    ParquetReader,
    SparseFeature,
    TextLineReader,
    TFRecordReader,
    VarLenFeature,
    WholeFileReader,
    decode_base64,
    decode_compressed,
    decode_csv,
    decode_json_example,
    decode_raw,
    encode_base64,
    parse_example,
    parse_single_example,
    parse_single_sequence_example,
    parse_tensor,
    serialize_tensor,
)
from dflow.registry import define, no_gradient, reader
from dflow.runtime.base.config import ConfigProto, RunMetadata, RunOptions
from dflow.runtime.session.interactive import InteractiveSession
from dflow.runtime.session.session import Session
from dflow.shapes import TensorShape
from dflow.sparse_tensor import SparseTensor, SparseTensorValue, convert_to_tensor_or_sparse_tensor
from dflow.specs import TensorSpec
from dflow.tensor_proto import make_ndarray, make_tensor_proto
from dflow.version import __version__
from dflow.visualize import visualize

__all__ = [
    "AUTO_REUSE",
    "AggregationMethod",
    "Assert",
    "AttrValue",
    "CSVReader",
    "ConfigProto",
    "DType",
    "DeviceSpec",
    "FIFOQueue",
    "FixedLenFeature",
    "FixedLenSequenceFeature",
    "FixedLengthRecordReader",
    "GRAPH_DEF_VERSION",
    "GRAPH_DEF_VERSION_MIN_CONSUMER",
    "GRAPH_DEF_VERSION_MIN_PRODUCER",
    "Graph",
    "GraphDef",
    "GraphKeys",
    "IdentityReader",
    "IndexedSlices",
    "InteractiveSession",
    "MetaGraphDef",
    "NameAttrList",
    "NodeDef",
    "Operation",
    "PaddingFIFOQueue",
    "ParquetReader",
    "Print",
    "PriorityQueue",
    "QueueBase",
    "RandomShuffleQueue",
    "ReaderBase",
    "RunMetadata",
    "RunOptions",
    "Session",
    "SparseFeature",
    "SparseTensor",
    "SparseTensorValue",
    "TFRecordReader",
    "Tensor",
    "TensorArray",
    "TensorInfo",
    "TensorShape",
    "TensorSpec",
    "TextLineReader",
    "UnconnectedGradients",
    "VarLenFeature",
    "Variable",
    "VariableAggregation",
    "VariableScope",
    "VariableSynchronization",
    "WholeFileReader",
    "__version__",
    "abs",
    "accumulate_n",
    "acos",
    "acosh",
    "add",
    "add_check_numerics_ops",
    "add_n",
    "add_op",
    "add_to_collection",
    "all_variables",
    "angle",
    "arg_max",
    "arg_min",
    "argmax",
    "argmin",
    "argsort",
    "as_dtype",
    "as_string",
    "asin",
    "asinh",
    "assert_equal",
    "assert_greater",
    "assert_greater_equal",
    "assert_integer",
    "assert_less",
    "assert_less_equal",
    "assert_near",
    "assert_negative",
    "assert_non_negative",
    "assert_non_positive",
    "assert_none_equal",
    "assert_positive",
    "assert_proper_iterable",
    "assert_rank",
    "assert_rank_at_least",
    "assert_rank_in",
    "assert_same_float_dtype",
    "assert_scalar",
    "assert_type",
    "assert_variables_initialized",
    "assign",
    "assign_add",
    "assign_sub",
    "atan",
    "atan2",
    "atanh",
    "batch_gather",
    "batch_scatter_update",
    "batch_to_space",
    "batch_to_space_nd",
    "betainc",
    "bfloat16",
    "bincount",
    "bitcast",
    "bitwise",
    "bool",
    "boolean_mask",
    "broadcast_dynamic_shape",
    "broadcast_static_shape",
    "broadcast_to",
    "case",
    "cast",
    "ceil",
    "check_numerics",
    "cholesky",
    "cholesky_solve",
    "clip_by_average_norm",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "cluster",
    "colocate_with",
    "complex",
    "complex128",
    "complex64",
    "concat",
    "cond",
    "confusion_matrix",
    "conj",
    "constant",
    "constant_initializer",
    "container",
    "contrib",
    "control_dependencies",
    "convert_to_tensor",
    "convert_to_tensor_or_indexed_slices",
    "convert_to_tensor_or_sparse_tensor",
    "cos",
    "cosh",
    "count_nonzero",
    "count_up_to",
    "create_partitioned_variables",
    "cross",
    "cumprod",
    "cumsum",
    "data",
    "debugging",
    "decode_base64",
    "decode_compressed",
    "decode_csv",
    "decode_json_example",
    "decode_raw",
    "define",
    "depth_to_space",
    "deserialize_many_sparse",
    "device",
    "diag",
    "diag_part",
    "digamma",
    "disable_resource_variables",
    "div",
    "div_no_nan",
    "divide",
    "double",
    "dynamic_partition",
    "dynamic_stitch",
    "edit_distance",
    "einsum",
    "enable_resource_variables",
    "encode_base64",
    "ensure_shape",
    "equal",
    "erf",
    "erfc",
    "errors",
    "exp",
    "expand_dims",
    "expm1",
    "extract_image_patches",
    "extract_volume_patches",
    "eye",
    "fake_quant_with_min_max_args",
    "fake_quant_with_min_max_args_gradient",
    "fake_quant_with_min_max_vars",
    "fake_quant_with_min_max_vars_gradient",
    "fake_quant_with_min_max_vars_per_channel",
    "fake_quant_with_min_max_vars_per_channel_gradient",
    "fft",
    "fft2d",
    "fft3d",
    "fill",
    "fixed_size_partitioner",
    "float16",
    "float32",
    "float64",
    "floor",
    "floor_div",
    "floordiv",
    "floormod",
    "foldl",
    "foldr",
    "gather",
    "gather_nd",
    "get_collection",
    "get_default_graph",
    "get_default_session",
    "get_local_variable",
    "get_seed",
    "get_variable",
    "get_variable_scope",
    "global_norm",
    "global_variables",
    "global_variables_initializer",
    "glorot_normal_initializer",
    "glorot_uniform_initializer",
    "gradients",
    "graph_util",
    "greater",
    "greater_equal",
    "group",
    "guarantee_const",
    "half",
    "histogram_fixed_width",
    "histogram_fixed_width_bins",
    "identity",
    "identity_n",
    "ifft",
    "ifft2d",
    "ifft3d",
    "igamma",
    "igammac",
    "imag",
    "image",
    "import_graph_def",
    "initialize_all_tables",
    "initialize_all_variables",
    "initialize_local_variables",
    "initialize_variables",
    "initializers",
    "int16",
    "int32",
    "int64",
    "int8",
    "invert_permutation",
    "io",
    "is_finite",
    "is_inf",
    "is_nan",
    "is_non_decreasing",
    "is_numeric_tensor",
    "is_strictly_increasing",
    "is_variable_initialized",
    "layers",
    "lbeta",
    "less",
    "less_equal",
    "lgamma",
    "lin_space",
    "linalg",
    "linspace",
    "local_variables",
    "local_variables_initializer",
    "log",
    "log1p",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lookup",
    "losses",
    "make_ndarray",
    "make_tensor_proto",
    "manip",
    "map_fn",
    "math",
    "matmul",
    "matrix_band_part",
    "matrix_determinant",
    "matrix_diag",
    "matrix_diag_part",
    "matrix_inverse",
    "matrix_set_diag",
    "matrix_solve",
    "matrix_solve_ls",
    "matrix_square_root",
    "matrix_transpose",
    "matrix_triangular_solve",
    "maximum",
    "meshgrid",
    "metrics",
    "min_max_variable_partitioner",
    "minimum",
    "mod",
    "model_variables",
    "moving_average_variables",
    "multinomial",
    "multiply",
    "name_scope",
    "negative",
    "nest",
    "newaxis",
    "nn",
    "no_gradient",
    "no_op",
    "no_regularizer",
    "norm",
    "not_equal",
    "one_hot",
    "ones",
    "ones_initializer",
    "ones_like",
    "orthogonal_initializer",
    "pad",
    "parallel_stack",
    "parse_example",
    "parse_single_example",
    "parse_single_sequence_example",
    "parse_tensor",
    "placeholder",
    "placeholder_with_default",
    "polygamma",
    "pow",
    "print",
    "py_func",
    "python_io",
    "qr",
    "quantization",
    "random",
    "random_crop",
    "random_gamma",
    "random_normal",
    "random_normal_initializer",
    "random_poisson",
    "random_shuffle",
    "random_uniform",
    "random_uniform_initializer",
    "range",
    "rank",
    "reader",
    "real",
    "realdiv",
    "reciprocal",
    "reduce_all",
    "reduce_any",
    "reduce_join",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
    "regex_replace",
    "repeat",
    "report_uninitialized_variables",
    "required_space_to_batch_paddings",
    "reset_default_graph",
    "reshape",
    "resource_variables_enabled",
    "reverse",
    "reverse_sequence",
    "reverse_v2",
    "rint",
    "roll",
    "round",
    "rsqrt",
    "saved_model",
    "scalar_mul",
    "scan",
    "scatter_add",
    "scatter_div",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "scatter_nd",
    "scatter_nd_add",
    "scatter_nd_sub",
    "scatter_nd_update",
    "scatter_sub",
    "scatter_update",
    "searchsorted",
    "segment_max",
    "segment_mean",
    "segment_min",
    "segment_prod",
    "segment_sum",
    "self_adjoint_eig",
    "self_adjoint_eigvals",
    "sequence_mask",
    "serialize_many_sparse",
    "serialize_sparse",
    "serialize_tensor",
    "set_random_seed",
    "setdiff1d",
    "sets",
    "shape",
    "shape_n",
    "sigmoid",
    "sign",
    "signal",
    "sin",
    "sinh",
    "size",
    "slice",
    "sort",
    "space_to_batch",
    "space_to_batch_nd",
    "space_to_depth",
    "sparse",
    "sparse_add",
    "sparse_concat",
    "sparse_fill_empty_rows",
    "sparse_mask",
    "sparse_matmul",
    "sparse_maximum",
    "sparse_merge",
    "sparse_minimum",
    "sparse_placeholder",
    "sparse_reduce_max",
    "sparse_reduce_max_sparse",
    "sparse_reduce_sum",
    "sparse_reduce_sum_sparse",
    "sparse_reorder",
    "sparse_reset_shape",
    "sparse_reshape",
    "sparse_retain",
    "sparse_segment_mean",
    "sparse_segment_sqrt_n",
    "sparse_segment_sum",
    "sparse_slice",
    "sparse_softmax",
    "sparse_split",
    "sparse_tensor_dense_matmul",
    "sparse_tensor_to_dense",
    "sparse_to_dense",
    "sparse_to_indicator",
    "sparse_transpose",
    "spectral",
    "split",
    "sqrt",
    "square",
    "squared_difference",
    "squeeze",
    "stack",
    "stop_gradient",
    "strided_slice",
    "string",
    "string_join",
    "string_split",
    "string_strip",
    "string_to_hash_bucket",
    "string_to_hash_bucket_fast",
    "string_to_hash_bucket_strong",
    "string_to_number",
    "strings",
    "substr",
    "subtract",
    "svd",
    "switch_case",
    "tables_initializer",
    "tan",
    "tanh",
    "tensor_scatter_add",
    "tensor_scatter_nd_add",
    "tensor_scatter_nd_max",
    "tensor_scatter_nd_min",
    "tensor_scatter_nd_sub",
    "tensor_scatter_nd_update",
    "tensor_scatter_sub",
    "tensor_scatter_update",
    "tensordot",
    "tile",
    "to_double",
    "to_float",
    "to_int32",
    "to_int64",
    "trace",
    "train",
    "trainable_variables",
    "transpose",
    "truediv",
    "truncated_normal",
    "truncated_normal_initializer",
    "truncatediv",
    "truncatemod",
    "tuple",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
    "uniform_unit_scaling_initializer",
    "unique",
    "unique_with_counts",
    "unravel_index",
    "unsorted_segment_max",
    "unsorted_segment_mean",
    "unsorted_segment_min",
    "unsorted_segment_prod",
    "unsorted_segment_sqrt_n",
    "unsorted_segment_sum",
    "unstack",
    "variable_axis_size_partitioner",
    "variable_creator_scope",
    "variable_op_scope",
    "variable_scope",
    "variables_initializer",
    "variance_scaling_initializer",
    "verify_tensor_all_finite",
    "visualize",
    "where",
    "where_v2",
    "while_loop",
    "zeros",
    "zeros_initializer",
    "zeros_like",
    "zeta",
]

_refer_to_the_page(
    _sys.modules[__name__],
    contrib,
    contrib.framework,
    contrib.lookup,
    contrib.training,
    contrib.util,
    graph_util,
    image,
    io,
    layers,
    lookup,
    losses,
    manip,
    metrics,
    nn,
    random,
    saved_model,
    sets,
    sparse,
    bitwise,
    contrib,
    contrib.lookup,
    contrib.training,
    contrib.util,
    debugging,
    io,
    linalg,
    lookup,
    manip,
    math,
    nn,
    quantization,
    random,
    sets,
    signal,
    sparse,
    spectral,
    strings,
    train,
)
