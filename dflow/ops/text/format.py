"""Tensors in a text: `strings.format`.

Source: tf.strings.format of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import string
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.rules.batching import each as each_step
from dflow.ops.rules.static import graph_of, is_symbolic
from dflow.ops.text.each import NO_GRADIENT, Array
from dflow.ops.text.summary import summary
from dflow.registry import define
from dflow.shapes import SCALAR
from dflow.specs import TensorSpec

__all__ = ["string_format"]


def string_format(
    template: str, inputs: Any, placeholder: str = "{}", summarize: int = 3, name: str | None = None
) -> Tensor:
    """The template, a scalar string, with the values of a tensor in place of each placeholder.

    inputs: a tensor, or a list of them.  summarize: how many values are shown at each end of each axis; -1: all.
    ValueError unless there are as many placeholders as tensors.
    """
    items = [inputs] if is_symbolic(inputs) and not isinstance(inputs, (list, tuple)) else list(inputs)
    places = template.count(placeholder)
    if places != len(items):
        raise ValueError(f"{places} placeholder(s) in template does not match {len(items)} tensor(s) provided as input")
    attrs = {"template": template, "placeholder": placeholder, "summarize": int(summarize)}
    with scopes.building_in(graph_of(items)):
        tensor: Tensor = add_op("StringFormat", *map(convert_to_tensor, items), name=name, **attrs)
    return tensor


def _spec(*inputs: TensorSpec, **attrs: Any) -> TensorSpec:
    return TensorSpec(SCALAR, string)


def _kernel(*inputs: Any, template: str, placeholder: str, summarize: int) -> Array:
    first, *rest = template.split(placeholder)
    shown = [summary(np.asarray(array), summarize) + text for array, text in zip(inputs, rest, strict=True)]
    return np.array("".join([first, *shown]).encode("utf-8", "surrogateescape"), object)


define("StringFormat", spec=_spec, kernel=_kernel, gradient=NO_GRADIENT, batch=each_step, host_only=True)
