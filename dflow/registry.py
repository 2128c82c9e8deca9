"""The table of operations: the rules of each op in one place, and how to add an op.

    def _exp_spec(x: TensorSpec) -> TensorSpec:
        return x

    def _exp_kernel(x):
        return array_namespace(x).exp(x)

    define("Exp", spec=_exp_spec, kernel=_exp_kernel, gradient=lambda op, dy: dy * op.outputs[0], batch=elementwise)

The rules of an op are plain functions:

* `spec(*inputs, **attrs)`: the `TensorSpec` of each output, from those of the inputs.  Raises `ShapeError`,
  `DTypeError` or ValueError with the bare fact; the graph adds the operation and the user's line.
* `kernel(*arrays, **attrs)`: computes the outputs, written against the array namespace of its inputs, so that one
  kernel serves NumPy and CuPy.  A stateful kernel gets a `KernelContext` first.
* `gradient(op, *output_gradients)`: one gradient per input, or None, built from operations.  `not_differentiable`: the
  op counts as a constant.  `no_gradient("why")`: to ask for the gradient is a LookupError.
* `owns_outputs=True`: each output is a new array: no input, no view of one, nothing that is kept anywhere.
* `inplace=(0, 1)`: the inputs whose memory the one output may reuse.  If no other operation needs one of them, the
  kernel gets it as `out=` as well: it may write its output there, if that fits, or leave it alone.
* `batch(kernel, arrays, batched, attrs)`: the outputs for n steps at once: `arrays[i]` has a leading axis of n where
  `batched[i]`, and every output gets one.
* `handles=("variable", "m", "v")`: the attributes with the specs of the state that it works on, in the order of
  TensorFlow's inputs; needed only if no rule has them as parameters of the types `VariableSpec` and so on.
* a blocking op (`blocks=True`) may wait for the side effect of another one: its kernel is an *attempt*,
  `kernel(context, reply, *arrays, **attrs)`, which returns at once and calls `reply(outputs)` or `reply(error)` once,
  from any thread.  It may return a callable, which withdraws the attempt.

Why attributes are given to `spec` and `kernel` as keywords: a rule names what it uses and a wrong name fails at once.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dflow.specs import TensorSpec


@dataclass(frozen=True, slots=True)
class NoGradient:
    """The gradient of an op that has none.  `reason` is the error's text when someone asks for it."""

    reason: str


def no_gradient(reason: str) -> NoGradient:
    """Say that an op has no gradient: asking for one is a LookupError with this reason."""
    return NoGradient(reason)


def not_differentiable(op: Any, *output_gradients: Any) -> None:
    """The gradient of an op that counts as a constant: none goes through it.  Source: tf.NotDifferentiable."""


class KernelContext(Protocol):
    """What a stateful kernel may use.  Made by the device executor for each operation."""

    device: str  # the full name of the device
    op: str  # the operation's name
    session: str  # the id of the session that runs the step
    xp: Any  # the device's array namespace
    cache: dict[int, tuple[Any, Any]]  # id of a spec -> the spec and the state that it describes, see `state_of`

    def asarray(self, value: Any) -> Any:
        """A host array as an array of the device."""

    def resource(self, key: Any, make: Callable[[], Any]) -> Any:
        """The state of the device under `key`; made by `make()` if it is not there yet."""

    def resource_of(self, spec: Any) -> Any:
        """The queue or the reader that `spec` describes; made if it is not there yet."""

    def dequeue_from(self, device: str, queue: Any, reply: Callable[..., None]) -> Callable[[], None]:
        """Take one element of a queue on any device, outside of the step; returns a callable that withdraws it."""

    def start_loop(self, loop: Any, operands: Sequence[Any], reply: Callable[..., None]) -> Callable[[], None]:
        """Start a `while_loop` whose iterations are steps; returns a callable that withdraws it."""

    def spawn(self, work: Callable[[], None]) -> None:
        """Do something that may take long or wait, on a thread of its own."""

    def per_session(self, make: Callable[[], Any]) -> Any:
        """State of this operation in this session on this device, such as its random generator."""


BatchRule = Callable[[Callable[..., Any], Sequence[Any], Sequence[bool], dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class OpDef:
    """The definition of a kind of operation: its rules and properties."""

    kind: str
    spec: Callable[..., TensorSpec | Sequence[TensorSpec]]
    kernel: Callable[..., Any]
    gradient: Callable[..., Any] | NoGradient
    batch: BatchRule | None = None
    stateful: bool = False  # the kernel takes a KernelContext first
    blocks: bool = False  # the kernel is an attempt, see above
    host_only: bool = False  # the kernel needs text, files or Python objects: no GPU kernel
    owns_outputs: bool = False  # its outputs are new arrays
    inplace: tuple[int, ...] = ()  # the inputs whose memory its output may reuse
    handles: tuple[str, ...] = ()  # the attributes that name the state it works on, if its rules do not say so
    module: str = ""  # the module that defined it, which a worker must be able to import


OPS: dict[str, OpDef] = {}


def define(
    kind: str,
    *,
    spec: Callable[..., TensorSpec | Sequence[TensorSpec]],
    kernel: Callable[..., Any],
    gradient: Callable[..., Any] | NoGradient,
    batch: BatchRule | None = None,
    stateful: bool = False,
    blocks: bool = False,
    host_only: bool = False,
    owns_outputs: bool = False,
    inplace: tuple[int, ...] = (),
    handles: tuple[str, ...] = (),
) -> OpDef:
    """Add a kind of operation to the table; `help("dflow.registry")` has the rules, docs/operations.md an example.

    spec(*input specs, **attrs) -> output specs; kernel(*input arrays, **attrs) -> output arrays;
    gradient(op, *output gradients) -> one tensor or None for each input; `df.add_op(kind, *inputs, **attrs)` uses it.

    A kind that is there already is replaced only by the same module (a script that runs again in a notebook);
    from another module it is a KeyError.
    """
    module = sys._getframe(1).f_globals.get("__name__", "")
    earlier = OPS.get(kind)
    if earlier is not None and earlier.module != module:
        raise KeyError(f"op {kind!r} is defined already, in {earlier.module}; choose another name")
    OPS[kind] = OpDef(
        kind,
        spec,
        kernel,
        gradient,
        batch,
        stateful or blocks,
        blocks,
        host_only,
        owns_outputs,
        inplace,
        handles,
        module,
    )
    return OPS[kind]


def op_def(kind: str) -> OpDef:
    """The definition of a kind; LookupError, which lists near names, if there is none."""
    try:
        return OPS[kind]
    except KeyError:
        near = ", ".join(difflib.get_close_matches(kind, OPS, n=3)) or "none"
        raise LookupError(f"no op {kind!r} is defined; near names: {near}") from None


class ReaderFormat(Protocol):
    """A format of files that a reader hands out record by record.

    An instance reads one file at a time.  `open` may raise `NotFoundError` or OSError; `read` may raise
    `DataLossError`.
    """

    def open(self, path: str, state: Any = None) -> None:
        """Start with a file, at its beginning or where `state` says."""

    def read(self) -> tuple[bytes, bytes] | None:
        """The next (key, value); None: this file is done."""

    def state(self) -> Any:
        """Enough to open() the file again at this place."""

    def close(self) -> None:
        """Leave the file."""


READERS: dict[str, Callable[..., ReaderFormat]] = {}


def reader(kind: str) -> Callable[[type], type]:
    """Register a class as the format of readers of this kind: `@reader("TextLineReader")`."""

    def register(cls: type) -> type:
        READERS[kind] = cls
        return cls

    return register
