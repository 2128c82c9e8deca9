"""How code crosses: a plan goes to its device as bytes that only the device unpickles.

Kernels of dflow and of installed packages go by name.  What was defined in `__main__`, and every module whose file lies
under the folder of the user's script, goes by value, so that an op that a script registers works on every worker of a
plain cluster.
"""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cloudpickle

from dflow.compile import DevicePlan
from dflow.errors import InvalidArgumentError, NotFoundError, OpInfo
from dflow.registry import OPS, OpDef


def dump_part(part: DevicePlan) -> bytes:
    """A device's part of a plan, with the kernels that it needs.  InvalidArgumentError for what cannot be pickled."""
    _register_user_modules()
    kernels = {kind: _dump_kernel(OPS[kind], part) for kind in part.kinds}
    return pickle.dumps((_dump(part, part, None), kernels))


@dataclass(frozen=True, slots=True)
class KernelName:
    """A kernel that goes by name: the module that defines it, where the device looks it up."""

    module: str
    kind: str


def _dump_kernel(definition: OpDef, part: DevicePlan) -> bytes:
    module = definition.module
    if module == "__main__" or module in cloudpickle.list_registry_pickle_by_value():
        return _dump(definition, part, definition.kind)
    return pickle.dumps(KernelName(module, definition.kind))


def _dump(value: object, part: DevicePlan, kind: str | None) -> bytes:
    try:
        dumped: bytes = cloudpickle.dumps(value)
        return dumped
    except Exception as error:
        raise InvalidArgumentError(
            _user_of(part, kind), None, f"its kernel or attributes cannot be sent to {part.device}: {error}"
        ) from error


def load_kernels(part: DevicePlan, blobs: Mapping[str, bytes], worker: str) -> dict[str, OpDef]:
    """The kernels, by kind.  NotFoundError, which names op, module and worker, for a module that this process lacks."""
    kernels = {}
    for kind, blob in blobs.items():
        try:
            found = pickle.loads(blob)
            if isinstance(found, KernelName):
                importlib.import_module(found.module)
                found = OPS[found.kind]
            kernels[kind] = found
        except ModuleNotFoundError as error:
            fact = f"the worker {worker} has no module {error.name!r}, which op {kind!r} needs; install it there"
            raise NotFoundError(_user_of(part, kind), None, fact) from error
    return kernels


def _user_of(part: DevicePlan, kind: str | None) -> OpInfo | None:
    """The first operation of a kind."""
    for segment in part.segments:
        for instruction in segment.instructions:
            if kind is None or instruction.op.kind == kind:
                return instruction.op
    return None


def _register_user_modules() -> None:
    """Send the modules beside the user's script by value."""
    folder = _script_folder()
    if folder is None:
        return
    known = cloudpickle.list_registry_pickle_by_value()
    for name, module in list(sys.modules.items()):
        if name != "__main__" and name not in known and _lies_under(module, folder):
            cloudpickle.register_pickle_by_value(module)


def _script_folder() -> Path | None:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(file).resolve().parent if file else None


def _lies_under(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    if not file or "site-packages" in file:
        return False
    path = Path(file).resolve()
    package = Path(__file__).resolve().parent.parent
    return folder in path.parents and package not in path.parents
