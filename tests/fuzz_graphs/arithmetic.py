"""Steps without queues: constants, placeholders, arithmetic, variables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fuzz_graphs import values
from tests.fuzz_graphs.graph import Closure, Node, State
from tests.fuzz_graphs.values import NUMBERS, Shape
from tests.fuzz_graphs.writer import Writer

REAL = ("int32", "int64", "float32", "float64")
ANY = values.DTYPES


def constant(writer: Writer) -> None:
    dtype, shape = values.dtype(writer.random), values.shape(writer.random)
    writer.make(f"tf.constant({values.literal(writer.random, dtype, shape)}, tf.{dtype})", [], dtype, shape)


def placeholder(writer: Writer) -> None:
    dtype, fed = values.dtype(writer.random), values.shape(writer.random)
    shape = values.partly_known(writer.random, fed)
    if writer.maybe(0.3):
        default = values.literal(writer.random, dtype, fed)
        default = default if default.startswith("np.") else f"np.array({default}, tf.{dtype}.as_numpy_dtype)"
        writer.make(f"tf.placeholder_with_default({default}, {values.text_of(shape)})", [], dtype, shape)
        return
    name = writer.name("p")
    shown = "" if shape is None else f", {values.text_of(shape)}"
    writer.write(f"{name} = tf.placeholder(tf.{dtype}{shown})")
    writer.feeds[name] = (dtype, fed)
    writer.nodes.append(Node(name, dtype, shape, frozenset({name})))


@dataclass(frozen=True)
class Function:
    """text: the call, with `{a}` and `{b}`.  dtypes: of `a`, and of `b` if it has one.  gives: dtype and shape of it.

    risky: it fails for some values or shapes.
    """

    text: str
    dtypes: tuple[str, ...]
    gives: Callable[[Node], tuple[str, Shape]] = field(default=lambda a: (a.dtype, a.shape))
    risky: bool = False


def _same(a: Node) -> tuple[str, Shape]:
    return a.dtype, a.shape


def _scalar(a: Node) -> tuple[str, Shape]:
    return a.dtype, ()


def _unknown(a: Node) -> tuple[str, Shape]:
    return a.dtype, None


def _bools(a: Node) -> tuple[str, Shape]:
    return "bool", a.shape


FUNCTIONS = [
    Function("-{a}", (*REAL, "complex64")),
    Function("tf.square({a})", REAL),
    Function("tf.abs({a})", REAL),
    Function("tf.identity({a})", ANY),
    Function("tf.stop_gradient({a})", ANY),
    Function("tf.reduce_sum({a})", REAL, _scalar),
    Function("tf.reduce_max({a})", REAL, _scalar),
    Function("tf.reduce_mean({a})", ("float32", "float64"), _scalar),
    Function("tf.cast({a}, tf.float32)", ("int32", "int64", "bool", "float64"), lambda a: ("float32", a.shape)),
    Function("tf.cast({a}, tf.int32)", ("int64", "bool", "uint8"), lambda a: ("int32", a.shape)),
    Function("tf.cast({a}, tf.int64)", ("int32", "bool"), lambda a: ("int64", a.shape)),
    Function("tf.expand_dims({a}, 0)", ANY, lambda a: (a.dtype, None if a.shape is None else (1, *a.shape))),
    Function("tf.zeros_like({a})", (*REAL, "bool", "string")),
    Function("tf.ones_like({a})", REAL),
    Function("tf.shape({a})", ANY, lambda a: ("int32", None if a.shape is None else (len(a.shape),))),
    Function("tf.size({a})", ANY, lambda a: ("int32", ())),
    Function("tf.rank({a})", ANY, lambda a: ("int32", ())),
    Function("tf.reshape({a}, [-1])", ANY, lambda a: (a.dtype, (None,))),
    Function("tf.reshape({a}, [2])", ANY, lambda a: (a.dtype, (2,)), True),
    Function("tf.reshape({a}, [2, 1])", ANY, lambda a: (a.dtype, (2, 1)), True),
    Function("tf.gather({a}, 1)", ANY, _unknown, True),
    Function("tf.logical_not({a})", ("bool",)),
    Function("tf.py_func(lambda it: it, [{a}], tf.{dtype})", ANY, _unknown),
    Function("{a} + {b}", (*REAL, "complex64", "string")),
    Function("{a} * {b}", REAL),
    Function("{a} - {b}", REAL),
    Function("tf.maximum({a}, {b})", REAL),
    Function("tf.floordiv({a}, {b})", ("int32", "int64"), _same, True),
    Function("tf.equal({a}, {b})", (*REAL, "string", "bool"), _bools),
    Function("tf.less({a}, {b})", REAL, _bools),
    Function("tf.logical_and({a}, {b})", ("bool",)),
    Function("tf.where(tf.equal({a}, {b}), {a}, {b})", (*REAL, "string")),
    Function("tf.stack([{a}, {b}])", ANY, lambda a: (a.dtype, None if a.shape is None else (2, *a.shape))),
    Function("tf.concat([tf.reshape({a}, [-1]), tf.reshape({b}, [-1])], 0)", ANY, lambda a: (a.dtype, (None,))),
    Function("tf.tuple([{a}, {b}])[0]", ANY),
]


def compute(writer: Writer) -> None:
    function = writer.random.choice(FUNCTIONS)
    a = writer.tensor(function.dtypes)
    if a is None:
        return
    inputs = [a]
    if "{b}" in function.text:
        if not values.is_known(a.shape) or writer.maybe(0.05):
            other = writer.tensor([a.dtype])
        else:
            assert a.shape is not None
            other = writer.value(a.dtype, tuple(size or 0 for size in a.shape), 0.8, constant=True)
        assert other is not None
        inputs.append(other)
    dtype, shape = function.gives(a)
    risky = function.risky or not all(values.is_known(node.shape) for node in inputs)
    state: State = "fails" if risky else "fine"
    effect = writer.effect(inputs, state=lambda: state) if risky else None
    texts = {"a": inputs[0].text, "b": inputs[-1].text, "dtype": a.dtype}
    writer.make(function.text.format(**texts), inputs, dtype, shape, effect)


def group(writer: Writer) -> None:
    picked = [node for node in (writer.operand() for _ in range(3)) if node is not None]
    if picked and Closure(picked).is_certain():
        writer.make(f"tf.group({', '.join(node.text for node in picked)})", picked, prefix="g")


def variable(writer: Writer) -> None:
    dtype, shape = values.dtype(writer.random), values.full_shape(writer.random)
    name = writer.name("v")
    literal = values.literal(writer.random, dtype, shape)
    text = f"tf.constant({literal}, tf.{dtype})" if writer.maybe(0.5) else f"{literal}, dtype=tf.{dtype}"
    writer.write(f"{name} = tf.Variable({text})")
    known = {"there": False}
    read = writer.effect([], name, of_variable=True, state=lambda: "fine" if known["there"] else "fails")
    writer.nodes.append(Node(name, dtype, shape, effects=frozenset({read}), own=read))
    write = writer.effect([], name, True, True, apply=lambda: known.update(there=True))
    writer.nodes.append(Node(f"{name}.initializer", effects=frozenset({write}), own=write))
    writer.variables[name] = (dtype, shape, known)
    if writer.maybe(0.8):
        writer.write(f"run({name}.initializer)", False)
        write.apply()


def assign(writer: Writer) -> None:
    if not writer.variables:
        return
    name = writer.random.choice(list(writer.variables))
    dtype, shape, known = writer.variables[name]
    adds = dtype in NUMBERS and writer.maybe(0.6)
    method = writer.random.choice(["assign_add", "assign_sub"]) if adds else "assign"
    value = writer.value(dtype, shape, 0.6)
    if writer.maybe(0.04):
        value = writer.value(dtype, (*shape, 4), 0.0)
    unsure = not values.is_known(value.shape)

    def state() -> State:
        return "fails" if unsure or (adds and not known["there"]) else "fine"

    effect = writer.effect(
        [value], name, True, True, state=state, apply=lambda: known.update(there=known["there"] or not adds)
    )
    writer.make(f"{name}.{method}({value.text})", [value], dtype, shape, effect, prefix="a")


def read(writer: Writer) -> None:
    if not writer.variables:
        return
    name = writer.random.choice(list(writer.variables))
    dtype, shape, known = writer.variables[name]
    effect = writer.effect([], name, of_variable=True, state=lambda: "fine" if known["there"] else "fails")
    writer.make(f"{name}.read_value()", [], dtype, shape, effect)
