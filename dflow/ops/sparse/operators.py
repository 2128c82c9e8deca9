"""Python's operators of sparse tensors: `x * dense`, `x / dense`.

Importing this module gives them to the class.
Source: SparseTensor of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.dtypes import float32, float64
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.rules.static import graph_of
from dflow.sparse_tensor import SparseTensor

_SMALL = ("int8", "int16", "uint8", "uint16", "bfloat16")


def _operator(kind: str, name: str, floating: bool = False) -> Callable[[Any, Any], SparseTensor]:
    """An operator of a sparse and a dense operand.  floating: integers are cast before, as for `/`."""

    def operator(sparse: SparseTensor, dense: Any) -> SparseTensor:
        graph = graph_of((sparse, dense))
        with scopes.building_in(graph), graph.name_scope(name) as scope:
            y = convert_to_tensor(dense, None if isinstance(dense, Tensor) else sparse.dtype, name="y")
            values = sparse.values
            if floating and values.dtype.is_integer and y.dtype == values.dtype:
                wide = float32 if values.dtype.name in _SMALL else float64
                values, y = cast(values, wide), cast(y, wide)
            made = add_op(kind, sparse.indices, values, sparse.dense_shape, y, name=scope)
            return SparseTensor(sparse.indices, made, sparse.dense_shape)

    return operator


for _word, _method in (
    ("mul", _operator("SparseDenseCwiseMul", "mul")),
    ("rmul", _operator("SparseDenseCwiseMul", "mul")),
    ("div", _operator("SparseDenseCwiseDiv", "div")),
    ("truediv", _operator("SparseDenseCwiseDiv", "truediv", floating=True)),
):
    setattr(SparseTensor, f"__{_word}__", _method)
