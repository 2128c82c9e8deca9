"""What can be saved in a checkpoint besides variables: an object that says its tensors, and how to bring them back.

Source: SaveableObject and SaveSpec of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dflow.dtypes import DType
from dflow.graph import Tensor

__all__ = ["SaveSpec", "SaveableObject"]


class SaveSpec:
    """One tensor that is saved.

    tensor: the tensor, or a function without arguments that makes it, which needs `dtype` and `device`.
    slice_spec: the part of a larger tensor that it is, such as `10 3 0,5:-`; "" for a whole one.  name: in the
    checkpoint.
    """

    def __init__(
        self,
        tensor: Tensor | Callable[[], Tensor],
        slice_spec: str,
        name: str,
        dtype: DType | None = None,
        device: str | None = None,
    ) -> None:
        self._tensor = tensor
        self.slice_spec = slice_spec
        self.name = name
        if isinstance(tensor, Tensor):
            self.dtype: DType = tensor.dtype
            self.device: str = tensor.device
        elif dtype is None or device is None:
            raise AssertionError("When passing `tensor` as a callable, an explicit dtype and device must be specified.")
        else:
            self.dtype, self.device = dtype, device

    @property
    def tensor(self) -> Tensor:
        return self._tensor if isinstance(self._tensor, Tensor) else self._tensor()


class SaveableObject:
    """Base class of what is saved: `op`, which is saved once; `specs`, its tensors; `name`.

    A subclass says in `restore` how the tensors come back.
    """

    def __init__(self, op: Any, specs: Sequence[SaveSpec], name: str) -> None:
        self.op = op
        self.specs = specs
        self.name = name

    @property
    def optional_restore(self) -> bool:
        """A hint that a checkpoint may lack it; unused, as in TensorFlow 1's Saver."""
        return False

    @property
    def device(self) -> str:
        return self.specs[0].device

    def restore(self, restored_tensors: Sequence[Tensor], restored_shapes: Sequence[Any] | None) -> Any:
        """An operation that takes the tensors of the checkpoint over.

        restored_tensors: one for each spec; restored_shapes: None, or the shapes to give them.
        """
        raise ValueError("Calling an abstract method.")
