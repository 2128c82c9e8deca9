"""Functions that share their variables between calls: `make_template`.

    def line(x):
        return x * df.get_variable("w", []) + df.get_variable("b", [])

    line = df.make_template("line", line)
    train, test = line(a), line(b)  # of the same variables

Source: tf.make_template of TensorFlow 1.15.
"""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable
from typing import Any

from dflow.graph import GraphKeys, get_default_graph
from dflow.ops.state.variable_scope import VariableScope, variable_scope

__all__ = ["Template", "make_template"]

_log = logging.getLogger("tensorflow")


def make_template(
    name_: str,
    func_: Callable[..., Any],
    create_scope_now_: bool = False,
    unique_name_: str | None = None,
    custom_getter_: Any = None,
    **kwargs: Any,
) -> Template:
    """A function that makes its variables when it is first called, and finds them when it is called again.

    func_: uses `get_variable`; kwargs: arguments that it gets in each call.
    name_: of the scope of the variables, with _1, _2, ... if it is taken.  unique_name_: the exact name instead.
    create_scope_now_: the scope is in that of this call, else in that of the first call of the template.
    custom_getter_: of the scope.
    ValueError for the name None; and in a later call, if that makes a new trainable variable.
    """
    if kwargs:
        func_ = functools.partial(func_, **kwargs)
    return Template(name_, func_, create_scope_now_, unique_name_, custom_getter_)


class Template:
    """A function with variables of its own; see `make_template`."""

    def __init__(
        self,
        name: str,
        func: Callable[..., Any],
        create_scope_now: bool = False,
        unique_name: str | None = None,
        custom_getter: Any = None,
    ) -> None:
        if name is None:
            raise ValueError("name cannot be None.")
        self._name = name
        self._func = func
        self._unique_name = unique_name
        self._custom_getter = custom_getter
        self._made_at = traceback.format_stack()[:-2]
        self._variables_created = False
        self._scope: VariableScope | None = None
        if create_scope_now:
            with self._new_scope(auxiliary_name_scope=False) as self._scope:
                pass

    def _new_scope(self, **options: Any) -> Any:
        return variable_scope(self._unique_name, self._name, custom_getter=self._custom_getter, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._scope is not None:
            with variable_scope(self._scope, reuse=self._variables_created):
                return self._checked_call(args, kwargs)
        with self._new_scope() as self._scope:
            return self._checked_call(args, kwargs)

    def _checked_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function; later calls must not make trainable variables."""
        graph = get_default_graph()
        trainable = graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)
        variables = graph.get_collection(GraphKeys.GLOBAL_VARIABLES)
        try:
            result = self._func(*args, **kwargs)
            if self._variables_created:
                self._check_new(
                    graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)[len(trainable) :],
                    graph.get_collection(GraphKeys.GLOBAL_VARIABLES)[len(variables) :],
                )
            self._variables_created = True
            return result
        except Exception as error:
            self._add_origin(error)
            raise

    @staticmethod
    def _check_new(trainable: list[Any], variables: list[Any]) -> None:
        advice = "perhaps you used tf.Variable when you meant tf.get_variable"
        if trainable:
            raise ValueError(
                f"Trainable variable created when calling a template after the first time, {advice}: {trainable}"
            )
        if variables:
            _log.info("New variables created when calling a template after the first time, %s: %s", advice, variables)

    def _add_origin(self, error: Exception) -> None:
        """Add the place where the template was made to the text of an error."""
        first, *rest = error.args or ("",)
        trace = "".join(_skip_common_stack_elements(self._made_at, traceback.format_stack()))
        error.args = (f"{first}\n\noriginally defined at:\n{trace}", *rest)

    # -- what it is

    @property
    def name(self) -> str:
        """The name that it was made with."""
        return self._name

    @property
    def func(self) -> Callable[..., Any]:
        """The function."""
        return self._func

    @property
    def variable_scope(self) -> VariableScope | None:
        """The scope of its variables; None before it is made."""
        return self._scope

    @property
    def var_scope(self) -> VariableScope | None:
        """The old name of `variable_scope`."""
        return self._scope

    @property
    def variable_scope_name(self) -> str | None:
        """The name of the scope of its variables; None before it is made."""
        return None if self._scope is None else self._scope.name

    # -- its variables

    @property
    def variables(self) -> list[Any]:
        """Its global and local variables."""
        return self.global_variables + self.local_variables

    @property
    def trainable_variables(self) -> list[Any]:
        """Its variables that are trained."""
        return self._members(GraphKeys.TRAINABLE_VARIABLES)

    @property
    def non_trainable_variables(self) -> list[Any]:
        """Its variables that are not trained."""
        trained = set(self.trainable_variables)
        return [variable for variable in self.variables if variable not in trained]

    @property
    def global_variables(self) -> list[Any]:
        """Its global variables."""
        return self._members(GraphKeys.GLOBAL_VARIABLES)

    @property
    def local_variables(self) -> list[Any]:
        """Its local variables."""
        return self._members(GraphKeys.LOCAL_VARIABLES)

    @property
    def weights(self) -> list[Any]:
        """The same as `variables`."""
        return self.variables

    @property
    def trainable_weights(self) -> list[Any]:
        """The same as `trainable_variables`."""
        return self.trainable_variables

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The same as `non_trainable_variables`."""
        return self.non_trainable_variables

    def _members(self, collection: str) -> list[Any]:
        if self._scope is None:
            return []
        return get_default_graph().get_collection(collection, f"{self._scope.name}/")


def _skip_common_stack_elements(stacktrace: list[str], base_case: list[str]) -> list[str]:
    """The calls of a stack from the first one on that another stack does not have; at least the last."""
    for i, (call, base) in enumerate(zip(stacktrace, base_case, strict=False)):
        if call != base:
            return stacktrace[i:]
    return stacktrace[-1:]
