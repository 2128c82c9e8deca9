"""import_graph_def: the operations of a GraphDef, which dflow or TensorFlow wrote, in a graph of dflow.

A node becomes an operation of its kind, with its inputs in dflow's order and with the attributes that
`node_reading.py` finds.  `_FORMS` has the kinds that TensorFlow writes in another form.
Source: tf.import_graph_def of TensorFlow 1.15.
"""

from __future__ import annotations

import heapq
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from dflow.graph import DeviceOf, Graph, Operation, Tensor, convert_to_tensor, get_default_graph
from dflow.graph_defs import handle_names
from dflow.graph_proto import GRAPH_DEF_VERSION, GRAPH_DEF_VERSION_MIN_PRODUCER, GraphDef
from dflow.node_attrs import INPUT_ORDER, OWN, RULES, STATE
from dflow.node_reading import attrs_of, value_of
from dflow.node_rules import DtypeOf, FromAttr
from dflow.ops.array.strided_slice import Masks
from dflow.ops.rules.static import constant_value, known_value
from dflow.registry import OPS, READERS, OpDef
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec
from dflow.tensor_proto import DATA_TYPES, NAMES

__all__ = ["import_graph_def", "operation_of"]

Output = tuple[str, int]  # the name of a node, and which of its outputs; -1: the node itself, as a control input


def import_graph_def(
    graph_def: Any,
    input_map: Mapping[Any, Any] | None = None,
    return_elements: Iterable[Any] | None = None,
    name: str | None = None,
    op_dict: None = None,
    producer_op_list: Any = None,
) -> list[Any] | None:
    """Add the operations of a GraphDef to the default graph, under the scope `name`, "import" by default.

    input_map: names of tensors in the GraphDef ("x:0", "^op") -> the tensors or operations of this graph to take in
    their place.  return_elements: the names of operations and tensors to give, as a list.
    op_dict, producer_op_list: accepted; attributes that dflow does not know are ignored.

    TypeError for arguments of other types; ValueError for names that the GraphDef does not have, kinds of operations
    that dflow does not have, wrong inputs, and a version that is not supported.
    """
    graph_def = _checked_graph_def(graph_def)
    mapped = _checked_map(input_map)
    wanted = _checked_elements(return_elements)
    graph = get_default_graph()
    with graph.name_scope("import" if name is None else name) as scope:
        sources = _as_tensors(mapped, name, graph)
        work = _Import(graph, graph_def, sources, scope.removesuffix("/"))
        work.run()
    _merge_versions(graph, graph_def.versions)
    return None if wanted is None else [work.element(text) for text in wanted]


# -- arguments


def _checked_graph_def(graph_def: Any) -> Any:
    if not isinstance(graph_def, GraphDef):
        if getattr(getattr(graph_def, "DESCRIPTOR", None), "name", "") != "GraphDef":
            raise TypeError("graph_def must be a GraphDef proto.")
        graph_def = GraphDef.FromString(graph_def.SerializeToString())
    versions = graph_def.versions
    supported = f"supported by TensorFlow {_VERSION}"
    if versions.producer < GRAPH_DEF_VERSION_MIN_PRODUCER:
        raise ValueError(
            f"GraphDef producer version {versions.producer} below min producer {GRAPH_DEF_VERSION_MIN_PRODUCER} "
            f"{supported}.  Please regenerate your graph."
        )
    if versions.min_consumer > GRAPH_DEF_VERSION:
        raise ValueError(
            f"GraphDef min consumer version {versions.min_consumer} above current version {GRAPH_DEF_VERSION} for "
            f"TensorFlow {_VERSION}.  Please upgrade TensorFlow."
        )
    if GRAPH_DEF_VERSION in versions.bad_consumers:
        raise ValueError(
            f"GraphDef disallows consumer version {GRAPH_DEF_VERSION}.  Please upgrade TensorFlow: this version is "
            "likely buggy."
        )
    return graph_def


_VERSION = "1.15.0"  # the version of TensorFlow whose graphs are read


def _checked_map(input_map: Any) -> dict[str, Any]:
    if input_map is None:
        return {}
    if not isinstance(input_map, Mapping) or not all(isinstance(key, (str, bytes)) for key in input_map):
        raise TypeError("input_map must be a dictionary mapping strings to Tensor objects.")
    return {_text(key): value for key, value in input_map.items()}


def _checked_elements(return_elements: Any) -> list[str] | None:
    if return_elements is None:
        return None
    elements = list(return_elements)
    if not all(isinstance(it, (str, bytes)) for it in elements):
        raise TypeError("return_elements must be a list of strings.")
    for text in map(_text, elements):
        if ":" in text and not re.fullmatch(r"[^:]*:\d+", text):
            raise ValueError(f"Cannot convert {text!r} to a tensor name.")
    return [_text(it) for it in elements]


def _as_tensors(mapped: dict[str, Any], name: str | None, graph: Graph) -> dict[Output, Any]:
    """What to take in the place of the outputs of nodes."""
    if not all(isinstance(value, (Tensor, Operation)) for value in mapped.values()):
        if name == "":
            raise ValueError(
                "tf.import_graph_def() requires a non-empty `name` if `input_map` contains non-Tensor values. Try "
                "calling tf.convert_to_tensor() on `input_map` values before calling tf.import_graph_def()."
            )
        with graph.name_scope("_inputs"):
            mapped = {
                key: value if isinstance(value, (Tensor, Operation)) else convert_to_tensor(value)
                for key, value in mapped.items()
            }
    return {_output(key): value for key, value in mapped.items()}


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _output(text: str) -> Output:
    if text.startswith("^"):
        return text[1:], -1
    name, _, index = text.partition(":")
    return name, int(index) if index.isdigit() else 0 if not index else -2


def _written(output: Output) -> str:
    return f"^{output[0]}" if output[1] < 0 else f"{output[0]}:{output[1]}"


def _merge_versions(graph: Graph, imported: Any) -> None:
    versions = graph.graph_def_versions
    versions.producer = min(versions.producer, imported.producer)
    versions.min_consumer = max(versions.min_consumer, imported.min_consumer)
    versions.bad_consumers.extend(set(imported.bad_consumers) - set(versions.bad_consumers))


# -- the work


class _Import:
    """One import: its nodes, and the operations that are made of them."""

    def __init__(self, graph: Graph, graph_def: Any, sources: dict[Output, Any], prefix: str) -> None:
        self._graph = graph
        self._nodes: dict[str, Any] = {}
        for node in graph_def.node:
            if node.name in self._nodes:
                raise ValueError(f"Node '{node.name}' is not unique")
            self._nodes[node.name] = node
        self._sources = sources
        self._used: set[Output] = set()
        self._prefix = prefix
        self._producer = graph_def.versions.producer
        self._ops: dict[str, Operation] = {}  # node -> its operation
        self._taken = {name for op in graph.get_operations() for name in _with_scopes(op.name)}
        self._late: list[tuple[Operation, int, Output]] = []  # inputs that are made later: those of loops
        self._places = {name: place for place, name in enumerate(self._nodes)}
        self._joining: list[tuple[Operation, str]] = []  # operations beside a node that comes after them

    def run(self) -> None:
        for node in self._in_order():
            self._ops[node.name] = self._make(node)
        for op, place, output in self._late:
            op._update_input(place, self._tensor(op.name, output))
        for op, group in self._joining:
            self._join(op, self._ops[group])
        unknown = [output for output in self._sources if output not in self._used and not self._has(output)]
        if unknown:
            names = ", ".join(map(_written, unknown))
            raise ValueError(f"Attempted to map inputs that were not found in graph_def: [{names}]")

    def _has(self, output: Output) -> bool:
        op = self._ops.get(output[0])
        return op is not None and output[1] < len(op.outputs)

    def element(self, text: str) -> Tensor | Operation:
        """The operation or the tensor of a name in the GraphDef."""
        name, colon, index = text.partition(":")
        op = self._ops.get(name)
        if not colon:
            if op is None:
                raise ValueError(f"Requested return node '{name}' not found in graph def")
            return op
        source = self._sources.get((name, int(index)))
        if source is not None:
            return source  # type: ignore[no-any-return]
        if op is None:
            raise ValueError(f"Requested return tensor '{text}' not found in graph def")
        if int(index) >= len(op.outputs):
            raise ValueError(f"Invalid return output {index} of node '{name}', which has {len(op.outputs)} output(s)")
        return op.outputs[int(index)]

    # -- order

    def _in_order(self) -> Iterable[Any]:
        """The nodes, each after those that it needs, else in their order."""
        places = self._places
        needs = {name: self._needs(node) for name, node in self._nodes.items()}
        users: dict[str, list[str]] = {}
        for name, needed in needs.items():
            for it in needed:
                users.setdefault(it, []).append(name)
        open_needs = {name: len(needed) for name, needed in needs.items()}
        ready = [places[name] for name, count in open_needs.items() if count == 0]
        heapq.heapify(ready)
        names, ordered = list(self._nodes), []
        while ready:
            name = names[heapq.heappop(ready)]
            ordered.append(self._nodes[name])
            for user in users.get(name, ()):
                open_needs[user] -= 1
                if open_needs[user] == 0:
                    heapq.heappush(ready, places[user])
        if len(ordered) < len(self._nodes):
            rest = sorted(name for name, count in open_needs.items() if count)
            raise ValueError(f"the GraphDef has a cycle that is no loop: {', '.join(rest[:5])}")
        return ordered

    def _needs(self, node: Any) -> set[str]:
        """The nodes that have to be there before an operation is made."""
        needed = set()
        for text in node.input:
            output = _output(text)
            if output in self._sources:
                continue
            source = self._nodes.get(output[0])
            if source is None or output[1] < -1:
                raise ValueError(f"Node '{node.name}': Unknown input node '{text}'")
            if not self._closes_loop(node, source):
                needed.add(output[0])
        before = self._places[node.name]
        return needed | {group for group in _groups(node) if self._places.get(group, before) < before}

    @staticmethod
    def _closes_loop(node: Any, source: Any) -> bool:
        return node.op in ("Merge", "RefMerge") and source.op in ("NextIteration", "RefNextIteration")

    # -- operations

    def _make(self, node: Any) -> Operation:
        graph, name = self._graph, self._unique(node.name)
        definition = _definition(node)
        tensors, late = self._inputs(node)
        controls = [self._control(text) for text in node.input if text.startswith("^")]
        kind, operands, attrs = _form(node, definition, name, tensors)
        if kind == "Placeholder" and self._producer < 24 and attrs["shape"].ndims == 0:
            attrs["shape"] = TensorShape(None)  # what no shape was in old graphs
        colocated = self._beside(node, attrs)
        with (
            graph.colocate_with(colocated) if colocated is not None else nullcontext(),
            graph.device(node.device) if node.device else nullcontext(),
        ):
            graph.take_name(name)
            op = graph.create_op(kind, operands, attrs, f"{name}/", controls)
        op.by_handle = not _groups(node)
        if "_gradient_op_type" in node.attr:
            op.gradient = node.attr["_gradient_op_type"].s.decode()
        if colocated is None:
            self._joining += [(op, group) for group in _groups(node) if group != node.name]
        for place, output in late:
            self._late.append((op, place, output))
        self._set_shapes(op, node)
        return op

    def _unique(self, name: str) -> str:
        """The name of an operation, with _1, _2, ... if an operation, or a scope of one, had it before the import."""
        candidate, number = name, 0
        while self._full(candidate) in self._taken or (number and candidate in self._nodes):
            number += 1
            candidate = f"{name}_{number}"
        full = self._full(candidate)
        if number:
            self._taken.add(full)
        return full

    def _full(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _inputs(self, node: Any) -> tuple[list[Tensor], list[tuple[int, Output]]]:
        """The tensors that a node takes; for one that is made later, another one of the node, and its place."""
        tensors: list[Tensor | None] = []
        late = []
        for text in node.input:
            output = _output(text)
            if output[1] == -1:
                continue
            if output not in self._sources and output[0] not in self._ops:
                late.append((len(tensors), output))
                tensors.append(None)
            else:
                tensors.append(self._tensor(node.name, output))
        there = next((tensor for tensor in tensors if tensor is not None), None)
        if there is None and tensors:
            raise ValueError(f"Node '{node.name}': no input is there before it")
        return [there if tensor is None else tensor for tensor in tensors], late  # type: ignore[misc]

    def _tensor(self, user: str, output: Output) -> Tensor:
        source = self._sources.get(output)
        if source is not None:
            self._used.add(output)
            if not isinstance(source, Tensor):
                raise ValueError(f"Node '{user}': {_written(output)} is mapped to {source!r}, which is no tensor")
            return source
        op = self._ops[output[0]]
        if output[1] >= len(op.outputs):
            raise ValueError(
                f"Node '{user}': Connecting to invalid output {output[1]} of source node {output[0]} which has "
                f"{len(op.outputs)} outputs"
            )
        return op.outputs[output[1]]

    def _control(self, text: str) -> Operation:
        output = _output(text)
        source = self._sources.get(output)
        if source is None:
            return self._ops[output[0]]
        self._used.add(output)
        return source.op if isinstance(source, Tensor) else source

    def _beside(self, node: Any, attrs: Mapping[str, Any]) -> Operation | None:
        """The operation whose device an operation takes: that of the state it works on, or of its group."""
        for handle in self._graph.handles_of(dict(attrs)):
            return handle.op
        for group in _groups(node):
            if group == node.name:
                continue
            if group not in self._nodes:
                raise ValueError(f"Node '{node.name}' expects to be colocated with unknown node '{group}'")
            return self._ops.get(group)
        return None

    @staticmethod
    def _join(op: Operation, beside: Operation) -> None:
        """Put an operation on the device of one that was made after it, as the initial value of a variable is."""
        if beside.colocation_root() is not op:
            op.colocated_with, op.device = beside, beside.device

    @staticmethod
    def _set_shapes(op: Operation, node: Any) -> None:
        """Add what is known of the shapes: from constant inputs, and from `_output_shapes`."""
        _set_known_shapes(op)
        if "_output_shapes" in node.attr and op.definition.kind != "Barrier":
            for output, shape in zip(op.outputs, value_of(node.attr["_output_shapes"]), strict=False):
                output.set_shape(shape)


def operation_of(node: Any, tensors: list[Tensor]) -> Operation:
    """Add the operation that a node describes to the default graph: with these inputs, in TensorFlow's order.

    Of the node, the kind, the attributes and the name count.  Errors: as `import_graph_def`.
    """
    graph, definition = get_default_graph(), _definition(node)
    kind, operands, attrs = _form(node, definition, node.name.removesuffix("/"), tensors)
    handle = next(iter(graph.handles_of(attrs)), None)
    with graph.colocate_with(handle.op) if handle is not None else nullcontext():
        op = graph.create_op(kind, operands, attrs, node.name)
    _set_known_shapes(op)
    return op


def _form(node: Any, definition: OpDef, name: str, tensors: list[Tensor]) -> tuple[str, list[Tensor], dict[str, Any]]:
    """The kind, the operands and the attributes of the operation."""
    handles, operands = _split_handles(definition, _reordered(definition.kind, tensors))
    form = _FORMS.get(node.op) if definition.kind != node.op or node.op in _OTHER_INPUTS else None
    if form is not None and OWN not in node.attr:
        operands, attrs = form(node, operands)
        attrs |= handles
    else:
        _check_dtypes(node, definition, name, tensors, operands)
        attrs = {**handles, **attrs_of(node, definition, name)}
    _check_count(node, definition, operands)
    for missing in _missing(definition, attrs, len(operands)):
        attrs[missing] = None
    return definition.kind, operands, attrs


def _set_known_shapes(op: Operation) -> None:
    """Add what constant inputs say of the shapes."""
    for output, shape in zip(op.outputs, _shapes_by_constants(op), strict=False):
        output.set_shape(shape)


def _groups(node: Any) -> list[str]:
    """The nodes that a node is colocated with."""
    if "_class" not in node.attr:
        return []
    names = [text.decode() for text in node.attr["_class"].list.s]
    return [name.removeprefix("loc:@") for name in names if name.startswith("loc:@")]


def _with_scopes(name: str) -> list[str]:
    """The name of an operation, and the scopes that it is in."""
    parts = name.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]


# -- kinds

_SAME = {  # kinds of TensorFlow that are those of dflow by another name
    "AddV2": "Add",
    "AssignAddVariableOp": "AssignAdd",
    "AssignSubVariableOp": "AssignSub",
    "AssignVariableOp": "Assign",
    "BatchMatMul": "MatMul",
    "BatchMatMulV2": "MatMul",
    "Concat": "ConcatV2",
    "FIFOQueue": "FIFOQueueV2",
    "FusedBatchNorm": "FusedBatchNormV3",
    "FusedBatchNormV2": "FusedBatchNormV3",
    "Inv": "Reciprocal",
    "PadV2": "Pad",
    "PaddingFIFOQueue": "PaddingFIFOQueueV2",
    "PyFuncStateless": "PyFunc",
    "RandomShuffleQueue": "RandomShuffleQueueV2",
    "ReadVariableOp": "ReadVariable",
    "VarHandleOp": "VariableV2",
    "VarIsInitializedOp": "IsVariableInitialized",
    "Variable": "VariableV2",
}


def _definition(node: Any) -> OpDef:
    kind = node.op if node.op in OPS else _SAME.get(node.op, node.op)
    if kind not in OPS and node.op.removesuffix("V2") in READERS:
        kind = "Reader"
    definition = OPS.get(kind)
    if definition is None:
        raise ValueError(
            f"Op type not registered '{node.op}' (node '{node.name}'): dflow does not have this kind of operation; "
            "df.define adds it"
        )
    return definition


def _reordered(kind: str, tensors: list[Tensor]) -> list[Tensor]:
    """The inputs in dflow's order."""
    order = INPUT_ORDER.get(kind, ())
    if len(order) != len(tensors):
        return tensors
    found = list(tensors)
    for place, tensor in zip(order, tensors, strict=True):
        found[place] = tensor
    return found


def _split_handles(definition: OpDef, tensors: list[Tensor]) -> tuple[dict[str, Any], list[Tensor]]:
    """The state that an operation works on, as attributes, and its operands."""
    attrs: dict[str, Any] = {}
    for name in handle_names(definition):
        if definition.kind in STATE or not tensors:
            break
        handle, *tensors = tensors
        state = next((it for it in ("variable", "queue", "reader", "table") if it in handle.op.attrs), None)
        if state is None:
            raise ValueError(f"{definition.kind} works on a variable, queue, reader or table, {handle.name} is none")
        attrs[name] = handle.op.attrs[state]
        if state == "queue" and "queue_device" in inspect.signature(definition.spec).parameters:
            attrs["queue_device"] = DeviceOf(handle.op)
    return attrs, tensors


def _check_dtypes(
    node: Any, definition: OpDef, name: str, tensors: Sequence[Tensor], operands: Sequence[Tensor]
) -> None:
    """ValueError for an input of another dtype than the node says."""
    for key, rule in RULES.get(definition.kind, {}).items():
        if not isinstance(rule, DtypeOf) or key not in node.attr or rule.place >= len(operands):
            continue
        tensor, code = operands[rule.place], node.attr[key].type
        if code and DATA_TYPES[tensor.dtype] != code % 100:
            raise ValueError(
                f"Input {list(tensors).index(tensor)} of node {name} was passed {NAMES[DATA_TYPES[tensor.dtype]]} from "
                f"{tensor.name} incompatible with expected {NAMES.get(code % 100, code)}."
            )


def _check_count(node: Any, definition: OpDef, operands: Sequence[Tensor]) -> None:
    """ValueError for more or fewer inputs than the kind takes, where its shape rule says how many these are."""
    parameters = inspect.signature(definition.spec).parameters.values()
    inputs = [it for it in parameters if str(it.annotation).startswith("TensorSpec")]
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if any(it.annotation is it.empty or it.kind in open_ended for it in parameters):
        return
    fewest = sum(it.default is it.empty for it in inputs)
    if not fewest <= len(operands) <= len(inputs):
        names = ", ".join(it.name for it in inputs)
        raise ValueError(
            f"NodeDef expected inputs '{names}' do not match {len(operands)} inputs specified; Op<{node.op}>; "
            f"NodeDef: {node.name}"
        )


def _missing(definition: OpDef, attrs: Mapping[str, Any], count: int) -> list[str]:
    """The attributes of a kind that TensorFlow has as inputs, or not at all.  count: the number of operands."""
    found, taken = [], 0
    for it in inspect.signature(definition.spec).parameters.values():
        if it.kind in (it.POSITIONAL_ONLY, it.POSITIONAL_OR_KEYWORD) and it.name not in attrs and taken < count:
            taken += 1
        elif it.kind in (it.KEYWORD_ONLY, it.POSITIONAL_OR_KEYWORD) and it.default is it.empty and it.name not in attrs:
            found.append(it.name)
    return found


def _shapes_by_constants(op: Operation) -> list[TensorShape]:
    """The shapes of the outputs, if inputs that dflow has as attributes otherwise, an axis for example, are constants.

    None: [].
    """
    if op.definition.kind == "Range":
        value = known_value(op.outputs[0])
        return [] if value is None else [TensorShape(value.shape)]
    names = _attrs_in_inputs(op)
    values = [known_value(tensor) for tensor in op.operands[len(op.operands) - len(names) :]]
    if not names or any(value is None for value in values):
        return []
    if isinstance(op.attrs.get("key"), Masks):
        attrs = {"key": op.attrs["key"].key_of(values)}
    else:
        attrs = {name: _as_attr(value) for name, value in zip(names, values, strict=True)}
    rest = op.operands[: -len(values)]
    specs = op.definition.spec(*(tensor.spec for tensor in rest), **{**op.attrs, **attrs})
    return [it.shape for it in ((specs,) if isinstance(specs, TensorSpec) else specs)]


def _attrs_in_inputs(op: Operation) -> list[str]:
    """The attributes of an operation that its last inputs have in their place."""
    if isinstance(op.attrs.get("key"), Masks):
        return ["begin", "end", "strides"]
    rules = RULES.get(op.definition.kind, {})
    late = [rule.name for key, rule in rules.items() if key.startswith("_") and isinstance(rule, FromAttr)]
    return [name for name in late if name in op.attrs and op.attrs[name] is None]


def _as_attr(value: Any) -> Any:
    def nested(items: Any) -> Any:
        return tuple(nested(item) for item in items) if isinstance(items, list) else items

    return nested(value.tolist())


# -- kinds that TensorFlow writes in another form: their operands and attributes

Form = tuple[list[Tensor], dict[str, Any]]


def _strided_slice(node: Any, operands: list[Tensor]) -> Form:
    names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    return operands, {"key": Masks(*(node.attr[name].i if name in node.attr else 0 for name in names))}


def _one_hot(node: Any, operands: list[Tensor]) -> Form:
    if len(operands) != 4:
        return operands, attrs_of(node, OPS["OneHot"], node.name)
    indices, depth, *values = operands
    on, off = (constant_value(tensor) for tensor in values)
    if on is None or off is None:
        raise ValueError(f"Node '{node.name}': the values of OneHot must be constants")
    axis = node.attr["axis"].i if "axis" in node.attr else -1
    attrs = {"on_value": on.item(), "off_value": off.item(), "axis": axis, "dtype": values[0].dtype, "depth": None}
    return [indices, depth], attrs


def _concat(node: Any, operands: list[Tensor]) -> Form:
    axis, *tensors = operands
    return [*tensors, axis], {"axis": None}


def _batch_matmul(node: Any, operands: list[Tensor]) -> Form:
    flags = {key: node.attr[name].b if name in node.attr else False
             for key, name in (("transpose_a", "adj_x"), ("transpose_b", "adj_y"))}  # fmt: skip
    if any(flags.values()) and operands[0].dtype.is_complex:
        raise ValueError(f"Node '{node.name}': dflow has no adjoint of complex matrices")
    return operands, flags


def _pad_v2(node: Any, operands: list[Tensor]) -> Form:
    *rest, value = operands
    constant = constant_value(value)
    if constant is None:
        raise ValueError(f"Node '{node.name}': the value of PadV2 must be a constant")
    return rest, {"paddings": None, "value": constant.item()}


def _pad(node: Any, operands: list[Tensor]) -> Form:
    if "_value" in node.attr:
        return operands, attrs_of(node, OPS["Pad"], node.name)
    return operands, {"paddings": None, "value": operands[0].dtype.zero}


def _python_function(node: Any, operands: list[Tensor]) -> Form:
    raise ValueError(f"Node '{node.name}': {node.op} calls a Python function, which a GraphDef does not hold")


_OTHER_INPUTS = ("OneHot", "Pad", "PyFunc", "StridedSlice")  # dflow has these kinds, with other inputs
_FORMS: dict[str, Callable[[Any, list[Tensor]], Form]] = {
    "BatchMatMul": _batch_matmul,
    "BatchMatMulV2": _batch_matmul,
    "Concat": _concat,
    "OneHot": _one_hot,
    "Pad": _pad,
    "PadV2": _pad_v2,
    "PyFunc": _python_function,
    "PyFuncStateless": _python_function,
    "StridedSlice": _strided_slice,
}
