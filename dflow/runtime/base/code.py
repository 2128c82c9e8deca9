"""The pickling of plans: a plan goes to its device as bytes that only the device unpickles.

Kernels and formats of readers that belong to dflow or to an installed package go by name.  The code of `__main__`, and
of every module whose file lies under the folder of the user's script, goes by value.  So an op or a reader that a
script registers works on every worker of a plain cluster.
"""

from __future__ import annotations

import importlib
import pickle
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import cloudpickle

from dflow.compile import LOOP, DevicePlan, Instruction, LoopCode, Segment
from dflow.errors import InvalidArgumentError, NotFoundError, OpInfo
from dflow.registry import OPS, READERS, OpDef, ReaderFormat
from dflow.runtime.base.unpicklable import way_to_unpicklable
from dflow.specs import ReaderSpec


def dump_part(part: DevicePlan) -> bytes:
    """A device's part of a plan as bytes, with the code that it needs: kernels, formats of readers, attributes.

    InvalidArgumentError, which names the operation, if something cannot be pickled.
    """
    _USER_MODULES.register()
    kernels = {kind: _dump_kernel(OPS[kind], _user_of(part, kind)) for kind in part.kinds}
    formats = {}
    for instruction in _instructions(part):
        reader = instruction.attrs.get("reader")
        if isinstance(reader, ReaderSpec) and reader.kind in READERS:
            formats[reader.kind] = _dump_format(reader.kind, instruction.op)
    return pickle.dumps((pickle.dumps(_with_attrs(part, _packed)), kernels, formats))


@dataclass(frozen=True, slots=True)
class DefinedIn:
    """A kernel or a format of readers that goes by name: the device imports the module and looks the kind up."""

    module: str
    kind: str


@dataclass(frozen=True, slots=True)
class PackedAttrs:
    """Attributes that hold objects of the user's program, such as a function: unpickled operation by operation."""

    blob: bytes


def _instructions(part: DevicePlan) -> Iterator[Instruction]:
    return (instruction for segment in part.segments for instruction in segment.all_instructions())


def _with_attrs(part: DevicePlan, change: Callable[[Instruction], Any]) -> DevicePlan:
    """The part with its attributes replaced by the results of `change`."""
    return replace(part, segments=tuple(_changed(segment, change) for segment in part.segments))


def _changed(segment: Segment, change: Callable[[Instruction], Any]) -> Segment:
    def attrs_of(instruction: Instruction) -> Any:
        if instruction.op.kind != LOOP:
            return change(instruction)
        code: LoopCode = instruction.attrs["code"]
        return {"code": replace(code, segment=_changed(code.segment, change))}

    return replace(segment, instructions=tuple(replace(i, attrs=attrs_of(i)) for i in segment.instructions))


def _packed(instruction: Instruction) -> Any:
    attrs = instruction.attrs
    return attrs if _has_common_classes(attrs) else PackedAttrs(_dump(attrs, instruction.op))


def _has_common_classes(value: object) -> bool:
    """Whether every process has the class of the value, and the classes of all values in it."""
    if isinstance(value, Mapping):
        return all(_has_common_classes(item) for item in value.values())
    if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
        return all(_has_common_classes(item) for item in value)
    return type(value).__module__.partition(".")[0] in _COMMON and not isinstance(value, _CODE)


_COMMON = ("builtins", "dflow", "numpy")
_CODE = (FunctionType, BuiltinFunctionType, MethodType, type)


def _dump_kernel(definition: OpDef, user: OpInfo | None) -> bytes:
    by_name = DefinedIn(definition.module, definition.kind)
    return _dump(definition, user) if _goes_by_value(definition.module) else pickle.dumps(by_name)


def _dump_format(kind: str, user: OpInfo) -> bytes:
    module = READERS[kind].__module__
    return _dump(READERS[kind], user) if _goes_by_value(module) else pickle.dumps(DefinedIn(module, kind))


def _goes_by_value(module: str) -> bool:
    return module == "__main__" or module in cloudpickle.list_registry_pickle_by_value()


def _dump(value: object, user: OpInfo | None) -> bytes:
    try:
        dumped: bytes = cloudpickle.dumps(value)
        return dumped
    except Exception as error:
        device = user.device if user is not None else "a worker"
        way = way_to_unpicklable(value, cloudpickle.dumps)
        fact = f"its kernel or attributes cannot be sent to {device}: {error}"
        raise InvalidArgumentError(user, None, f"{fact}, held by: {way}" if way else fact) from error


@dataclass(frozen=True, slots=True)
class LoadedPart:
    """A device's part of a plan, with its kernels and formats of readers by kind."""

    part: DevicePlan
    kernels: dict[str, OpDef]
    formats: dict[str, Callable[..., ReaderFormat]]


def load_part(blob: bytes, worker: str) -> LoadedPart:
    """Load the bytes of `dump_part`.  NotFoundError, with op, module and worker, if a module is missing here."""
    part_blob, kernels, formats = pickle.loads(blob)
    packed: DevicePlan = pickle.loads(part_blob)
    users = {i.op.kind: i.op for i in reversed(list(_instructions(packed)))}

    def unpacked(instruction: Instruction) -> Any:
        attrs: Any = instruction.attrs
        return _load(attrs.blob, instruction.op, worker) if isinstance(attrs, PackedAttrs) else attrs

    part = _with_attrs(packed, unpacked)
    readers = {i.attrs["reader"].kind: i.op for i in _instructions(part) if "reader" in i.attrs}
    return LoadedPart(
        part,
        {kind: _load(kernel, users[kind], worker, OPS) for kind, kernel in kernels.items()},
        {kind: _load(form, readers[kind], worker, READERS) for kind, form in formats.items()},
    )


def _load(blob: bytes, user: OpInfo, worker: str, table: Mapping[str, Any] | None = None) -> Any:
    try:
        value = pickle.loads(blob)
        if isinstance(value, DefinedIn) and table is not None:
            importlib.import_module(value.module)
            value = table[value.kind]
        return value
    except ModuleNotFoundError as error:
        fact = f"the worker {worker} has no module {error.name!r}, which {user.kind!r} needs; install it there"
        raise NotFoundError(user, None, fact) from error
    except (ImportError, AttributeError) as error:
        fact = f"the worker {worker} has not all that {user.kind!r} needs; install the same version there: {error}"
        raise NotFoundError(user, None, fact) from error


def _user_of(part: DevicePlan, kind: str) -> OpInfo | None:
    """The first operation of a kind."""
    return next((instruction.op for instruction in _instructions(part) if instruction.op.kind == kind), None)


def _script_folder() -> Path:
    """The folder of the program's modules: the script's, the one that `python -m` imports from, or the current one."""
    main = sys.modules.get("__main__")
    file, spec = getattr(main, "__file__", None), getattr(main, "__spec__", None)
    if not file:
        return Path.cwd()
    return Path(file).resolve().parents[spec.name.count(".") if spec is not None else 0]


class UserModules:
    """The modules beside the user's script, which are sent by value.  folder: returns their folder."""

    def __init__(self, folder: Callable[[], Path] = _script_folder) -> None:
        self._folder = folder
        self._looked_at: set[str] = set()  # modules, by name

    def register(self) -> set[str]:
        """Have the imported ones sent by value.  Looks at each module once, as there are thousands.

        Returns the names of the modules that it looked at.
        """
        unseen = sys.modules.keys() - self._looked_at
        if not unseen:
            return unseen
        self._looked_at.update(unseen)
        folder = self._folder()
        by_value = cloudpickle.list_registry_pickle_by_value()
        for name in unseen:
            module = sys.modules.get(name)
            file = getattr(module, "__file__", None)
            exempt = name in by_value or name == "__main__" or name.partition(".")[0] == "dflow"
            if file and not exempt and _is_of_the_program(Path(file).resolve(), folder):
                cloudpickle.register_pickle_by_value(module)
        return unseen


_USER_MODULES = UserModules()


def _is_of_the_program(file: Path, folder: Path) -> bool:
    """Whether the file is under the folder, and no part of Python or of an installed package."""
    installed = {"site-packages", "dist-packages"}.intersection(file.parts)
    return folder in file.parents and not installed and not any(place in file.parents for place in _NOT_THE_PROGRAM)


_NOT_THE_PROGRAM = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
