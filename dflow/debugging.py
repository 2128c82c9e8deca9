"""Assertions and checks, as TensorFlow 1 names them in `tf.debugging`: the same objects as in `df`, and some more.

Source: tf.debugging of TensorFlow 1.15.
"""

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
from dflow.ops.checks.numerics import check_numerics
from dflow.ops.checks.numerics import verify_tensor_all_finite as assert_all_finite
from dflow.ops.checks.order import is_non_decreasing, is_strictly_increasing
from dflow.ops.checks.ranks import assert_rank, assert_rank_at_least, assert_rank_in, assert_scalar, assert_shapes
from dflow.ops.control import Assert
from dflow.ops.math.compare import is_finite, is_inf, is_nan

__all__ = [
    "Assert",
    "assert_all_finite",
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
    "assert_shapes",
    "assert_type",
    "check_numerics",
    "is_finite",
    "is_inf",
    "is_nan",
    "is_non_decreasing",
    "is_numeric_tensor",
    "is_strictly_increasing",
]
