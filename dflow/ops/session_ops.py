"""Tensors that stay on their device between runs: `get_session_handle` and its like.

    handle = sess.run(df.get_session_handle(x))  # x is kept, only its handle is fetched
    holder, x_again = df.get_session_tensor(handle.handle, df.float32)
    sess.run(x_again * 2, {holder: handle.handle})

A handle is text: the name of its operation, a number, and the device that keeps the tensor.
Source: session_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, string
from dflow.errors import InvalidArgumentError
from dflow.graph import Graph, Operation, Tensor, add_op, create_op, get_default_graph
from dflow.ops.array.constants import placeholder
from dflow.ops.rules.arrays import namespace
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import SCALAR, UNKNOWN_SHAPE
from dflow.specs import ResourceKey, TensorSpec

__all__ = ["TensorHandle", "delete_dead", "delete_session_tensor", "get_session_handle", "get_session_tensor"]

_numbers = itertools.count()
_DELETERS = ("__session_tensor_deleters",)  # the collection with {device: (holder, operation)}
MANY = 10  # handles that the program has dropped, from which on their tensors are deleted


class TensorHandle:
    """What a run gives for a `get_session_handle`: it stands for a tensor that the session keeps.

    The tensor is deleted some time after the program has dropped the handle.
    """

    def __init__(self, handle: bytes, dtype: DType, session: Any, dead: deque[bytes]) -> None:
        self._handle = handle
        self._dtype = dtype
        self._session = session
        self._dead: deque[bytes] | None = dead

    @property
    def handle(self) -> bytes:
        """The handle as text, which is fed to the first result of `get_session_tensor`."""
        return self._handle

    @property
    def dtype(self) -> DType:
        return self._dtype

    def to_numpy_array(self) -> Any:
        return self.eval()

    def eval(self) -> Any:
        """The tensor's value."""
        holder, tensor = get_session_tensor(self._handle, self._dtype, graph=self._session.graph)
        return self._session.run(tensor, {holder: self._handle})

    def delete(self) -> None:
        """Delete the tensor."""
        self._dead = None
        holder, deleter = delete_session_tensor(self._handle, graph=self._session.graph)
        self._session.run(deleter, {holder: self._handle})

    def get_raw_handle(self) -> bytes:
        """The handle as text; the tensor is kept until it is deleted, or the session ends."""
        self._dead = None
        return self._handle

    def __del__(self) -> None:
        if self._dead is not None:
            self._dead.append(self._handle)

    def __str__(self) -> str:
        return self._handle.decode()


def get_session_handle(data: Any, name: str | None = None) -> Tensor:
    """Keep a tensor in the session: the handle that leads to it.  TypeError for what is no tensor."""
    if not isinstance(data, Tensor):
        raise TypeError("`data` must be of type Tensor.")
    with data.graph.colocate_with(data):
        handle: Tensor = add_op("GetSessionHandle", data, name=name)
    return handle


def get_session_tensor(
    handle: Any, dtype: Any, name: str | None = None, *, graph: Graph | None = None
) -> tuple[Tensor, Tensor]:
    """(the tensor to feed a handle to, the tensor that it leads to), on the device of this handle.

    dtype: of the tensor; InvalidArgumentError at run time for another one, and for a handle of a deleted tensor.
    """
    graph = graph or get_default_graph()
    with graph.as_default(), graph.device(_device_of(handle)):
        holder = placeholder(string)
        return holder, add_op("GetSessionTensor", holder, name=name, dtype=as_dtype(dtype))


def delete_session_tensor(
    handle: Any, name: str | None = None, *, graph: Graph | None = None
) -> tuple[Tensor, Operation]:
    """(the tensor to feed a handle to, the operation that deletes its tensor), on the device of this handle."""
    graph = graph or get_default_graph()
    with graph.as_default(), graph.device(_device_of(handle)):
        holder = placeholder(string)
        return holder, create_op("DeleteSessionTensor", holder, name=name)


def delete_dead(session: Any, dead: deque[bytes]) -> None:
    """Delete the tensors whose handles the program has dropped, if there are many of them."""
    if len(dead) < MANY or session.graph.finalized:
        return
    deleters: Any = session.graph.get_collection_ref(_DELETERS)
    if not deleters:
        deleters.append({})
    while dead:
        handle = dead.popleft()
        made = deleters[0].get(_device_of(handle))
        if made is None:
            made = deleters[0][_device_of(handle)] = delete_session_tensor(handle, graph=session.graph)
        session.run(made[1], {made[0]: handle})


def _device_of(handle: Any) -> str:
    text = handle.decode() if isinstance(handle, bytes) else str(getattr(handle, "handle", handle))
    return text.rpartition(";")[2]


# -- on the device


def _kept(context: KernelContext) -> dict[bytes, Any]:
    """The tensors that a session keeps on a device, by their handles."""
    kept: dict[bytes, Any] = context.resource(ResourceKey("session tensors", "", "", context.session), dict)
    return kept


def _found(context: KernelContext, handle: Any) -> bytes:
    key = bytes(np.asarray(handle)[()])
    if key not in _kept(context):
        raise InvalidArgumentError(
            None, None, f"The tensor with handle '{key.decode(errors='replace')}' is not in the session store."
        )
    return key


def _keep(context: KernelContext, value: Any) -> Any:
    handle = f"{context.op};{next(_numbers)};{context.device}".encode()
    _kept(context)[handle] = (
        value.copy() if isinstance(value, np.ndarray) else namespace(value).asarray(value, copy=True)
    )
    result = np.empty((), object)
    result[()] = handle
    return result


def _get(context: KernelContext, handle: Any, dtype: DType) -> Any:
    value = _kept(context)[_found(context, handle)]
    if as_dtype(value.dtype) != dtype:
        raise InvalidArgumentError(None, None, f"the tensor is {as_dtype(value.dtype).name}, and not {dtype.name}")
    return value


def _delete(context: KernelContext, handle: Any) -> tuple[()]:
    del _kept(context)[_found(context, handle)]
    return ()


_NO_GRADIENT = no_gradient("the tensor comes from another run")

define(
    "GetSessionHandle",
    spec=lambda value: TensorSpec(SCALAR, string),
    kernel=_keep,
    gradient=_NO_GRADIENT,
    stateful=True,
)
define(
    "GetSessionTensor",
    spec=lambda handle, dtype: TensorSpec(UNKNOWN_SHAPE, dtype),
    kernel=_get,
    gradient=_NO_GRADIENT,
    stateful=True,
)
define("DeleteSessionTensor", spec=lambda handle: (), kernel=_delete, gradient=_NO_GRADIENT, stateful=True)
