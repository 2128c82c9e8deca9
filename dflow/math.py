"""Arithmetic, as TensorFlow 1 names it in `tf.math`: the same objects as in `df` and `df.nn`, and some more.

Source: tf.math of TensorFlow 1.15.
"""

from dflow.ops.array.transpose import invert_permutation
from dflow.ops.checks.order import is_non_decreasing, is_strictly_increasing
from dflow.ops.linalg.norms import l2_normalize
from dflow.ops.math.arg_reduction import argmax, argmin
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
from dflow.ops.math.bessel import bessel_i0, bessel_i0e, bessel_i1, bessel_i1e
from dflow.ops.math.combinations import accumulate_n, polyval, scalar_mul
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
)
from dflow.ops.math.complex import angle, imag, real
from dflow.ops.math.confusion_matrix import confusion_matrix
from dflow.ops.math.counting import bincount
from dflow.ops.math.cumsum import cumprod, cumsum, cumulative_logsumexp
from dflow.ops.math.division import divide, floordiv, floormod, mod, truediv
from dflow.ops.math.erf import erf, erfc, erfcinv, erfinv, ndtri
from dflow.ops.math.gamma import betainc, digamma, igamma, igammac, lbeta, lgamma, polygamma, zeta
from dflow.ops.math.hyperbolic import acosh, asinh, atanh, cosh, sinh, tanh
from dflow.ops.math.powers import exp, expm1, log, log1p, pow, reciprocal, rsqrt, sqrt, square
from dflow.ops.math.products_with_zero import div_no_nan as divide_no_nan
from dflow.ops.math.products_with_zero import multiply_no_nan, reciprocal_no_nan, xdivy, xlog1py, xlogy
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
from dflow.ops.math.rounding import ceil, floor, nextafter, rint, round
from dflow.ops.math.statistics import reduce_euclidean_norm, reduce_std, reduce_variance
from dflow.ops.math.trigonometry import acos, asin, atan, atan2, cos, sin, tan
from dflow.ops.nn.activations import log_softmax, sigmoid, softmax, softplus
from dflow.ops.nn.layers import zero_fraction
from dflow.ops.nn.rectifiers import softsign
from dflow.ops.nn.top_k import in_top_k
from dflow.ops.order.top_k import top_k
from dflow.ops.segments.sorted import segment_max, segment_mean, segment_min, segment_prod, segment_sum
from dflow.ops.segments.unsorted import (
    unsorted_segment_max,
    unsorted_segment_mean,
    unsorted_segment_min,
    unsorted_segment_prod,
    unsorted_segment_sqrt_n,
    unsorted_segment_sum,
)

__all__ = [
    "abs",
    "accumulate_n",
    "acos",
    "acosh",
    "add",
    "add_n",
    "angle",
    "argmax",
    "argmin",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bessel_i0",
    "bessel_i0e",
    "bessel_i1",
    "bessel_i1e",
    "betainc",
    "bincount",
    "ceil",
    "confusion_matrix",
    "conj",
    "cos",
    "cosh",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "cumulative_logsumexp",
    "digamma",
    "divide",
    "divide_no_nan",
    "equal",
    "erf",
    "erfc",
    "erfcinv",
    "erfinv",
    "exp",
    "expm1",
    "floor",
    "floordiv",
    "floormod",
    "greater",
    "greater_equal",
    "igamma",
    "igammac",
    "imag",
    "in_top_k",
    "invert_permutation",
    "is_finite",
    "is_inf",
    "is_nan",
    "is_non_decreasing",
    "is_strictly_increasing",
    "l2_normalize",
    "lbeta",
    "less",
    "less_equal",
    "lgamma",
    "log",
    "log1p",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "multiply_no_nan",
    "ndtri",
    "negative",
    "nextafter",
    "not_equal",
    "polygamma",
    "polyval",
    "pow",
    "real",
    "reciprocal",
    "reciprocal_no_nan",
    "reduce_all",
    "reduce_any",
    "reduce_euclidean_norm",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_std",
    "reduce_sum",
    "reduce_variance",
    "rint",
    "round",
    "rsqrt",
    "scalar_mul",
    "segment_max",
    "segment_mean",
    "segment_min",
    "segment_prod",
    "segment_sum",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softmax",
    "softplus",
    "softsign",
    "sqrt",
    "square",
    "squared_difference",
    "subtract",
    "tan",
    "tanh",
    "top_k",
    "truediv",
    "unsorted_segment_max",
    "unsorted_segment_mean",
    "unsorted_segment_min",
    "unsorted_segment_prod",
    "unsorted_segment_sqrt_n",
    "unsorted_segment_sum",
    "xdivy",
    "xlog1py",
    "xlogy",
    "zero_fraction",
    "zeta",
]
