"""Device names: `/job:J/replica:R/task:T/device:GPU:I`, partial names, and how they merge and match.

Source: tf.DeviceSpec of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any


class DeviceSpec:
    """A device name in parts, of which each may be missing (None).  Mutable, as in TensorFlow 1."""

    def __init__(
        self,
        job: str | None = None,
        replica: int | None = None,
        task: int | None = None,
        device_type: str | None = None,
        device_index: int | None = None,
    ) -> None:
        self.job = job
        self.replica = replica
        self.task = task
        self.device_type = device_type
        self.device_index = device_index

    @property
    def device_type(self) -> str | None:
        return self._device_type

    @device_type.setter
    def device_type(self, value: str | None) -> None:
        self._device_type = value.upper() if value in ("cpu", "gpu") else value

    @staticmethod
    def from_string(spec: str) -> DeviceSpec:
        """The parts of a name; ValueError for a name that is none."""
        return DeviceSpec().parse_from_string(spec)

    def parse_from_string(self, spec: str) -> DeviceSpec:
        """Replace all parts by those of `spec`, and return self; ValueError for a name that is none."""
        self.job = self.replica = self.task = self.device_type = self.device_index = None
        for part in spec.split("/"):
            if part:
                self._parse_part(part, spec)
        return self

    def _parse_part(self, part: str, spec: str) -> None:
        key, *values = part.split(":")
        if key == "job" and len(values) == 1:
            self.job = values[0]
        elif key == "replica" and len(values) == 1:
            self.replica = _number(values[0], spec)
        elif key == "task" and len(values) == 1:
            self.task = _number(values[0], spec)
        elif key in ("cpu", "CPU", "gpu", "GPU") and len(values) <= 1:
            self._set_type(key.upper(), values, spec)
        elif key == "device" and 1 <= len(values) <= 2:
            self._set_type(values[0], values[1:], spec)
        else:
            raise ValueError(f"Unknown attribute: {key!r} in device name {spec!r}")

    def _set_type(self, device_type: str, index: list[str], spec: str) -> None:
        if self.device_type is not None:
            raise ValueError(f"Cannot specify multiple device types in {spec!r}")
        self.device_type = device_type
        if index and index[0] != "*":
            self.device_index = _number(index[0], spec)

    def merge_from(self, dev: DeviceSpec) -> None:
        """Take over the parts that `dev` sets."""
        for field in ("job", "replica", "task", "device_type", "device_index"):
            value = getattr(dev, field)
            if value is not None:
                setattr(self, field, value)

    def make_merged_spec(self, dev: DeviceSpec) -> DeviceSpec:
        """A new spec: this one, with the parts that `dev` sets."""
        merged = self.replace()
        merged.merge_from(dev)
        return merged

    def replace(self, **parts: Any) -> DeviceSpec:
        """A new spec with the given parts replaced; None clears one."""
        values: dict[str, Any] = {
            "job": self.job,
            "replica": self.replica,
            "task": self.task,
            "device_type": self.device_type,
            "device_index": self.device_index,
        }
        return DeviceSpec(**(values | parts))

    def to_string(self) -> str:
        """The name in canonical order: "" if no part is set."""
        parts = []
        if self.job is not None:
            parts.append(f"/job:{self.job}")
        if self.replica is not None:
            parts.append(f"/replica:{self.replica}")
        if self.task is not None:
            parts.append(f"/task:{self.task}")
        if self.device_type is not None:
            index = "*" if self.device_index is None else self.device_index
            parts.append(f"/device:{self.device_type}:{index}")
        return "".join(parts)

    def matches(self, full: DeviceSpec) -> bool:
        """True if `full` agrees with every part that is set here."""
        return all(
            getattr(self, field) in (None, getattr(full, field))
            for field in ("job", "replica", "task", "device_type", "device_index")
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeviceSpec) and self.to_string() == other.to_string()

    def __hash__(self) -> int:
        return hash(self.to_string())

    def __str__(self) -> str:
        return self.to_string()

    def __repr__(self) -> str:
        return f"DeviceSpec({self.to_string()!r})"


def canonical_name(device: Any) -> str:
    """The canonical string of a device given as a string, a DeviceSpec or None."""
    if device is None:
        return ""
    return device.to_string() if isinstance(device, DeviceSpec) else _canonical(str(device))


@lru_cache(maxsize=1024)
def _canonical(name: str) -> str:
    return DeviceSpec.from_string(name).to_string()


@lru_cache(maxsize=1024)
def merge_device(outer: str, inner: str) -> str:
    """`outer` with the parts that `inner` sets: an inner block overrides field by field."""
    merged = DeviceSpec.from_string(outer)
    merged.merge_from(DeviceSpec.from_string(inner))
    return merged.to_string()


def device_name(job: str, task: int, device_type: str, index: int) -> str:
    """A full device name; the replica is always 0."""
    return f"/job:{job}/replica:0/task:{task}/device:{device_type}:{index}"


def containers_of(device: str, named: Iterable[str]) -> set[str]:
    """The names of the containers of a device that `named` selects.

    The default container of a device is selected by "", and by the name of the device's job.
    """
    names = set(named)
    if DeviceSpec.from_string(device).job in names:
        names.add("")
    return names


def matching(request: str, available: Iterable[str]) -> list[str]:
    """The full names that agree with every part of a partial one, in their order."""
    spec = DeviceSpec.from_string(request)
    return [name for name in available if spec.matches(DeviceSpec.from_string(name))]


def _number(text: str, spec: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"{error} in device name {spec!r}") from None
