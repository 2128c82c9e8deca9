"""VariableDef and SaveSliceInfoDef: the messages that describe a variable and a part of one.

Source: variable.proto and Variable.SaveSliceInfo of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dflow.protos import messages

SaveSliceInfoDef, VariableDef = messages(
    "variable.proto",
    {
        "SaveSliceInfoDef": [
            ("full_name", 1, "string"),
            ("full_shape", 2, "repeated int64"),
            ("var_offset", 3, "repeated int64"),
            ("var_shape", 4, "repeated int64"),
        ],
        "VariableDef": [
            ("variable_name", 1, "string"),
            ("initial_value_name", 6, "string"),
            ("initializer_name", 2, "string"),
            ("snapshot_name", 3, "string"),
            ("save_slice_info_def", 4, "SaveSliceInfoDef"),
            ("is_resource", 5, "bool"),
            ("trainable", 7, "bool"),
            ("synchronization", 8, "int32"),
            ("aggregation", 9, "int32"),
        ],
    },
    __name__,
)


class SaveSliceInfo:
    """Which part of a larger variable a variable holds.

    full_name, full_shape: of the larger one; var_offset, var_shape: the part, one number an axis.
    """

    def __init__(
        self,
        full_name: str | None = None,
        full_shape: Iterable[int] | None = None,
        var_offset: Iterable[int] | None = None,
        var_shape: Iterable[int] | None = None,
        save_slice_info_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        if save_slice_info_def is not None:
            full_name = below(import_scope, save_slice_info_def.full_name)
            full_shape = save_slice_info_def.full_shape
            var_offset = save_slice_info_def.var_offset
            var_shape = save_slice_info_def.var_shape
        self.full_name = full_name
        self.full_shape = list(full_shape or ())
        self.var_offset = list(var_offset or ())
        self.var_shape = list(var_shape or ())

    @property
    def spec(self) -> str:
        """The part as text, as checkpoints have it: `20 43 0,20:0,22`."""
        sizes = "".join(f"{size} " for size in self.full_shape)
        return sizes + ":".join(f"{at},{size}" for at, size in zip(self.var_offset, self.var_shape, strict=True))

    def to_proto(self, export_scope: str | None = None) -> Any:
        """As a SaveSliceInfoDef; None if it is not of a variable below `export_scope`."""
        name = within(export_scope, self.full_name or "")
        if name is None:
            return None
        return SaveSliceInfoDef(
            full_name=name, full_shape=self.full_shape, var_offset=self.var_offset, var_shape=self.var_shape
        )


def below(scope: str | None, name: str) -> str:
    """A name of a message, below the scope that it is imported to."""
    return f"{scope}/{name}" if scope and name else name


def within(scope: str | None, name: str) -> str | None:
    """A name without the scope that it is exported from; None if it is not in there."""
    if not scope:
        return name
    return name[len(scope) + 1 :] if name.startswith(f"{scope}/") else None
