"""The variables, readers and other objects that a Saver saves, by their names in the checkpoint.

Source: saveable_object_util of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dflow.devices import DeviceSpec
from dflow.graph import Tensor
from dflow.ops.array.shape import reshape
from dflow.ops.control import identity
from dflow.ops.readers import ReaderBase
from dflow.ops.saveable import SaveableObject, SaveSpec
from dflow.ops.state.variables import ResourceVariable, Variable


class VariableSaveable(SaveableObject):
    """A variable, or a part of a partitioned one.

    slice_spec: the part of the whole that it is, or "".
    """

    def __init__(self, variable: Any, slice_spec: str, name: str) -> None:
        op = variable.op
        self._variable = op.attrs["variable"]
        super().__init__(
            op, [SaveSpec(_to_save(variable, op), slice_spec, name, self._variable.dtype, op.device)], name
        )

    def restore(self, restored_tensors: Sequence[Tensor], restored_shapes: Sequence[Any] | None) -> Any:
        (value,) = restored_tensors
        if restored_shapes is not None:
            value = reshape(value, restored_shapes[0])
        validate = restored_shapes is None and self._variable.shape.is_fully_defined()
        with self.op.graph.colocate_with(self.op):
            attrs = {"variable": self._variable, "validate_shape": validate}
            return self.op.graph.create_op("Assign", [value], attrs)


def _to_save(variable: Any, op: Any) -> Tensor | Callable[[], Tensor]:
    """The value of a variable; that of a ResourceVariable is read on the CPU of its task when the Saver is built."""
    value: Tensor = op.outputs[0]
    device = DeviceSpec.from_string(op.device)
    if not isinstance(variable, ResourceVariable) or device.device_type in (None, "CPU"):
        return value
    cpu = device.replace(device_type="CPU", device_index=0).to_string()

    def read() -> Tensor:
        with op.graph.device(cpu), op.graph.control_dependencies(None):
            return identity(value)

    return read


class ReaderSaveable(SaveableObject):
    """A reader: its counts and its place in the current file, as a string."""

    def __init__(self, reader: ReaderBase, name: str) -> None:
        self._reader = reader
        spec = SaveSpec(reader.serialize_state, "", name, reader.op.outputs[0].dtype, reader.op.device)
        super().__init__(reader.op, [spec], name)

    def restore(self, restored_tensors: Sequence[Tensor], restored_shapes: Sequence[Any] | None) -> Any:
        return self._reader.restore_state(reshape(restored_tensors[0], []))


def saveables_of(names_to_saveables: Any) -> list[SaveableObject]:
    """What a `var_list` means, sorted by name.

    var_list: a dict from names to variables, lists of parts of one variable, readers and SaveableObjects; or a list.
    TypeError for other things; ValueError if a name, or a thing, comes twice.
    """
    named = names_to_saveables if isinstance(names_to_saveables, dict) else by_name(names_to_saveables)
    saveables: list[SaveableObject] = []
    for name in named:
        if not isinstance(name, str):
            raise TypeError(
                "names_to_saveables must be a dict mapping string names to trackable operations. "
                f"Name is not a string: {name}"
            )
    seen = set()
    for name, item in sorted(named.items()):
        for saveable in _saveables_for(item, name):
            if saveable.op in seen:
                raise ValueError(f"The same saveable will be restored with two names: {saveable.name}")
            seen.add(saveable.op)
            saveables.append(saveable)
    return saveables


def by_name(items: Any) -> dict[str, Any]:
    """The things of a list by their names; the parts of one variable together in a list."""
    if not isinstance(items, (list, tuple, set)):
        raise TypeError(f"Variables to save should be passed in a dict or a list: {items}")
    named: dict[str, Any] = {}
    for item in sorted(items, key=lambda it: it.name):
        info = getattr(item, "_save_slice_info", None)
        if info is not None and not _is_partitioned(item):
            parts = named.setdefault(info.full_name, [])
            if not isinstance(parts, list):
                raise ValueError(f"Mixing slices and non-slices with the same name: {info.full_name}")
            parts.append(item)
            continue
        if isinstance(item, (SaveableObject, ReaderBase)) or hasattr(item, "saveable") or _is_partitioned(item):
            name = item.name
        elif (op := _variable_op(item)) is not None:
            name = op.name
        else:
            raise TypeError(f"Variable to save is not a Variable: {item}")
        if name in named:
            raise ValueError(f"At least two variables have the same name: {name}")
        named[name] = item
    return named


def _saveables_for(item: Any, name: str) -> list[SaveableObject]:
    if isinstance(item, SaveableObject):
        return [item]
    if isinstance(item, ReaderBase):
        return [ReaderSaveable(item, name)]
    if hasattr(item, "saveable"):  # a table whose entries change
        return [item.saveable]
    if isinstance(item, (list, tuple)) or _is_partitioned(item):
        return _parts(list(item), name)
    if _variable_op(item) is None:
        raise TypeError(
            f"names_to_saveables must be a dict mapping string names to Tensors/Variables. Not a variable: {item}"
        )
    return [VariableSaveable(item, "", name)]


def _parts(variables: Sequence[Any], name: str) -> list[SaveableObject]:
    full_name = None
    for variable in variables:
        if not isinstance(variable, Variable):
            raise ValueError(f"Slices must all be Variables: {variable}")
        info = getattr(variable, "_save_slice_info", None)
        if info is None:
            raise ValueError(f"Slices must all be slices: {variable}")
        if full_name not in (None, info.full_name):
            raise ValueError(f"Slices must all be from the same tensor: {full_name} != {info.full_name}")
        full_name = info.full_name
    return [VariableSaveable(variable, variable._save_slice_info.spec, name) for variable in variables]


def _is_partitioned(item: Any) -> bool:
    return hasattr(item, "_get_variable_list")


def _variable_op(item: Any) -> Any:
    """The operation of a variable, or of the tensor of one; None for other things."""
    op = item.op if isinstance(item, (Variable, Tensor)) else None
    return op if op is not None and op.definition.kind == "VariableV2" else None
