"""Sparse tensors: made, ordered, cut and joined, reduced, multiplied.  Source: tf.sparse of TensorFlow 1.15."""

from dflow.ops.segments.sparse import sparse_segment_mean as segment_mean
from dflow.ops.segments.sparse import sparse_segment_sqrt_n as segment_sqrt_n
from dflow.ops.segments.sparse import sparse_segment_sum as segment_sum
from dflow.ops.sparse import operators as _operators  # gives sparse tensors Python's operators  # noqa: F401
from dflow.ops.sparse.add import sparse_add as add
from dflow.ops.sparse.concat import sparse_concat as concat
from dflow.ops.sparse.dense import from_dense
from dflow.ops.sparse.dense import sparse_eye as eye
from dflow.ops.sparse.dense import sparse_tensor_to_dense as to_dense
from dflow.ops.sparse.dense import sparse_to_indicator as to_indicator
from dflow.ops.sparse.elementwise import sparse_maximum as maximum
from dflow.ops.sparse.elementwise import sparse_minimum as minimum
from dflow.ops.sparse.fill_empty_rows import sparse_fill_empty_rows as fill_empty_rows
from dflow.ops.sparse.mask import sparse_mask as mask
from dflow.ops.sparse.matmul import sparse_tensor_dense_matmul as matmul
from dflow.ops.sparse.matmul import sparse_tensor_dense_matmul as sparse_dense_matmul
from dflow.ops.sparse.merge import sparse_merge as merge
from dflow.ops.sparse.order import sparse_reorder as reorder
from dflow.ops.sparse.order import sparse_transpose as transpose
from dflow.ops.sparse.parts import sparse_retain as retain
from dflow.ops.sparse.parts import sparse_slice as slice
from dflow.ops.sparse.parts import sparse_split as split
from dflow.ops.sparse.placeholder import sparse_placeholder as placeholder
from dflow.ops.sparse.reduce import sparse_reduce_max as reduce_max
from dflow.ops.sparse.reduce import sparse_reduce_max_sparse as reduce_max_sparse
from dflow.ops.sparse.reduce import sparse_reduce_sum as reduce_sum
from dflow.ops.sparse.reduce import sparse_reduce_sum_sparse as reduce_sum_sparse
from dflow.ops.sparse.reduce import sparse_softmax as softmax
from dflow.ops.sparse.shape import sparse_expand_dims as expand_dims
from dflow.ops.sparse.shape import sparse_reset_shape as reset_shape
from dflow.ops.sparse.shape import sparse_reshape as reshape
from dflow.sparse_tensor import SparseTensor

__all__ = [
    "SparseTensor",
    "add",
    "concat",
    "expand_dims",
    "eye",
    "fill_empty_rows",
    "from_dense",
    "mask",
    "matmul",
    "maximum",
    "merge",
    "minimum",
    "placeholder",
    "reduce_max",
    "reduce_max_sparse",
    "reduce_sum",
    "reduce_sum_sparse",
    "reorder",
    "reset_shape",
    "reshape",
    "retain",
    "segment_mean",
    "segment_sqrt_n",
    "segment_sum",
    "slice",
    "softmax",
    "sparse_dense_matmul",
    "split",
    "to_dense",
    "to_indicator",
    "transpose",
]
