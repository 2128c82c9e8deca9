"""The devices of this process.  Source: tensorflow.python.client.device_lib of TensorFlow 1.15."""

from __future__ import annotations

from dataclasses import dataclass

from dflow.devices import DeviceSpec
from dflow.graph import Graph
from dflow.runtime.base.config import ConfigProto
from dflow.runtime.session.session import Session

__all__ = ["DeviceAttributes", "list_local_devices"]


@dataclass(frozen=True, slots=True)
class DeviceAttributes:
    """A device of this process.  name: such as `/device:GPU:0`.  device_type: `CPU` or `GPU`."""

    name: str
    device_type: str


def list_local_devices(session_config: ConfigProto | None = None) -> list[DeviceAttributes]:
    """The devices of a local session with these options, the CPU first."""
    with Session(graph=Graph(), config=session_config) as session:
        specs = [DeviceSpec.from_string(it.name) for it in session.list_devices()]
    return [DeviceAttributes(f"/device:{it.device_type}:{it.device_index}", str(it.device_type)) for it in specs]
