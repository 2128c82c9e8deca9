"""The operations that a graph saves and restores with: SaveV2, SaveSlices, RestoreV2, MergeV2Checkpoints and others.

They run on the CPU of a device's task, and read and write the files there.
Source: save_restore_v2_ops and save_op of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from dflow.checkpoints import version_1, writer
from dflow.checkpoints.reader import CheckpointReader
from dflow.dtypes import DType, string
from dflow.errors import DTypeError, InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, create_op
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import SCALAR, UNKNOWN_SHAPE
from dflow.specs import TensorSpec

_NONE = no_gradient("files are no tensors")


def save(prefix: Any, names: Sequence[str], parts: Sequence[str], tensors: Sequence[Any], name: str = "SaveV2") -> Any:
    """An operation that writes tensors as the checkpoint `prefix`, a scalar string.

    parts: for a tensor that is a part of one with its name, the text of the part, such as `10 3 0,5:-`; else "".
    """
    return _with_names("SaveV2", prefix, names, parts, tensors, name)


def save_version_1(
    filename: Any, names: Sequence[str], parts: Sequence[str], tensors: Sequence[Any], name: str = "SaveSlices"
) -> Any:
    """As `save`, but a checkpoint of version 1: the file `filename`."""
    return _with_names("SaveSlices", filename, names, parts, tensors, name)


def restore(
    prefix: Any, names: Sequence[str], parts: Sequence[str], dtypes: Sequence[DType], name: str = "RestoreV2"
) -> list[Tensor]:
    """The tensors of these names, or parts of them, from a checkpoint; their shapes are not known."""
    op: Operation = _with_names("RestoreV2", prefix, names, parts, [], name, dtypes=tuple(dtypes))
    return list(op.outputs)


def _with_names(
    kind: str, prefix: Any, names: Sequence[str], parts: Sequence[str], tensors: Sequence[Any], name: str, **attrs: Any
) -> Operation:
    graph = prefix.graph
    with graph.as_default(), graph.name_scope(name) as scope:
        first = _strings(names, "tensor_names")
        second = _strings(parts, "shape_and_slices")
        return create_op(kind, prefix, first, second, *tensors, name=scope, **attrs)


def _strings(values: Sequence[str], name: str) -> Tensor:
    array = np.array([value.encode() for value in values], object)
    array.flags.writeable = False
    tensor: Tensor = add_op("Const", name=name, value=array)
    return tensor


def sharded_filename(basename: Any, shard: Any, num_shards: Any, name: str | None = None) -> Tensor:
    """The name of one of several files: `<basename>-00000-of-00002`."""
    tensor: Tensor = add_op("ShardedFilename", basename, shard, num_shards, name=name)
    return tensor


def sharded_filespec(basename: Any, num_shards: Any, name: str | None = None) -> Tensor:
    """A pattern for the names of several files: `<basename>-?????-of-00002`."""
    tensor: Tensor = add_op("ShardedFilespec", basename, num_shards, name=name)
    return tensor


def temporary_prefix(prefix: Any, name: str | None = None) -> Tensor:
    """A prefix that is new in each run, in a new folder beside `prefix`: for the shards of a checkpoint."""
    tensor: Tensor = add_op("TemporaryPrefix", prefix, name=name)
    return tensor


def merge_checkpoints(prefixes: Any, destination: Any, delete_old_dirs: bool = True, name: str | None = None) -> Any:
    """An operation that puts the checkpoints of several devices together as one."""
    return create_op("MergeV2Checkpoints", prefixes, destination, name=name, delete_old_dirs=delete_old_dirs)


# -- rules


def _check_names(prefix: TensorSpec, names: TensorSpec, parts: TensorSpec) -> None:
    for what, spec, rank in (("prefix", prefix, 0), ("tensor_names", names, 1), ("shape_and_slices", parts, 1)):
        if spec.dtype != string:
            raise DTypeError(f"{what} is of strings, got {spec}")
        spec.shape.with_rank(rank)
    if not names.shape.is_compatible_with(parts.shape):
        raise ShapeError(f"as many shape_and_slices as tensor_names are needed: {parts.shape}, {names.shape}")


def _save_spec(prefix: TensorSpec, names: TensorSpec, parts: TensorSpec, *tensors: TensorSpec) -> tuple[()]:
    _check_names(prefix, names, parts)
    if not names.shape.is_compatible_with([len(tensors)]):
        raise ShapeError(f"{len(tensors)} tensors have names of the shape {names.shape}")
    return ()


def _save_kernel(context: KernelContext, prefix: Any, names: Any, parts: Any, *tensors: Any) -> tuple[()]:
    with _facts():
        writer.write(_text(prefix), _texts(names), _texts(parts), [np.asarray(tensor) for tensor in tensors])
    return ()


def _save_slices_kernel(context: KernelContext, filename: Any, names: Any, parts: Any, *tensors: Any) -> tuple[()]:
    with _facts():
        version_1.write(_text(filename), _texts(names), _texts(parts), [np.asarray(tensor) for tensor in tensors])
    return ()


def _restore_spec(
    prefix: TensorSpec, names: TensorSpec, parts: TensorSpec, dtypes: tuple[DType, ...]
) -> tuple[TensorSpec, ...]:
    _check_names(prefix, names, parts)
    return tuple(TensorSpec(UNKNOWN_SHAPE, dtype) for dtype in dtypes)


def _restore_kernel(context: KernelContext, prefix: Any, names: Any, parts: Any, dtypes: tuple[DType, ...]) -> Any:
    arrays = CheckpointReader(_text(prefix)).read(_texts(names), _texts(parts), dtypes)
    return arrays[0] if len(arrays) == 1 else tuple(arrays)


def _merge_spec(prefixes: TensorSpec, destination: TensorSpec, delete_old_dirs: bool) -> tuple[()]:
    for what, spec, rank in (("checkpoint_prefixes", prefixes, 1), ("destination_prefix", destination, 0)):
        if spec.dtype != string:
            raise DTypeError(f"{what} is of strings, got {spec}")
        spec.shape.with_rank(rank)
    return ()


def _merge_kernel(context: KernelContext, prefixes: Any, destination: Any, delete_old_dirs: bool) -> tuple[()]:
    with _facts():
        writer.merge(_texts(prefixes), _text(destination), delete_old_dirs)
    return ()


def _filename_spec(basename: TensorSpec, *numbers: TensorSpec) -> TensorSpec:
    if basename.dtype != string or not all(number.dtype.is_integer for number in numbers):
        raise DTypeError(f"a name and numbers are needed, got {', '.join(map(str, (basename, *numbers)))}")
    return TensorSpec(SCALAR, string)


def _filename_kernel(basename: Any, shard: Any, num_shards: Any) -> Any:
    return _string(b"%s-%05d-of-%05d" % (np.asarray(basename).item(), int(shard), int(num_shards)))


def _filespec_kernel(basename: Any, num_shards: Any) -> Any:
    return _string(b"%s-?????-of-%05d" % (np.asarray(basename).item(), int(num_shards)))


def _temporary_kernel(context: KernelContext, prefix: Any) -> Any:
    return _string(writer.temporary(_text(prefix)).encode())


def _string(value: bytes) -> Any:
    array = np.empty((), object)
    array[()] = value
    return array


def _text(value: Any) -> str:
    text: str = np.asarray(value).item().decode()
    return text


def _texts(values: Any) -> list[str]:
    return [value.decode() for value in np.asarray(values).reshape(-1)]


@contextmanager
def _facts() -> Iterator[None]:
    """Turn the ValueErrors of what is written into errors of the operation."""
    try:
        yield
    except ValueError as error:
        raise InvalidArgumentError(None, None, str(error)) from error


define("SaveV2", spec=_save_spec, kernel=_save_kernel, gradient=_NONE, stateful=True, host_only=True)
define("SaveSlices", spec=_save_spec, kernel=_save_slices_kernel, gradient=_NONE, stateful=True, host_only=True)
define("RestoreV2", spec=_restore_spec, kernel=_restore_kernel, gradient=_NONE, stateful=True, host_only=True)
define("MergeV2Checkpoints", spec=_merge_spec, kernel=_merge_kernel, gradient=_NONE, stateful=True, host_only=True)
define("TemporaryPrefix", spec=_filename_spec, kernel=_temporary_kernel, gradient=_NONE, stateful=True, host_only=True)
define("ShardedFilename", spec=_filename_spec, kernel=_filename_kernel, gradient=_NONE, host_only=True)
define("ShardedFilespec", spec=_filename_spec, kernel=_filespec_kernel, gradient=_NONE, host_only=True)
