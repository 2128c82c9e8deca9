"""A PyTorch dataset that takes its batches out of a shared queue.  The only module that needs PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np

from dflow.data.draining import batches
from dflow.graph import Graph, create_op, scopes
from dflow.ops.queues.kinds import QueueBase
from dflow.runtime.session.session import Session

try:
    import torch
    from torch.utils.data import IterableDataset
except ImportError as error:
    raise ImportError(
        "df.data.TorchDataset needs PyTorch, which is not installed: pip install torch (or, for CPUs alone, "
        "pip install torch --index-url https://download.pytorch.org/whl/cpu)"
    ) from error


class TorchDataset(IterableDataset):  # type: ignore[misc]  # a class of Any where PyTorch is not installed
    """The batches of a shared queue, as tensors; each iterator takes its share of them.

        loader = DataLoader(df.data.TorchDataset(queue, 128), batch_size=None, num_workers=2)

    queue: with a shared_name (ValueError otherwise) on a cluster, since each process that iterates, forked or spawned,
    opens a session of its own.
    target: the cluster's address, by default that of the default session (ValueError for none).
    The queue has to be on the device of its `df.device` block, else on the session's default device.
    An item is a batch of `batches`, with tensors for arrays; text stays a NumPy array of bytes objects.
    The dataset pickles as a description, without its session and graph.
    """

    def __init__(
        self, queue: QueueBase, batch_size: int, target: str | None = None, *, drop_remainder: bool = False
    ) -> None:
        if not queue.spec.shared_name:
            raise ValueError(
                f"queue {queue.name!r} is private to its session, but each process that loads data opens its own; "
                "make the queue with shared_name="
            )
        if target is None:
            session = scopes.get_default_session()
            target = session.target if session is not None else ""
        if not target:
            raise ValueError(
                "a TorchDataset needs the address of a cluster, target='tcp://...'; in a local session, whose queues "
                "no other session sees, iterate over df.data.batches(queue, ...)"
            )
        self._spec = queue.spec
        self._device = queue.op.device
        self._batch_size = batch_size
        self._target = target
        self._drop_remainder = drop_remainder

    def __iter__(self) -> Iterator[Any]:
        graph = Graph()
        with graph.as_default(), graph.device(self._device or None):
            op = create_op(f"{self._spec.kind}V2", queue=self._spec)
        with Session(self._target, graph) as session:
            queue = QueueBase(self._spec, op)
            for batch in batches(queue, self._batch_size, session, drop_remainder=self._drop_remainder):
                if isinstance(batch, dict):
                    yield {name: _tensor(array) for name, array in batch.items()}
                else:
                    yield tuple(_tensor(array) for array in batch)


def _tensor(array: np.ndarray[Any, Any]) -> Any:
    if array.dtype == object:  # text
        return array
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
