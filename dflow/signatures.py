"""The operations of TensorFlow 1 that dflow has too: names of inputs and attributes, dtypes, names of outputs.

`signatures.txt` has a line for each kind, in this form; a star marks a list, `T in D3` the dtypes that T may be:

    D3: float32, float64
    Kind(x:T, axis:int32, *rest:T | flag=False, required); T in D3 -> first, *others

The functions of `df.raw_ops` are made of it, and the messages of errors with TensorFlow's names of arguments.
Source: the ops of TensorFlow 1.15.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["REQUIRED", "Input", "Signature", "dtype_fault", "kinds", "signature_of"]

REQUIRED = object()  # the default of an attribute that has none


@dataclass(frozen=True)
class Input:
    """An input: its name, the attribute with its dtype or the dtype itself, and whether it is a list of tensors.

    dtype: "list" for a list of tensors that have dtypes of their own.
    """

    name: str
    dtype: str
    many: bool

    @property
    def is_fixed(self) -> bool:
        """Whether its dtype is the same always."""
        return self.dtype in ("bool", "list", "resource", "string", "variant") or self.dtype[-1] in "2468"


@dataclass(frozen=True)
class Signature:
    """What a kind of operation takes and gives.

    attrs: name -> default; allowed: attribute -> the dtypes that it may be; outputs: their names, if it gives several.
    """

    kind: str
    inputs: tuple[Input, ...]
    attrs: dict[str, Any]
    allowed: dict[str, tuple[str, ...]]
    outputs: tuple[str, ...]


def kinds() -> Sequence[str]:
    """All kinds that have a line, in order."""
    return tuple(_lines()[1])


@cache
def signature_of(kind: str) -> Signature | None:
    """The signature of a kind; None for one that has no line."""
    groups, lines = _lines()
    if kind not in lines:
        return None
    found = re.fullmatch(r"\w+\((.*?)(?: ?\| (.*))?\)(?:; (.*?))?(?: -> (.*))?", lines[kind])
    assert found is not None, lines[kind]
    inputs, attrs, allowed, outputs = found.groups(default="")
    return Signature(
        kind,
        tuple(_input(text) for text in inputs.split(", ") if text),
        dict(_attr(text) for text in attrs.split(", ") if text),
        {name: groups[group] for name, _, group in (text.partition(" in ") for text in allowed.split(", ") if text)},
        tuple(outputs.split(", ")) if outputs else (),
    )


@cache
def _lines() -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """The groups of dtypes, and the line of each kind."""
    head, _, rows = Path(__file__).with_name("signatures.txt").read_text().partition("\n\n")
    groups = dict(line.split(": ") for line in head.splitlines())
    lines = {line.partition("(")[0]: line for line in rows.splitlines()}
    return {name: tuple(dtypes.split(", ")) for name, dtypes in groups.items()}, lines


def _input(text: str) -> Input:
    name, _, dtype = text.partition(":")
    return Input(name.removeprefix("*"), dtype, name.startswith("*"))


def _attr(text: str) -> tuple[str, Any]:
    name, equals, default = text.partition("=")
    if not equals:
        return name, REQUIRED
    return name, default if re.fullmatch(r"[a-z]\w+", default) else ast.literal_eval(default)


def dtype_fault(kind: str, dtypes: Sequence[str], absent: int = 0) -> str | None:
    """What is wrong with the dtypes of the inputs, in TensorFlow's words; None if nothing is found.

    absent: how many of the last inputs the operation has as attributes, such as an axis.
    """
    signature = signature_of(kind)
    if signature is None:
        return None
    fixed: dict[str, tuple[Input, str]] = {}  # attribute -> the input that it comes from, and the dtype
    for it, given in _matched(signature.inputs[: len(signature.inputs) - absent], dtypes):
        if it.is_fixed or not given:
            continue
        if len(set(given)) > 1:
            return (
                f"Tensors in list passed to '{it.name}' of '{kind}' Op have types [{', '.join(given)}] "
                "that don't all match."
            )
        first, dtype = fixed.setdefault(it.dtype, (it, given[0]))
        if given[0] != dtype:
            return (
                f"Input '{it.name}' of '{kind}' Op has type {given[0]} that does not match type {dtype} of argument "
                f"'{first.name}'."
            )
        allowed = signature.allowed.get(it.dtype, ())
        if allowed and dtype not in allowed:
            return (
                f"Value passed to parameter '{it.name}' has DataType {dtype} not in list of allowed values: "
                f"{', '.join(allowed)}"
            )
    return None


def _matched(inputs: Sequence[Input], dtypes: Sequence[str]) -> list[tuple[Input, Sequence[str]]]:
    """The inputs with the dtypes that are given for them; nothing if it is not clear which is which.

    dflow has the first inputs of an operation on variables, which are the variables, as attributes.
    """
    if inputs and inputs[0].name in ("ref", "var", "resource"):
        inputs = inputs[max(len(inputs) - len(dtypes), 0) :]
    elif len(dtypes) < len(inputs):
        inputs = [it for it in inputs if not it.is_fixed]
    lists = sum(it.many for it in inputs)
    if lists > 1 or len(dtypes) < len(inputs) - lists:
        return []
    length = max(len(dtypes) - (len(inputs) - lists), 0)
    found, place = [], 0
    for it in inputs:
        count = length if it.many else 1
        found.append((it, dtypes[place : place + count]))
        place += count
    return found
