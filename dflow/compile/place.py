"""Give every operation a device: the simple placer.

A pinned operation is on the user's device; an operation that is colocated with a resource, on its device; state, where
an earlier run placed it; a constant, where it is read first; the shape of a tensor, where the tensor is made; all else
on the session's default device.  An operation that needs text, files or Python objects and is colocated with one on a
GPU goes to a CPU of the same task.
A partial name is completed from the default device's task, else its job, if that fits, and prefers a GPU to a CPU for
an operation that has a kernel for it, as TensorFlow 1 does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dflow.compile.plan import DeviceInfo, DeviceTable
from dflow.devices import DeviceSpec
from dflow.dtypes import string
from dflow.errors import InvalidArgumentError, OpInfo, UnavailableError
from dflow.graph import Operation

logger = logging.getLogger("dflow.placement")


def default_device(table: DeviceTable) -> str:
    """GPU 0 of the master task, or its CPU: of the job `worker` if there is one, else of the first job."""
    if not table.devices:
        raise UnavailableError(None, None, "the cluster has no devices: it has no workers yet")
    jobs = {DeviceSpec.from_string(name).job for name in table.names}
    job = "worker" if "worker" in jobs else min(j for j in jobs if j)
    devices = _living_first(table.matching(f"/job:{job}"))
    first_task = min(DeviceSpec.from_string(device.name).task or 0 for device in devices)
    devices = table.matching(f"/job:{job}/task:{first_task}")
    return min(devices, key=_rank).name


def _living_first(devices: list[DeviceInfo]) -> list[DeviceInfo]:
    """The devices whose workers are there; all of them if none is."""
    return [device for device in devices if not device.lost] or devices


class Placement(Mapping[Operation, str]):
    """The full device name of each operation; one that was not asked for yet is placed when it is asked for.

    ops: the operations of the run, which say where a constant is read.  earlier: where operations with state were
    placed before; they stay there, and new ones are added.
    """

    def __init__(
        self,
        ops: Sequence[Operation],
        table: DeviceTable,
        default: str,
        soft: bool = False,
        earlier: dict[Operation, str] | None = None,
    ) -> None:
        self._table, self._default, self._soft = table, default, soft
        self._beside = _companions(ops)
        self._earlier = {} if earlier is None else earlier
        self._placed: dict[Operation, str] = {}
        self._chosen: dict[tuple[str, bool], str] = {}

    def __getitem__(self, op: Operation) -> str:
        device = self._placed.get(op)
        if device is None:
            root = op.colocation_root()
            device = self._root_device(root)
            if needs_host(op) and not needs_host(root) and "/device:GPU:" in device:
                device = _choose(op, self._table, device, self._soft)  # beside the operation that it is colocated with
            self._placed[op] = device
        return device

    def _root_device(self, root: Operation) -> str:
        companion = self._beside.get(root)
        if companion is not None:
            return self[companion]
        earlier = self._earlier.get(root)
        if earlier is not None:
            return _alive(root, self._table, earlier)
        key = (root.device, needs_host(root))
        if key not in self._chosen:
            self._chosen[key] = _choose(root, self._table, self._default, self._soft)
        if root.definition.stateful:
            self._earlier[root] = self._chosen[key]
        return self._chosen[key]

    def put(self, op: Any, device: str) -> None:
        """Place an operation that the compiler has made."""
        self._placed[op] = device

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._placed)

    def __len__(self) -> int:
        return len(self._placed)


def needs_host(op: Operation) -> bool:
    """Whether it needs text, files or Python objects, which no GPU holds."""
    return op.definition.host_only or any(tensor.dtype == string for tensor in (*op.operands, *op.outputs))


def _companions(ops: Sequence[Operation]) -> dict[Operation, Operation]:
    """Small operations that are not pinned, each with the operation whose device it takes, as in TensorFlow 1.

    A shape is placed with the operation that makes the tensor, so that the tensor is not sent.  A constant is placed
    with the first operation that reads it, so that no run needs a device for its sake; readers on other devices have
    copies: it is a literal of each.  None of these is placed with another of these: the two could depend on each other.
    The gates of branches and loops compute nothing, and are placed with the operation that makes their first input.
    """
    here, companions = set(ops), dict[Operation, Operation]()
    for op in ops:
        root = op.colocation_root()
        if not _goes_along(root):
            for tensor in op.operands:
                if tensor.op.type == "Const" and _goes_along(tensor.op):
                    companions.setdefault(tensor.op, op)
            if root is op and op.type in GATES and not op.device:
                maker = op.operands[0].op
                if maker in here and not _goes_along(maker.colocation_root()):
                    companions[op] = maker
        elif root is op and op.operands:
            maker = op.operands[0].op
            if maker in here and not _goes_along(maker.colocation_root()):
                companions[op] = maker
    return companions


GATES = ("Switch", "Merge", "Enter", "NextIteration", "LoopCond", "Exit")


def _goes_along(op: Operation) -> bool:
    return op.type in ("Const", "Shape", "Size", "Rank") and not op.device and op.colocated_with is None


def place(
    ops: Sequence[Operation],
    table: DeviceTable,
    default: str,
    soft: bool = False,
    log: bool = False,
    earlier: dict[Operation, str] | None = None,
) -> Placement:
    """Choose a device for each operation.

    Raises InvalidArgumentError, which lists the devices that exist, for a device that does not exist or that has no
    kernel for the operation; UnavailableError for one whose worker was lost.  soft: such an operation goes to the CPU
    of the same task instead.  log: one line an operation.  earlier: see `Placement`.
    """
    placement = Placement(ops, table, default, soft, earlier)
    for op in ops:
        device = placement[op]
        if log:
            logger.info("%s: (%s): %s", op.name, op.type, device)
    return placement


def _choose(op: Operation, table: DeviceTable, default: str, soft: bool) -> str:
    request = DeviceSpec.from_string(op.device)
    candidates = table.matching(op.device)
    usable = [device for device in candidates if not (device.is_gpu and needs_host(op))]
    if not usable and soft:
        usable = table.matching(request.replace(device_type="CPU", device_index=None).to_string())
    if not usable:
        raise _refusal(op, table, candidates)
    best = min(usable, key=lambda device: (*_distance(device, default), *_rank(device)))
    return _alive(op, table, best.name)


def _alive(op: Operation, table: DeviceTable, name: str) -> str:
    """The device's name; UnavailableError if its worker was lost."""
    if not any(device.name == name and not device.lost for device in table.devices):
        raise UnavailableError(
            _info(op), op, f"the worker of device {name} was lost and has not come back; its state is gone"
        )
    return name


def _distance(device: DeviceInfo, default: str) -> tuple[bool, bool]:
    """The distance from the default device: in its task, elsewhere in its job, in another job."""
    here, home = DeviceSpec.from_string(device.name), DeviceSpec.from_string(default)
    return here.job != home.job, here.task != home.task


def _rank(device: DeviceInfo) -> tuple[str, int, bool, int]:
    spec = DeviceSpec.from_string(device.name)
    return spec.job or "", spec.task or 0, not device.is_gpu, spec.device_index or 0


def _refusal(op: Operation, table: DeviceTable, candidates: list[DeviceInfo]) -> InvalidArgumentError:
    fact = f"Cannot assign a device for operation {op.name}: "
    if candidates:
        fact += f"{op.type} has no GPU kernel (it needs text, files or Python objects), only one for CPU, "
        fact += f"and {op.device!r} means {', '.join(device.name for device in candidates)}. "
        fact += "Use a CPU device, or allow_soft_placement=True."
    else:
        fact += f"no device matches {op.device!r}."
    return InvalidArgumentError(_info(op), op, f"{fact} The devices are: {table.describe()}")


def _info(op: Operation) -> OpInfo:
    return OpInfo(op.name, op.type, op.device, op.made_at)


def check_placed(ops: Sequence[Operation], placed: Mapping[Operation, str], table: DeviceTable) -> None:
    """Every operation has a device that exists and a kernel there, and colocated ones share it if they can."""
    names = set(table.names)
    for op in ops:
        if placed[op] not in names:
            raise AssertionError(f"place: {op.name} is on {placed[op]!r}")
        root = op.colocation_root()
        if needs_host(op) and "/device:GPU:" in placed[op]:
            raise AssertionError(f"place: {op.name} has no kernel on {placed[op]!r}")
        if placed[root] != placed[op] and needs_host(op) == needs_host(root):
            raise AssertionError(f"place: {op.name} is not with {root.name}")
