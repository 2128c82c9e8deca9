"""Functions with a gradient of their own: custom_gradient, grad_pass_through, recompute_grad.

The results of such a function, its arguments and the variables that it reads go through one `IdentityN`, whose gradient
is the program's function.  So no gradient reaches the operations in the function itself.
Source: custom_gradient of TensorFlow 1.15.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from dflow import nest
from dflow.gradients import gradients
from dflow.graph import Graph, GraphKeys, Operation, Tensor, convert_to_tensor, get_default_graph
from dflow.ops.array.copies import identity_n
from dflow.ops.control import identity
from dflow.ops.state.variable_scope import AUTO_REUSE, get_variable_scope, variable_scope
from dflow.ops.state.variables import ResourceVariable, Variable
from dflow.registry import not_differentiable

__all__ = ["custom_gradient", "get_dependent_variables", "grad_pass_through", "recompute_grad"]


class _Decorated:
    """A function of tensors with a gradient of its own; as a method, it does not count `self` as a tensor."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self._f = f
        functools.update_wrapper(self, f)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _call(self._f, args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return _Decorated(self._f.__get__(instance, owner))


def custom_gradient(f: Callable[..., Any]) -> Any:
    """A decorator for a function of tensors that says what its gradient is.

    f(*args) gives its results (a tensor, or a nest of them) and a function `grad(*dresults)`, which gets the gradient
    of each result and gives one of each argument, or None.  If `f` reads variables, they have to be resource variables,
    and `grad(*dresults, variables=...)` also gets their list: it gives two lists, the gradients of the arguments and of
    the variables.

    The decorated function takes positional arguments only, which become tensors: keywords are a ValueError.
    TypeError if it makes variables of another kind, or if `grad` does not take the variables that `f` reads.
    ValueError, when gradients are asked for, if `grad` does not give one for each variable.
    """
    return _Decorated(f)


def _call(f: Callable[..., Any], args: Iterable[Any], kwargs: dict[str, Any]) -> Any:
    if kwargs:
        raise ValueError(
            "The custom_gradient decorator currently supports keywords arguments only when eager execution is enabled."
        )
    tensors = [convert_to_tensor(arg) for arg in args]
    graph = tensors[0].graph if tensors else get_default_graph()
    before, start = set(_variables(graph)), graph.version
    result, grad_fn = f(*tensors)
    for variable in _variables(graph):
        if variable not in before and not isinstance(variable, ResourceVariable):
            raise TypeError("All variables used by a function wrapped with @custom_gradient must be "
                            "`ResourceVariable`s. Ensure that no `variable_scope` is created with "
                            "`use_resource=False`.")  # fmt: skip
    results = [convert_to_tensor(item) for item in nest.flatten(result)]
    used = get_dependent_variables(tensors, results)
    used += [it for it in _read_since(graph, start) if it not in used and not _is_argument(it, tensors)]
    _check_signature(grad_fn, used)
    with graph.as_default():
        passed = identity_n([*results, *tensors, *used])
    passed[0].op.gradient = _gradient_of(grad_fn, len(results), used)
    return nest.pack_sequence_as(result, passed[: len(results)])


def _gradient_of(grad_fn: Callable[..., Any], results: int, used: list[Variable]) -> Callable[..., Any]:
    """The gradient of the operation that passes on the results, the arguments and the variables."""

    def of_inputs(op: Operation, *gradients: Any) -> list[Any]:
        if not used:
            return [None] * results + _listed(grad_fn(*gradients[:results]))
        of_arguments, of_variables = grad_fn(*gradients[:results], variables=used)
        of_variables = _listed(of_variables)
        if len(of_variables) != len(used):
            raise ValueError("Must return gradient for each variable from @custom_gradient grad_fn.")
        return [None] * results + _listed(of_arguments) + of_variables

    return of_inputs


def _listed(items: Any) -> list[Any]:
    return list(items) if isinstance(items, (list, tuple)) else nest.flatten(items)


def _check_signature(grad_fn: Callable[..., Any], used: list[Variable]) -> None:
    spec = inspect.getfullargspec(grad_fn)
    takes = "variables" in (*spec.args, *spec.kwonlyargs) or spec.varkw is not None
    if used and not takes:
        raise TypeError("If using @custom_gradient with a function that uses variables, then grad_fn must accept a "
                        "keyword argument 'variables'.")  # fmt: skip


def _variables(graph: Graph) -> list[Variable]:
    keys = (GraphKeys.GLOBAL_VARIABLES, GraphKeys.LOCAL_VARIABLES, GraphKeys.TRAINABLE_VARIABLES)
    found = dict.fromkeys(item for key in keys for item in graph.get_collection(key))
    return [item for item in found if isinstance(item, Variable)]


def _of_reads(graph: Graph, ops: Iterable[Operation]) -> list[Variable]:
    """The trainable variables that operations read or are, in the order of their creation."""
    specs = {op.attrs["variable"] for op in ops if op.type in ("VariableV2", "ReadVariable")}
    return [it for it in _variables(graph) if it.spec in specs and it.trainable]


def _read_since(graph: Graph, start: int) -> list[Variable]:
    """The resource variables that operations read which were made since the graph had `start` of them."""
    made = graph.get_operations()[start:]
    read = [op for op in made if op.type == "ReadVariable"] + [tensor.op for op in made for tensor in _snapshots(op)]
    return [it for it in _of_reads(graph, read) if isinstance(it, ResourceVariable)]


def _snapshots(op: Operation) -> list[Tensor]:
    """The own outputs of variables whose values an operation takes."""
    reads = [tensor.op for tensor in op.operands if tensor.op.type == "Identity"]
    return [tensor for read in reads for tensor in read.operands if tensor.op.type == "VariableV2"]


def _is_argument(variable: Variable, tensors: Iterable[Tensor]) -> bool:
    sources = {source for tensor in tensors for source in (tensor, *tensor.op.operands)}
    return variable._ref() in sources or any(
        op.type == "ReadVariable" and op.attrs["variable"] == variable.spec for op in (t.op for t in tensors)
    )


def get_dependent_variables(input_ops: Any, output_ops: Any) -> list[Variable]:
    """The trainable variables that a nest of outputs depends on, apart from by way of a nest of inputs.

    Operations that gradients do not go through are left out.
    """
    stops = {tensor for tensor in nest.flatten(input_ops) if isinstance(tensor, Tensor)}
    pending: list[Tensor] = [convert_to_tensor(it) for it in nest.flatten(output_ops)]
    seen: set[Operation] = set()
    while pending:
        tensor = pending.pop()
        if tensor in stops or tensor.op in seen or not (tensor.dtype.is_floating or tensor.dtype.is_complex):
            continue
        if tensor.op.definition.gradient is not not_differentiable or tensor.op.gradient is not None:
            seen.add(tensor.op)
            pending.extend(tensor.op.operands)
    return _of_reads(_graph_of(output_ops), seen)


def _graph_of(items: Any) -> Graph:
    """The graph of the first tensor in a nest, else the default graph."""
    return next((it.graph for it in nest.flatten(items) if hasattr(it, "graph")), get_default_graph())


def grad_pass_through(f: Callable[..., Any]) -> Any:
    """A function that computes what `f` does, but passes the gradient of its result on to its argument as it is.

    f: a function of tensors whose result has the shape and dtype of its argument.  Variables get no gradient.
    """

    @custom_gradient
    def passed(*args: Any, **kwargs: Any) -> tuple[Any, Callable[..., Any]]:
        def grad(*dys: Any, variables: Any = None) -> Any:
            return dys if variables is None else (dys, [None] * len(variables))

        return f(*args, **kwargs), grad

    functools.update_wrapper(passed, f)
    return passed


def recompute_grad(f: Callable[..., Any]) -> Any:
    """A function that computes what `f` does, and computes it once more for the gradient.

    So the values within `f` need no memory between the two.
    f: a function of tensors; the variables that it reads have to be resource variables, with `get_variable` of a scope
    that it can enter again.
    """

    @custom_gradient
    def computed(*args: Any, **kwargs: Any) -> tuple[Any, Callable[..., Any]]:
        def grad(*dresults: Any, variables: Any = None) -> Any:
            read = list(variables or ())
            graph = dresults[0].graph
            waited = graph.control_dependencies([it for it in dresults if it is not None])
            with waited, variable_scope(scope, reuse=AUTO_REUSE):
                inputs = [identity(arg) for arg in args]
                results = nest.flatten(f(*inputs, **kwargs))
            found = gradients(results, [*inputs, *read], grad_ys=list(dresults))
            return (found[: len(inputs)], found[len(inputs) :]) if read else found

        scope = get_variable_scope()
        return f(*args, **kwargs), grad

    functools.update_wrapper(computed, f)
    return computed
