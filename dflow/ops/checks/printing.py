"""Printing values while a graph runs: to the output of the process that runs the operation.

Source: logging_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
import pprint
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, create_op
from dflow.ops.checks.summary import summarized, summarized_with_ends
from dflow.ops.rules.libraries import as_numpy
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import operands
from dflow.registry import KernelContext, define, no_gradient
from dflow.sparse_tensor import SparseTensor
from dflow.specs import TensorSpec

__all__ = ["Print", "print"]

_LOG = logging.getLogger("dflow.print")

# -- Print


def Print(
    input_: Any,
    data: Sequence[Any],
    message: str | None = None,
    first_n: int | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Tensor:
    """The tensor `input_`; each run that computes it prints the message and `data`, on standard error.

    data: tensors and values; first_n: how often at most in a session, None or negative: always; summarize: how many
    values of each are shown, None: 3, negative: all.
    """
    with scope_of((input_, *data), name, "Print") as scope:
        (x,) = operands((input_,), ("input",))
        result: Tensor = add_op(
            "Print",
            x,
            *(convert_to_tensor(item, name="data") for item in data),
            name=scope,
            message=message or "",
            first_n=-1 if first_n is None else int(first_n),
            summarize=3 if summarize is None else int(summarize),
        )
        return result


def _print_spec(x: TensorSpec, *data: TensorSpec, message: str, first_n: int, summarize: int) -> TensorSpec:
    return x


def _print_kernel(context: KernelContext, x: Any, *data: Any, message: str, first_n: int, summarize: int) -> Any:
    printed = context.per_session(lambda: [0])
    if first_n < 0 or printed[0] < first_n:
        printed[0] += 1
        shown = "".join(f"[{summarized(as_numpy(item), summarize)}]" for item in data)
        _write("stderr", f"{message}{shown}\n")
    return x


define(
    "Print",
    spec=_print_spec,
    kernel=_print_kernel,
    gradient=lambda op, dy: (dy, *(None for _ in op.inputs[1:])),
    stateful=True,
    host_only=True,
)

# -- print


def print(
    *inputs: Any,
    output_stream: Any = None,
    summarize: int | None = 3,
    sep: str = " ",
    end: str | None = "\n",
    name: str | None = None,
) -> Operation:
    """An operation that prints values, as Python's `print` does, in each run that needs it.

    inputs: tensors, values, and lists, tuples and dictionaries of these; summarize: how many values are shown at both
    ends of each axis of a tensor, all if it is -1.
    output_stream: `sys.stderr` (also None), `sys.stdout`, a level of `logging` or one of its functions `info`,
    `warning` and `error`, or the name of a file, to whose end the text goes: "file://...".
    ValueError for another stream.
    """
    texts, tensors = [""], []
    for place, item in enumerate(inputs):
        for part in (sep if place else "", *_top(item)):
            if isinstance(part, str):
                texts[-1] += part
            else:
                tensors.append(part)
                texts.append("")
    return create_op(
        "PrintV2",
        *tensors,
        name=name,
        texts=tuple(texts),
        output_stream=_stream(output_stream),
        summarize=-1 if summarize is None else int(summarize),
        end="\n" if end is None else end,
    )


Part = Any  # a text, or a tensor in its place


def _top(item: Any) -> Iterator[Part]:
    """The parts of one argument: text stands without quotes."""
    if isinstance(item, str):
        yield item
    else:
        yield from _parts(item)


def _parts(item: Any) -> Iterator[Part]:
    if isinstance(item, SparseTensor):
        yield "SparseTensor(indices="
        yield item.indices
        yield ", values="
        yield item.values
        yield ", shape="
        yield item.dense_shape
        yield ")"
    elif isinstance(item, Tensor) or hasattr(item, "_as_tensor"):
        yield convert_to_tensor(item)
    elif isinstance(item, dict):
        yield from _joined("{", ((f"{key!r}: ", item[key]) for key in sorted(item, key=repr)), "}")
    elif isinstance(item, tuple) and hasattr(item, "_fields"):
        yield from _joined(f"{type(item).__name__}(", ((f"{key}=", getattr(item, key)) for key in item._fields), ")")
    elif isinstance(item, (list, tuple)):
        start, stop = "[]" if isinstance(item, list) else "()"
        yield from _joined(
            start, (("", value) for value in item), f",{stop}" if len(item) == 1 and start == "(" else stop
        )
    else:
        yield pprint.pformat(item)


def _joined(start: str, items: Iterable[tuple[str, Any]], stop: str) -> Iterator[Part]:
    yield start
    for place, (label, value) in enumerate(items):
        yield (", " if place else "") + label
        yield from _parts(value)
    yield stop


# -- where the text goes

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def _stream(stream: Any) -> str:
    """TensorFlow's name of a stream: "stdout", "stderr", "log(info)", ..., "file://..."."""
    if stream is None:
        return "stderr"
    if stream in (sys.stdout, sys.__stdout__):
        return "stdout"
    if stream in (sys.stderr, sys.__stderr__):
        return "stderr"
    if isinstance(stream, str) and stream.startswith("file://"):
        return stream
    for name, level in _LEVELS.items():
        if stream == level or (
            callable(stream) and getattr(stream, "__name__", "") in (name, name.removesuffix("ing"))
        ):
            return f"log({name})"
    raise ValueError(
        f"Unknown output stream, logging level, or file: {stream!r}; take sys.stdout, sys.stderr, a level of logging, "
        "or a file's name that begins with file://"
    )


def _write(stream: str, text: str) -> None:
    if stream.startswith("file://"):
        with open(stream.removeprefix("file://"), "a") as file:
            file.write(text)
    elif stream.startswith("log("):
        _LOG.log(_LEVELS[stream[4:-1]], "%s", text.rstrip("\n"))
    else:
        output = getattr(sys, stream)
        output.write(text)
        output.flush()


def _print_v2_kernel(
    *arrays: Any, texts: tuple[str, ...], output_stream: str, summarize: int, end: str
) -> tuple[Any, ...]:
    shown = [summarized_with_ends(as_numpy(array), summarize) for array in arrays]
    pieces = [texts[0], *(piece for pair in zip(shown, texts[1:], strict=True) for piece in pair)]
    _write(output_stream, "".join(pieces) + end)
    return ()


define(
    "PrintV2",
    spec=lambda *specs, **attrs: (),
    kernel=_print_v2_kernel,
    gradient=no_gradient("it has no outputs"),
    host_only=True,
)
