"""Queues between Dask and other libraries: fed from Dask's collections, drained as NumPy arrays or PyTorch tensors."""

from typing import Any

from dflow.data.draining import batches
from dflow.data.feeding import Feeding, enqueue_from

__all__ = ["Feeding", "TorchDataset", "batches", "enqueue_from"]


def __getattr__(name: str) -> Any:
    """TorchDataset, when it is asked for: only then PyTorch is imported."""
    if name != "TorchDataset":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dflow.data.torch_dataset import TorchDataset

    return TorchDataset
