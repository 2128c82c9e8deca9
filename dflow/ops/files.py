"""Operations on file names: matching_files.  The readers of records are in `ops/readers.py`.

Source: io_ops.matching_files of TensorFlow 1.15.
"""

from __future__ import annotations

import glob
from typing import Any

import fsspec
import numpy as np

from dflow.dtypes import string
from dflow.errors import ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["matching_files"]


def matching_files(pattern: Any, name: str | None = None) -> Tensor:
    """The names of the files that match when it is run, sorted: a string vector.

    pattern: a string, or a vector of them: a local path, or a URL of any file system that fsspec knows, in which `*`,
    `?` and `[...]` stand for characters of one name, not for `/`.  Names are relative where the pattern is.
    A file that two patterns match is there twice.
    """
    tensor: Tensor = add_op("MatchingFiles", convert_to_tensor(pattern, string, name="pattern"), name=name)
    return tensor


def _matching_spec(pattern: TensorSpec) -> TensorSpec:
    if pattern.dtype != string or (pattern.shape.ndims or 0) > 1:
        raise ShapeError(f"a pattern is a scalar string or a vector of strings, got {pattern}")
    return TensorSpec(TensorShape([None]), string)


def _matching_kernel(context: KernelContext, pattern: Any) -> Any:
    matches = sorted(name for one in np.asarray(pattern).reshape(-1) for name in _matches(one.decode()))
    names = np.empty(len(matches), dtype=object)
    names[:] = [name.encode() for name in matches]
    return names


def _matches(pattern: str) -> list[str]:
    if "://" not in pattern:
        return glob.glob(pattern, include_hidden=True)  # keeps relative names, which fsspec makes absolute
    system, path = fsspec.core.url_to_fs(pattern)
    return [str(system.unstrip_protocol(name)) for name in system.glob(path)]


define(
    "MatchingFiles",
    spec=_matching_spec,
    kernel=_matching_kernel,
    gradient=no_gradient("a name is text"),
    stateful=True,
    host_only=True,
)
