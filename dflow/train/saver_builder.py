"""The operations of a Saver: those that write its variables as a checkpoint, and those that bring them back.

Source: BaseSaverBuilder of TensorFlow 1.15.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from dflow.checkpoints import ops
from dflow.devices import DeviceSpec, canonical_name
from dflow.graph import Graph, Operation, Tensor, scopes
from dflow.graph_proto import SaverDef
from dflow.ops.array.constants import constant, placeholder_with_default
from dflow.ops.array.shape import shape
from dflow.ops.array.stack import stack
from dflow.ops.control import group, identity, with_dependencies
from dflow.ops.rules.static import graph_of
from dflow.ops.saveable import SaveableObject
from dflow.ops.state.partitioned import PartitionedVariable

Groups = list[tuple[str, list[SaveableObject]]]  # device -> what is saved there


def build(
    saveables: Sequence[SaveableObject],
    *,
    reshape: bool,
    sharded: bool,
    name: str | None,
    filename: str | None,
    max_to_keep: int,
    keep_checkpoint_every_n_hours: float,
    version: int,
) -> Any:
    """Add the operations to the graph of what is saved; gives the SaverDef with their names."""
    graph = graph_of([saveable.op for saveable in saveables])
    with scopes.building_in(graph), graph.name_scope(name or "save"):
        default = placeholder_with_default(filename or "model", (), name="filename")
        prefix = placeholder_with_default(default, (), name="Const")
        if sharded:
            groups = _by_device(saveables)
            saved = _add_sharded_save(prefix, groups, version)
            restored = group(*(_add_restore(prefix, members, reshape, device) for device, members in groups),
                             name="restore_all")  # fmt: skip
        else:
            saved = with_dependencies([_save(prefix, saveables, version)], prefix)
            restored = _add_restore(prefix, saveables, reshape)
    _put_together_collected(graph)
    return SaverDef(
        filename_tensor_name=prefix.name,
        save_tensor_name=saved.name,
        restore_op_name=restored.name,
        max_to_keep=max_to_keep,
        sharded=sharded,
        keep_checkpoint_every_n_hours=keep_checkpoint_every_n_hours,
        version=version,
    )


def _put_together_collected(graph: Graph) -> None:
    """Build the whole of each partitioned variable in a collection, which a graph from a message is asked for."""
    whole = {f"{op.name}:0" for op in graph.get_operations()}
    for key in graph.get_all_collection_keys():
        for item in graph.get_collection(key):
            if isinstance(item, PartitionedVariable) and f"{item.name}:0" not in whole:
                whole.add(item.as_tensor().name)


def _by_device(saveables: Sequence[SaveableObject]) -> Groups:
    groups = defaultdict(list)
    for saveable in saveables:
        devices = {canonical_name(spec.device) for spec in saveable.specs}
        if len(devices) != 1:
            raise ValueError(f"All tensors of a saveable object must be on the same device: {saveable.name}")
        groups[devices.pop()].append(saveable)
    return sorted(groups.items())


def _cpu_beside(device: str) -> str:
    """The CPU of the task of a device: it reads and writes the files."""
    return DeviceSpec.from_string(device).replace(device_type="CPU", device_index=0).to_string()


# -- saving


def _save(prefix: Tensor, saveables: Sequence[SaveableObject], version: int) -> Operation:
    specs = [spec for saveable in saveables for spec in saveable.specs]
    names, parts = [spec.name for spec in specs], [spec.slice_spec for spec in specs]
    save = ops.save if version == SaverDef.V2 else ops.save_version_1
    op: Operation = save(prefix, names, parts, [spec.tensor for spec in specs])
    return op


def _add_sharded_save(prefix: Tensor, groups: Groups, version: int) -> Tensor:
    """Each device writes a checkpoint with what it has; then these become one, except for version 1."""
    temporary = ops.temporary_prefix(prefix) if version == SaverDef.V2 else prefix
    count = constant(len(groups), name="num_shards")
    graph, names, saved = prefix.graph, [], []
    for number, (device, members) in enumerate(groups):
        with graph.device(_cpu_beside(device)):
            names.append(_shard_name(temporary, number, count))
            saved.append(_save(names[-1], members, version))
    with graph.control_dependencies(saved), graph.device(_cpu_beside(groups[-1][0])):
        if version != SaverDef.V2:
            return ops.sharded_filespec(prefix, count)
        with graph.name_scope("MergeV2Checkpoints") as scope:
            prefixes = stack(names, name="checkpoint_prefixes")
            merged = ops.merge_checkpoints(prefixes, prefix, delete_old_dirs=True, name=scope)
        with graph.control_dependencies([merged]):
            return identity(prefix)


def _shard_name(basename: Tensor, number: int, count: Tensor) -> Tensor:
    with basename.graph.name_scope("ShardedFilename") as scope:
        return ops.sharded_filename(basename, constant(number, name="shard"), count, name=scope)


# -- restoring


def _add_restore(
    prefix: Tensor, saveables: Sequence[SaveableObject], reshape: bool, device: str | None = None
) -> Operation:
    """device: where the shard of a sharded Saver is; None for a Saver that is not sharded."""
    specs = [spec for saveable in saveables for spec in saveable.specs]
    names, parts = [spec.name for spec in specs], [spec.slice_spec for spec in specs]
    graph, cpu = prefix.graph, "/cpu:0" if device is None else _cpu_beside(device)
    with graph.device(cpu):
        tensors = iter(ops.restore(prefix, names, parts, [spec.dtype for spec in specs]))
    assigned = []
    with nullcontext() if device is None else graph.device(cpu):
        for saveable in saveables:
            shapes = [_shape_of(spec.tensor) for spec in saveable.specs] if reshape else None
            assigned.append(saveable.restore([next(tensors) for _ in saveable.specs], shapes))
    return group(*assigned, name="restore_all" if device is None else "restore_shard")


def _shape_of(tensor: Tensor) -> Any:
    return tensor.shape if tensor.shape.is_fully_defined() else shape(tensor)
