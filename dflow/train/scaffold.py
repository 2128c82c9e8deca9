"""Scaffold: the parts of a graph that a monitored session needs: initializers, checks, summaries, a Saver.

Source: tf.train.Scaffold of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow import logging
from dflow.dtypes import string
from dflow.graph import GraphKeys, Operation, Tensor, get_default_graph
from dflow.ops.array.concat import concat
from dflow.ops.array.constants import constant
from dflow.ops.control import group, no_op
from dflow.ops.lookup.tables import tables_initializer
from dflow.ops.state.variable_lists import (
    global_variables,
    global_variables_initializer,
    local_variables_initializer,
    report_uninitialized_variables,
)
from dflow.ops.summary.merge import merge_all
from dflow.train.saver import get_saver_or_default

_FIELDS = (
    "_init_op",
    "_ready_op",
    "_ready_for_local_init_op",
    "_local_init_op",
    "_local_init_feed_dict",
    "_summary_op",
    "_saver",
    "_init_feed_dict",
)


class Scaffold:
    """The parts of a graph that a monitored session needs; those that are not given are made by `finalize`.

    init_op, init_feed_dict: initialize the global variables, if there is no checkpoint.
    init_fn: is called after `init_op` as `init_fn(scaffold, session)`.
    ready_op: a string tensor with the names of the variables without a value; empty: the model is ready.
    ready_for_local_init_op: the same for what `local_init_op` needs.
    local_init_op, local_init_feed_dict: initialize local variables and tables, in each new session.
    summary_op: the merged summaries.  saver: the Saver.
    copy_from_scaffold: gives the parts that are not given.  TypeError for what is no Scaffold.
    """

    def __init__(
        self,
        init_op: Any = None,
        init_feed_dict: Any = None,
        init_fn: Callable[[Scaffold, Any], Any] | None = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        local_init_op: Any = None,
        summary_op: Any = None,
        saver: Any = None,
        copy_from_scaffold: Scaffold | None = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        if copy_from_scaffold is not None and not isinstance(copy_from_scaffold, Scaffold):
            raise TypeError("copy_from_scaffold is not a Scaffold instance.")
        given = (
            init_op,
            ready_op,
            ready_for_local_init_op,
            local_init_op,
            local_init_feed_dict,
            summary_op,
            saver,
            init_feed_dict,
        )
        self._saver: Any = None
        for field, value in zip(_FIELDS, given, strict=True):
            setattr(self, field, value if value is not None else getattr(copy_from_scaffold, field, None))
        self._user_init_fn = init_fn
        if init_fn is None and copy_from_scaffold is not None:
            self._user_init_fn = copy_from_scaffold._user_init_fn
        user_fn = self._user_init_fn
        self._init_fn = None if user_fn is None else (lambda sess: user_fn(self, sess))

    def finalize(self) -> Scaffold:
        """Make the parts that are missing, or take them from the collections of the graph; finalize the graph.

        RuntimeError for a collection with several items.
        """
        defaults: tuple[tuple[str, str, Callable[[], Any]], ...] = (
            ("init_op", GraphKeys.INIT_OP, _default_init_op),
            ("ready_op", GraphKeys.READY_OP, lambda: default_ready_op()),
            (
                "ready_for_local_init_op",
                GraphKeys.READY_FOR_LOCAL_INIT_OP,
                lambda: default_ready_op(global_variables()),
            ),
            ("local_init_op", GraphKeys.LOCAL_INIT_OP, Scaffold.default_local_init_op),
            ("summary_op", GraphKeys.SUMMARY_OP, merge_all),
        )
        for name, key, default in defaults:
            if getattr(self, f"_{name}") is None:
                setattr(self, f"_{name}", Scaffold.get_or_default(name, key, default))
        if self._saver is None:
            self._saver = get_saver_or_default()
        self._saver.build()
        get_default_graph().finalize()
        logging.info("Graph was finalized.")
        return self

    @property
    def init_fn(self) -> Callable[[Any], Any] | None:
        """The function that initializes, of a session alone."""
        return self._init_fn

    @property
    def init_op(self) -> Any:
        return self._init_op  # type: ignore[attr-defined]

    @property
    def ready_op(self) -> Any:
        return self._ready_op  # type: ignore[attr-defined]

    @property
    def ready_for_local_init_op(self) -> Any:
        return self._ready_for_local_init_op  # type: ignore[attr-defined]

    @property
    def local_init_op(self) -> Any:
        return self._local_init_op  # type: ignore[attr-defined]

    @property
    def local_init_feed_dict(self) -> Any:
        return self._local_init_feed_dict  # type: ignore[attr-defined]

    @property
    def summary_op(self) -> Any:
        return self._summary_op  # type: ignore[attr-defined]

    @property
    def saver(self) -> Any:
        return self._saver

    @property
    def init_feed_dict(self) -> Any:
        return self._init_feed_dict  # type: ignore[attr-defined]

    @staticmethod
    def get_or_default(arg_name: str, collection_key: str, default_constructor: Callable[[], Any]) -> Any:
        """The item of a collection of the default graph; a new one, which is added to it, if it is empty.

        arg_name: the name in the RuntimeError for a collection with several items.
        """
        graph = get_default_graph()
        found = graph.get_collection(collection_key)
        if len(found) > 1:
            raise RuntimeError(
                f'More than one item in the collection "{collection_key}". Please indicate which one to use by passing '
                f"it to the tf.Scaffold constructor as:  tf.Scaffold({arg_name}=item to use)"
            )
        if found:
            return found[0]
        item = default_constructor()
        if item is not None:
            graph.add_to_collection(collection_key, item)
        return item

    @staticmethod
    def default_local_init_op() -> Operation:
        """An operation that initializes the local variables and the tables of the default graph."""
        return group(local_variables_initializer(), tables_initializer(), no_op(name="init"))


def _default_init_op() -> Operation:
    saved_model = get_default_graph().get_collection("saved_model_initializers")
    return group(global_variables_initializer(), no_op(name="init"), *saved_model)


def default_ready_op(variables: Any = None) -> Tensor:
    """The names of the variables without a value; of all variables, local ones too, by default."""
    missing = report_uninitialized_variables(variables)
    with get_default_graph().name_scope("report_uninitialized_resources"):
        no_resources = constant([], string)
    found: Tensor = concat([missing, no_resources], 0)
    return found
