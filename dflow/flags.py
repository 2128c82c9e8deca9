"""Flags of a program's command line: `df.flags`, which is `df.app.flags`.

    df.flags.DEFINE_integer("steps", 100, "How many steps to train.")
    FLAGS = df.flags.FLAGS

These are absl's flags, with TensorFlow's old names of arguments, and the first use of a flag parses the command line.
Source: tf.flags of TensorFlow 1.15.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

from absl import flags as _absl
from absl.flags import (
    ArgumentParser,
    ArgumentSerializer,
    BaseListParser,
    BooleanFlag,
    BooleanParser,
    CantOpenFlagFileError,
    CsvListSerializer,
    DuplicateFlagError,
    EnumClassFlag,
    EnumClassListSerializer,
    EnumClassParser,
    EnumClassSerializer,
    EnumFlag,
    EnumParser,
    Error,
    Flag,
    FlagHolder,
    FlagNameConflictsWithMethodError,
    FlagValues,
    FloatParser,
    IllegalFlagValueError,
    IntegerParser,
    ListParser,
    ListSerializer,
    MultiEnumClassFlag,
    MultiFlag,
    UnparsedFlagAccessError,
    UnrecognizedFlagError,
    ValidationError,
    WhitespaceSeparatedListParser,
    adopt_module_key_flags,
    declare_key_flag,
    disclaim_key_flags,
    doc_to_help,
    flag_dict_to_args,
    get_help_width,
    mark_bool_flags_as_mutual_exclusive,
    mark_flag_as_required,
    mark_flags_as_mutual_exclusive,
    mark_flags_as_required,
    multi_flags_validator,
    override_value,
    register_multi_flags_validator,
    register_validator,
    set_default,
    text_wrap,
    validator,
)

__all__ = [
    "ArgumentParser",
    "ArgumentSerializer",
    "BaseListParser",
    "BooleanFlag",
    "BooleanParser",
    "CantOpenFlagFileError",
    "CsvListSerializer",
    "DEFINE",
    "DEFINE_alias",
    "DEFINE_bool",
    "DEFINE_boolean",
    "DEFINE_enum",
    "DEFINE_enum_class",
    "DEFINE_flag",
    "DEFINE_float",
    "DEFINE_integer",
    "DEFINE_list",
    "DEFINE_multi",
    "DEFINE_multi_enum",
    "DEFINE_multi_enum_class",
    "DEFINE_multi_float",
    "DEFINE_multi_integer",
    "DEFINE_multi_string",
    "DEFINE_spaceseplist",
    "DEFINE_string",
    "DuplicateFlagError",
    "EnumClassFlag",
    "EnumClassListSerializer",
    "EnumClassParser",
    "EnumClassSerializer",
    "EnumFlag",
    "EnumParser",
    "Error",
    "FLAGS",
    "Flag",
    "FlagHolder",
    "FlagNameConflictsWithMethodError",
    "FlagValues",
    "FloatParser",
    "IllegalFlagValueError",
    "IntegerParser",
    "ListParser",
    "ListSerializer",
    "MultiEnumClassFlag",
    "MultiFlag",
    "UnparsedFlagAccessError",
    "UnrecognizedFlagError",
    "ValidationError",
    "WhitespaceSeparatedListParser",
    "adopt_module_key_flags",
    "declare_key_flag",
    "disclaim_key_flags",
    "doc_to_help",
    "flag_dict_to_args",
    "get_help_width",
    "mark_bool_flags_as_mutual_exclusive",
    "mark_flag_as_required",
    "mark_flags_as_mutual_exclusive",
    "mark_flags_as_required",
    "multi_flags_validator",
    "override_value",
    "register_multi_flags_validator",
    "register_validator",
    "set_default",
    "text_wrap",
    "validator",
]

_absl.disclaim_key_flags()  # a flag belongs to the module that calls a DEFINE function, not to this one

_OLD_NAMES = {"flag_name": "name", "default_value": "default", "docstring": "help"}


class _ParsedAtFirstUse:
    """The values of flags.  The first flag that is read has the command line parsed."""

    def __init__(self, values: FlagValues) -> None:
        object.__setattr__(self, "_values", values)

    _values: FlagValues

    def __getattr__(self, name: str) -> Any:
        values = self._values
        if not values.is_parsed() and name in values:
            values(sys.argv)
        return getattr(values, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._values, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._values, name)

    def __dir__(self) -> list[str]:
        return dir(self._values)

    def __getitem__(self, name: str) -> Flag[Any]:
        return self._values[name]

    def __setitem__(self, name: str, flag: Flag[Any]) -> None:
        self._values[name] = flag

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __str__(self) -> str:
        return str(self._values)

    def __call__(self, *arguments: Any, **options: Any) -> list[str]:
        """Parse a command line; the arguments that are no flags."""
        return self._values(*arguments, **options)


FLAGS: Any = _ParsedAtFirstUse(_absl.FLAGS)


def _with_old_names(define: Callable[..., Any]) -> Callable[..., Any]:
    """A DEFINE function of absl that takes TensorFlow's old names of its arguments, too."""

    @functools.wraps(define)
    def defining(*arguments: Any, **options: Any) -> Any:
        return define(*arguments, **{_OLD_NAMES.get(name, name): value for name, value in options.items()})

    return defining


DEFINE = _absl.DEFINE
DEFINE_alias = _absl.DEFINE_alias
DEFINE_bool = DEFINE_boolean = _with_old_names(_absl.DEFINE_boolean)
DEFINE_enum = _absl.DEFINE_enum
DEFINE_enum_class = _absl.DEFINE_enum_class
DEFINE_flag = _absl.DEFINE_flag
DEFINE_float = _with_old_names(_absl.DEFINE_float)
DEFINE_integer = _with_old_names(_absl.DEFINE_integer)
DEFINE_list = _absl.DEFINE_list
DEFINE_multi = _absl.DEFINE_multi
DEFINE_multi_enum = _absl.DEFINE_multi_enum
DEFINE_multi_enum_class = _absl.DEFINE_multi_enum_class
DEFINE_multi_float = _absl.DEFINE_multi_float
DEFINE_multi_integer = _absl.DEFINE_multi_integer
DEFINE_multi_string = _absl.DEFINE_multi_string
DEFINE_spaceseplist = _absl.DEFINE_spaceseplist
DEFINE_string = _with_old_names(_absl.DEFINE_string)
