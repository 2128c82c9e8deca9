"""export_meta_graph and import_meta_graph: a graph with its Saver, to and from a file.

Source: saver.export_meta_graph and import_meta_graph of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from dflow.graph import Graph, GraphKeys, get_default_graph
from dflow.train.meta_graph import (
    as_meta_graph,
    export_scoped_meta_graph,
    import_scoped_meta_graph_with_return_elements,
)
from dflow.train.saver import Saver

__all__ = ["export_meta_graph", "import_meta_graph"]

logger = logging.getLogger("dflow.train")


def export_meta_graph(
    filename: str | None = None,
    meta_info_def: Any = None,
    graph_def: Any = None,
    saver_def: Any = None,
    collection_list: Sequence[str] | None = None,
    as_text: bool = False,
    graph: Graph | None = None,
    export_scope: str | None = None,
    clear_devices: bool = False,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
    save_debug_info: bool = False,
    **kwargs: Any,
) -> Any:
    """The graph, its collections and a Saver as a MetaGraphDef; written to `filename` if it is given.

    graph_def, saver_def: of the graph and of a Saver.  meta_info_def: further facts.
    collection_list: the collections; None: all.  as_text: the file is text.
    export_scope: only this scope, with names relative to it.  clear_devices: without devices.
    clear_extraneous_savers: without the operations of other Savers.
    strip_default_attrs: without attributes that have the default of their kind.
    save_debug_info: accepted; no lines of the program are written.
    Source: tf.train.export_meta_graph.
    """
    found, _ = export_scoped_meta_graph(
        filename=filename,
        meta_info_def=meta_info_def,
        graph_def=graph_def,
        saver_def=saver_def,
        collection_list=collection_list,
        as_text=as_text,
        graph=graph,
        export_scope=export_scope,
        clear_devices=clear_devices,
        clear_extraneous_savers=clear_extraneous_savers,
        strip_default_attrs=strip_default_attrs,
        **kwargs,
    )
    return found


def import_meta_graph(
    meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None, **kwargs: Any
) -> Saver | None:
    """Bring a MetaGraphDef, or the one in a file, into the default graph; gives its Saver.

    clear_devices: without the devices of its operations; import_scope: a scope for all that is brought in.
    kwargs: further arguments of `import_scoped_meta_graph`, such as `graph` and `input_map`.
    Without a Saver in it, gives a new one for all variables of the graph; None if there are none.
    IOError for a file that is missing, or holds something else.
    Source: tf.train.import_meta_graph.
    """
    saver, _ = import_with_return_elements(meta_graph_or_file, clear_devices, import_scope, **kwargs)
    return saver


def import_with_return_elements(
    meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None, **kwargs: Any
) -> tuple[Saver | None, Any]:
    """The same, with the operations and tensors that `return_elements` names."""
    meta_graph_def = as_meta_graph(meta_graph_or_file)
    variables, elements = import_scoped_meta_graph_with_return_elements(
        meta_graph_def, clear_devices=clear_devices, import_scope=import_scope, **kwargs
    )
    graph = kwargs.get("graph") or get_default_graph()
    with graph.as_default():
        return _saver(meta_graph_def, import_scope, variables, graph), elements


def _saver(meta_graph_def: Any, import_scope: str | None, variables: dict[str, Any], graph: Graph) -> Saver | None:
    if meta_graph_def.HasField("saver_def"):
        scope = import_scope
        for name, variable in variables.items():  # under a block of the program, the scope is a longer one
            scope = variable.name.removesuffix(name).removesuffix("/")
            break
        return Saver(saver_def=meta_graph_def.saver_def, name=scope or None)
    saved = (GraphKeys.GLOBAL_VARIABLES, GraphKeys.SAVEABLE_OBJECTS)
    if any(graph.get_collection(key, import_scope) for key in saved):
        return Saver()
    logger.info("Saver not created because there are no variables in the graph to restore")
    return None
