"""A graph, or a scope of it, with its collections as a MetaGraphDef: written, read, and brought into another graph.

Source: meta_graph of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dflow.dtypes import DType
from dflow.graph import Graph, GraphKeys, get_default_graph
from dflow.graph_import import import_graph_def
from dflow.graph_proto import MetaGraphDef, OpDef, OpList
from dflow.node_reading import value_of
from dflow.ops.state.variable_proto import VariableDef
from dflow.signatures import REQUIRED, signature_of
from dflow.train.collections import UNBOUND, add_collection_def, add_items, is_in_scope
from dflow.train.graph_files import read_meta_graph_file, write_message

UNBOUND_PREFIX = "$unbound_inputs_"
_VERSION, _GIT_VERSION = "1.15.0", "dflow"  # TensorFlow's, whose graphs these are


# -- export


def export_scoped_meta_graph(
    filename: str | None = None,
    graph_def: Any = None,
    graph: Graph | None = None,
    export_scope: str | None = None,
    as_text: bool = False,
    unbound_inputs_col_name: str | None = UNBOUND,
    clear_devices: bool = False,
    saver_def: Any = None,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
    save_debug_info: bool = False,
    meta_info_def: Any = None,
    collection_list: Sequence[str] | None = None,
) -> tuple[Any, dict[str, Any]]:
    """The MetaGraphDef of a scope of the graph, with names relative to it; and its variables, by these names.

    filename: a file to write it to, as_text: as text.  graph_def: that of the graph.  export_scope: None: all.
    unbound_inputs_col_name: the collection, of the graph too, with the names of inputs from outside of the scope.
    saver_def: of a Saver.  clear_extraneous_savers: without the operations of other Savers.
    clear_devices: without devices.  meta_info_def: further facts.  collection_list: the collections; None: all.
    strip_default_attrs: without attributes that have the default of their kind.
    save_debug_info: accepted; no lines of the program are written.
    """
    graph = graph or get_default_graph()
    left_out = _other_savers(graph, saver_def) if clear_extraneous_savers else set()
    whole = graph_def if graph_def is not None else graph.as_graph_def(add_shapes=True)
    made = MetaGraphDef()
    made.graph_def.versions.CopyFrom(whole.versions)
    made.graph_def.library.CopyFrom(whole.library)
    unbound = dict[str, None]()
    for node in whole.node:
        if is_in_scope(node.name, export_scope, left_out):
            copied = made.graph_def.node.add()
            copied.CopyFrom(node)
            if export_scope:
                unbound.update(dict.fromkeys(_make_relative(copied, export_scope)))
            if clear_devices:
                copied.device = ""
    if unbound_inputs_col_name and (export_scope or clear_extraneous_savers or clear_devices):
        graph.get_collection_ref(unbound_inputs_col_name)[:] = list(unbound)
    if strip_default_attrs:
        _strip_defaults(made.graph_def.node)
    _fill_info(made, meta_info_def, strip_default_attrs)
    if saver_def is not None:
        made.saver_def.MergeFrom(saver_def)
    for key in graph.get_all_collection_keys() if collection_list is None else collection_list:
        items = None
        if clear_extraneous_savers and key == GraphKeys.SAVERS:
            items = [saver for saver in graph.get_collection(key) if saver.saver_def == saver_def]
        add_collection_def(made, key, graph, export_scope, left_out, items)
    if filename:
        write_message(made, filename, as_text)
    return made, _variables_in(graph, export_scope)


def create_meta_graph_def(
    meta_info_def: Any = None,
    graph_def: Any = None,
    saver_def: Any = None,
    collection_list: Sequence[str] | None = None,
    graph: Graph | None = None,
    export_scope: str | None = None,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
) -> Any:
    """The MetaGraphDef of a graph; see `export_scoped_meta_graph`.  TypeError for what is no graph."""
    if graph is not None and not isinstance(graph, Graph):
        raise TypeError(f"graph must be of type Graph, not {type(graph)}")
    return export_scoped_meta_graph(
        meta_info_def=meta_info_def,
        graph_def=graph_def,
        saver_def=saver_def,
        collection_list=collection_list,
        graph=graph,
        export_scope=export_scope,
        clear_extraneous_savers=clear_extraneous_savers,
        strip_default_attrs=strip_default_attrs,
    )[0]


_OF_DTYPES = {  # the defaults of attributes that are the dtypes of inputs
    "Complex": {"T": "float32"},
    **{kind: {"T": "complex64"} for kind in ("Real", "Imag", "Angle", "ComplexAbs")},
}


def _strip_defaults(nodes: Iterable[Any]) -> None:
    """Remove the attributes of nodes that have the defaults of their kinds."""
    for node in nodes:
        signature = signature_of(node.op)
        defaults = {**(signature.attrs if signature is not None else {}), **_OF_DTYPES.get(node.op, {})}
        for name, default in defaults.items():
            if default is not REQUIRED and name in node.attr and _is_default(value_of(node.attr[name]), default):
                del node.attr[name]


def _is_default(value: Any, default: Any) -> bool:
    if isinstance(value, DType):
        return bool(value.name == default)
    if isinstance(value, tuple):
        return isinstance(default, list) and list(value) == default
    return type(value) is type(default) and bool(value == default)


def _fill_info(made: Any, meta_info_def: Any, strip_default_attrs: bool) -> None:
    if meta_info_def is not None:
        made.meta_info_def.MergeFrom(meta_info_def)
    info = made.meta_info_def
    info.tensorflow_version, info.tensorflow_git_version = _VERSION, _GIT_VERSION
    info.stripped_default_attrs = strip_default_attrs
    info.stripped_op_list.MergeFrom(stripped_op_list_for_graph(made.graph_def))


def stripped_op_list_for_graph(graph_def: Any) -> Any:
    """The names of the kinds of operations of a graph, and of the functions that it uses, as an OpList."""
    functions = {function.signature.name: function for function in graph_def.library.function}
    kinds, waiting = set[str](), [node.op for node in graph_def.node]
    while waiting:
        kind = waiting.pop()
        if kind not in kinds:
            kinds.add(kind)
            waiting += [node.op for node in functions[kind].node_def] if kind in functions else []
    return OpList(op=[OpDef(name=kind) for kind in sorted(kinds - functions.keys())])


def _make_relative(node: Any, scope: str) -> list[str]:
    """Make the names of a node relative to a scope; gives the new names of the inputs from outside."""
    unbound, prefix = [], f"{scope}/"
    node.name = node.name.removeprefix(prefix)
    for place, text in enumerate(node.input):
        mark, name = ("^", text[1:]) if text.startswith("^") else ("", text)
        if name.startswith(prefix):
            node.input[place] = mark + name.removeprefix(prefix)
        else:
            node.input[place] = f"{mark}{UNBOUND_PREFIX}{name}"
            unbound.append(node.input[place])
    if "_class" in node.attr:
        groups = [text.decode().removeprefix("loc:@") for text in node.attr["_class"].list.s]
        inside = [f"loc:@{it.removeprefix(prefix)}".encode() for it in groups if it.startswith(prefix)]
        node.attr["_class"].list.s[:] = inside
        if not inside:
            del node.attr["_class"]
    if node.op in ("Enter", "RefEnter") and "frame_name" in node.attr:
        node.attr["frame_name"].s = node.attr["frame_name"].s.decode().removeprefix(prefix).encode()
    return unbound


def _other_savers(graph: Graph, kept: Any) -> set[str]:
    """The scopes of the Savers of a graph other than one."""
    scopes = {_scope_of(saver.saver_def) for saver in graph.get_collection(GraphKeys.SAVERS)}
    return scopes - ({_scope_of(kept)} if kept is not None else set()) - {""}


def _scope_of(saver_def: Any) -> str:
    scope: str = saver_def.filename_tensor_name.rpartition("/")[0]
    return scope


def _variables_in(graph: Graph, scope: str | None) -> dict[str, Any]:
    """The variables of a scope, by their names in it."""
    prefix = f"{scope}/" if scope else ""
    found = graph.get_collection(GraphKeys.GLOBAL_VARIABLES)
    return {it.name.removeprefix(prefix): it for it in found if it.name.startswith(prefix)}


# -- import


def import_scoped_meta_graph(
    meta_graph_or_file: Any,
    clear_devices: bool = False,
    graph: Graph | None = None,
    import_scope: str | None = None,
    input_map: dict[str, Any] | None = None,
    unbound_inputs_col_name: str | None = UNBOUND,
    restore_collections_predicate: Callable[[str], bool] = lambda key: True,
) -> dict[str, Any]:
    """Bring a MetaGraphDef, or the one in a file, into a graph; gives its variables, by their names there.

    clear_devices: without the devices of its operations.  graph: by default the default graph.
    import_scope: a scope for all that is brought in.  input_map: as for `import_graph_def`; all the inputs in the
    collection `unbound_inputs_col_name` must be in it.  restore_collections_predicate: which collections to add.
    ValueError for inputs that are left open; IOError for a file that is missing or holds something else.
    """
    found, _ = import_scoped_meta_graph_with_return_elements(
        meta_graph_or_file,
        clear_devices,
        graph,
        import_scope,
        input_map,
        unbound_inputs_col_name,
        restore_collections_predicate,
    )
    return found


def import_scoped_meta_graph_with_return_elements(
    meta_graph_or_file: Any,
    clear_devices: bool = False,
    graph: Graph | None = None,
    import_scope: str | None = None,
    input_map: dict[str, Any] | None = None,
    unbound_inputs_col_name: str | None = UNBOUND,
    restore_collections_predicate: Callable[[str], bool] = lambda key: True,
    return_elements: Iterable[str] | None = None,
) -> tuple[dict[str, Any], Any]:
    """The same, with the operations and tensors of these names in the MetaGraphDef."""
    meta_graph_def = as_meta_graph(meta_graph_or_file)
    if unbound_inputs_col_name in meta_graph_def.collection_def:
        names = [it.decode() for it in meta_graph_def.collection_def[unbound_inputs_col_name].bytes_list.value]
        if names and (not input_map or sorted(names) != sorted(input_map)):
            missing = ",".join(name for name in names if name not in (input_map or ()))
            raise ValueError(f"Graph contains unbound inputs: {missing}. Must provide these inputs through input_map.")
    graph = graph or get_default_graph()
    with graph.as_default():
        graph_def = meta_graph_def.graph_def
        _mark_variables(graph_def, meta_graph_def.collection_def)
        if clear_devices:
            for node in graph_def.node:
                node.device = ""
        scope = graph.unique_name(import_scope or "", mark_as_used=False).removesuffix("/")  # the block that follows
        name = import_scope or (f"{scope}/" if scope else "")
        found = import_graph_def(graph_def, input_map, return_elements, name=name)
        for key, collection in _in_order(meta_graph_def.collection_def):
            if key != unbound_inputs_col_name and restore_collections_predicate(key):
                add_items(graph, key, collection, scope)
        return _variables_in(graph, scope), found


def _mark_variables(graph_def: Any, collections: Any) -> None:
    """Note at the nodes of variables what their messages say: which are local, and which are not trainable."""
    nodes = {node.name: node for node in graph_def.node}
    for key in (GraphKeys.GLOBAL_VARIABLES, GraphKeys.LOCAL_VARIABLES):
        for value in collections[key].bytes_list.value if key in collections else ():
            variable = VariableDef.FromString(value)
            node = nodes.get(variable.variable_name.partition(":")[0])
            if node is not None and not variable.trainable:
                node.attr["_trainable"].b = False
            if node is not None and key == GraphKeys.LOCAL_VARIABLES:
                node.attr["_local"].b = True


def _in_order(collections: Any) -> list[tuple[str, Any]]:
    """The collections by name, but the trainable variables first: they say which variables these are."""
    return sorted(collections.items(), key=lambda it: (it[0] != GraphKeys.TRAINABLE_VARIABLES, it[0]))


def as_meta_graph(meta_graph_or_file: Any) -> Any:
    """A new MetaGraphDef like the given one, or the one in a file."""
    if isinstance(meta_graph_or_file, MetaGraphDef):
        return MetaGraphDef.FromString(meta_graph_or_file.SerializeToString())
    if getattr(getattr(meta_graph_or_file, "DESCRIPTOR", None), "name", "") == "MetaGraphDef":
        return MetaGraphDef.FromString(meta_graph_or_file.SerializeToString())
    return read_meta_graph_file(meta_graph_or_file)
