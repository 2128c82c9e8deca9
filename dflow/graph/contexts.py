"""Control-flow contexts: the branch of a `cond`, or the body of a `while_loop`, that operations are built in.

    y = cond(p, lambda: x + 1.0, lambda: x)   # the sum is in a `Branch`, and gets x through a Switch on p

A tensor that an operation of a context takes from outside goes through a *gate*: a `Switch` in a branch, an `Enter` in
a loop.  An operation without inputs waits for the *pivot* of its context, which runs when the context's operations may
run.  Contexts nest; `Operation.context` is the innermost one that an operation was built in.

Nothing here is needed to run a graph: a run follows the gates.
Source: CondContext and WhileContext of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from dflow.graph.core import Graph, Operation, Tensor

_logger = logging.getLogger("tensorflow")


class Context:
    """A branch or a loop body.

    name: its name scope; outer: the context around it, or None; pivot: the operation that the others wait for.
    """

    pivot: Operation

    def __init__(self, graph: Graph, name: str, outer: Context | None) -> None:
        self.graph = graph
        self.name = name
        self.outer = outer
        self.in_loop: bool = outer is not None and outer.in_loop
        self._gates: dict[Tensor, Tensor] = {}  # a tensor from outside -> the output of its gate

    def building(self) -> AbstractContextManager[None]:
        """A block in which operations are built in this context."""
        return self.graph.scope.context_scope(self)

    def chain(self) -> Iterator[Context]:
        """This context and those around it, the innermost first."""
        return chain(self)

    def admit(
        self, name: str, inputs: Sequence[Tensor], controls: Sequence[Operation]
    ) -> tuple[list[Tensor], list[Operation]]:
        """The inputs and control inputs of an operation that is built in this context.  name: of the operation."""
        admitted = [self.take(tensor, name) for tensor in inputs]
        controls = list(controls)
        if all(map(self._is_free, admitted)) and not any(self in chain(op.context) for op in controls):
            controls.append(self.pivot)
        return admitted, controls

    def _is_free(self, tensor: Tensor) -> bool:
        """Whether an operation with only such inputs has to wait for the pivot."""
        return False

    def take(self, tensor: Tensor, name: str) -> Tensor:
        """The tensor as operations of this context get it: itself, or the output of a gate.

        name: of the operation that takes it.  ValueError for a tensor of a loop that this context is not in.
        """
        around = set(chain(tensor.op.context))
        while history := next(self._histories_of(around), None):
            tensor = history.recall(tensor)
            around = set(chain(tensor.op.context))
        check_reachable(tensor, name, self)
        for context in reversed([context for context in self.chain() if context not in around]):
            tensor = context.gate(tensor, name)
        return tensor

    def _histories_of(self, contexts: set[Context]) -> Iterator[History]:
        """The histories of loops that are among `contexts`, and whose gradients are computed around here."""
        for loop in loops_of(self):
            if loop.history is not None and loop.history.of in contexts:
                yield loop.history

    def leave(self, tensor: Tensor, name: str) -> None:
        """ValueError if an operation outside of all contexts may not use a tensor of this one.

        name: of the operation.
        """
        check_reachable(tensor, name, None)

    def gate(self, tensor: Tensor, name: str) -> Tensor:
        """The output of this context's gate for a tensor from outside; made once."""
        if tensor not in self._gates:
            self._gates[tensor] = self._make_gate(tensor, name)
        return self._gates[tensor]

    def _make_gate(self, tensor: Tensor, name: str) -> Tensor:
        raise NotImplementedError

    def add(self, kind: str, inputs: Sequence[Tensor], name: str, **attrs: Any) -> Operation:
        """Add an operation to this context as it is: its inputs go through no gate.  name: a full name."""
        return add_plain(self.graph, self, kind, inputs, name, **attrs)


class Branch(Context):
    """A branch of a `cond`.

    pred: the condition, a tensor of the outer context; value: whether the branch is taken if the condition is true (1)
    or false (0).
    """

    def __init__(
        self, graph: Graph, name: str, outer: Context | None, pred: Tensor, value: int, pivot: Operation
    ) -> None:
        super().__init__(graph, name, outer)
        self.pred = pred
        self.value = value
        self.pivot = pivot

    def _make_gate(self, tensor: Tensor, name: str) -> Tensor:
        with self.graph.colocate_with(tensor.op, ignore_existing=True):
            return self.add("Switch", (tensor, self.pred), f"{name}/Switch").outputs[self.value]


class History:
    """The values of a loop's iterations, for the loop that computes its gradients.

    of: the loop; see `loop_gradients.py`.
    """

    of: LoopBody

    def recall(self, tensor: Tensor) -> Tensor:
        """The value that a tensor of the loop had, in the iteration whose gradient is computed."""
        raise NotImplementedError


class LoopBody(Context):
    """The condition and the body of a `while_loop`.

    frame: the name of its frame, unique in the graph.  history: of the loop whose gradient it computes, or None.
    """

    def __init__(
        self,
        graph: Graph,
        name: str,
        outer: Context | None,
        frame: str,
        parallel_iterations: int = 10,
        back_prop: bool = True,
        swap_memory: bool = False,
    ) -> None:
        super().__init__(graph, name, outer)
        self.in_loop = True
        self.frame = frame
        self.parallel_iterations = parallel_iterations
        self.back_prop = back_prop
        self.swap_memory = swap_memory
        self.history: History | None = None
        self.enters: list[Operation] = []  # of the loop variables
        self.merges: list[Operation] = []
        self.switches: list[Operation] = []
        self.variables: list[Operation] = []  # their values in the body, an Identity for each
        self.nexts: list[Operation] = []  # their NextIteration operations
        self.exits: list[Operation] = []
        self.test: Operation  # its LoopCond

    def _make_gate(self, tensor: Tensor, name: str) -> Tensor:
        return self.enter(tensor, f"{name}/Enter", constant=True)

    def enter(self, tensor: Tensor, name: str, constant: bool) -> Tensor:
        """An Enter of a tensor of the outer context.  constant: every iteration has it, not only the first."""
        attrs = {"frame_name": self.frame, "is_constant": constant, "parallel_iterations": self.parallel_iterations}
        entered = self.add("Enter", (tensor,), name, **attrs).outputs[0]
        entered._spec = tensor.spec
        return entered

    def _is_free(self, tensor: Tensor) -> bool:
        """Whether each iteration has it, the last look at the condition included."""
        op = tensor.op
        return op.type == "Enter" and op.context is self and bool(op.attrs["is_constant"])

    @property
    def constants(self) -> dict[Tensor, Tensor]:
        """The tensors from outside that each iteration uses -> the outputs of their gates."""
        return self._gates


def add_plain(
    graph: Graph, context: Context | None, kind: str, inputs: Sequence[Tensor], name: str, **attrs: Any
) -> Operation:
    """Add an operation to a context as it is, without gates and control inputs.  name: a full name."""
    with graph.control_dependencies(None):
        return graph.create_op(kind, inputs, attrs, f"{graph.unique_name(name, scoped=False)}/", context=context)


def chain(context: Any) -> Iterator[Context]:
    """A context and those around it, the innermost first."""
    while context is not None:
        yield context
        context = context.outer


def loops_of(context: Any) -> Iterator[LoopBody]:
    """The loops among a context and those around it, the innermost first."""
    return (it for it in chain(context) if isinstance(it, LoopBody))


def check_reachable(tensor: Tensor, name: str, context: Context | None) -> None:
    """ValueError if a tensor is made in a loop that `context` is not in."""
    mine = set(chain(context))
    for loop in loops_of(tensor.op.context):
        if loop not in mine:
            inside = context is not None and context.in_loop
            why = "they are in different while loops" if inside else f"'{tensor.op.name}' is in a while loop"
            text = f"Cannot use '{tensor.op.name}' as input to '{name}' because {why}."
            _logger.info(
                "%s\nA loop's value can be used outside only by way of its loop variables: return it from the body of "
                "'%s'.\nmade at %s",
                text,
                loop.name,
                tensor.op.made_at,
            )
            raise ValueError(f"{text} See info log for more details.")


def current_context(graph: Graph) -> Context | None:
    """The context that this thread builds in."""
    context: Any = graph.scope.context
    return context if isinstance(context, Context) else None


def outside(contexts: Iterable[Context | None]) -> Context | None:
    """The innermost context that is around all of `contexts`."""
    chains = [list(chain(context)) for context in contexts]
    common = set(chains[0]).intersection(*chains[1:]) if chains else set()
    return next((context for context in (chains[0] if chains else ()) if context in common), None)
