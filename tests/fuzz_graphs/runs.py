"""Steps that run what there is: in many forms, with feeds, again, in threads, by callables."""

from __future__ import annotations

from tests.fuzz_graphs import values
from tests.fuzz_graphs.graph import Closure, Node
from tests.fuzz_graphs.writer import Writer


def run(writer: Writer) -> None:
    closure = _closure(writer)
    if closure is None:
        return
    feeds = _feeds(writer, closure)
    first = closure.nodes[0]
    alone = len(closure.nodes) == 1 and first.own is not None and not first.random
    if alone and not closure.waits() and writer.maybe(0.15):
        line = f"{first.text}.{'eval' if first.dtype else 'run'}({feeds[2:]})"
    elif first.random:
        line = f"keep(run({first.text}{feeds}), {first.random == 'many'})"
    else:
        line = f"run({_structure(writer, closure.nodes)}{feeds})"
    _did(writer, closure, line)


def again(writer: Writer) -> None:
    """A run as one before it: dflow does it on another way."""
    for line, closure in writer.ran[-3:]:
        if closure.is_certain() and (not closure.waits() or writer.waits_left > 0) and writer.maybe(0.5):
            _did(writer, closure, line)
            return


def _did(writer: Writer, closure: Closure, line: str) -> None:
    writer.write(line, False)
    if closure.waits():
        writer.waits_left -= 1
    closure.apply()
    writer.ran.append((line, closure))


def _closure(writer: Writer) -> Closure | None:
    """What to run, so that its outcome is certain."""
    for _ in range(10):
        first = writer.pick(_moves) if writer.maybe(0.4) else writer.pick()
        if first is None:
            continue
        nodes = [first]
        if not first.random:
            for _ in range(writer.random.choice([0, 0, 0, 1, 2])):
                more = writer.pick(lambda it: not it.random)
                if more is not None and Closure([*nodes, more]).is_certain():
                    nodes.append(more)
        closure = Closure(nodes)
        if closure.is_certain() and (not closure.waits() or (writer.waits_left > 0 and writer.maybe(0.3))):
            return closure
    return None


def _moves(node: Node) -> bool:
    """Does it put an element into a queue, or take one out?"""
    return node.own is not None and node.own.writes and not node.own.of_variable


def _feeds(writer: Writer, closure: Closure) -> str:
    random = writer.random
    needs = sorted({need for node in closure.nodes for need in node.needs})
    pairs = []
    for need in needs:
        dtype, shape = writer.feeds[need]
        if writer.maybe(0.03) and not closure.effects:
            continue  # an error
        if writer.maybe(0.03) and not closure.effects:
            dtype = random.choice(values.DTYPES)
        pairs.append(f"{need}: {values.literal(random, dtype, values.concrete(random, shape))}")
    if writer.maybe(0.1) and not closure.effects:
        found = writer.pick(lambda it: bool(it.dtype) and not it.random and values.is_known(it.shape))
        if found is not None and found.text not in needs and found.shape is not None:
            pairs.append(f"{found.text}: {values.literal(random, found.dtype, values.concrete(random, found.shape))}")
    return f", {{{', '.join(pairs)}}}" if pairs else ""


def _structure(writer: Writer, nodes: list[Node]) -> str:
    texts = [node.text for node in nodes]
    if len(texts) == 1 and writer.maybe(0.8):
        if writer.maybe(0.05) and nodes[0].dtype:
            return f"{texts[0]}.name"
        return texts[0]
    form = writer.random.choice(["list", "list", "tuple", "dict", "nested", "twice"])
    if form == "tuple":
        return "(" + "".join(f"{text}, " for text in texts) + ")"
    if form == "dict":
        return "{" + ", ".join(f"{'abc'[i]!r}: {text}" for i, text in enumerate(texts)) + "}"
    if form == "nested":
        return f"[{{'a': {texts[0]}}}, ({', '.join(texts)},), []]"
    if form == "twice":
        return f"[{', '.join([*texts, texts[0]])}]"
    return f"[{', '.join(texts)}]"


def make_callable(writer: Writer) -> None:
    """A callable, and some calls of it."""
    closure = _closure(writer)
    if closure is None or closure.nodes[0].random:
        return
    needs = sorted({need for node in closure.nodes for need in node.needs})
    name = writer.name("f")
    writer.write(f"{name} = made({_structure(writer, closure.nodes)}, [{', '.join(needs)}])", False)
    for _ in range(writer.random.choice([1, 2, 3])):
        if closure.is_certain() and not closure.waits():
            shapes = [(dtype, values.concrete(writer.random, shape)) for dtype, shape in map(writer.feeds.get, needs)]
            writer.write(f"{name}({', '.join(values.literal(writer.random, *it) for it in shapes)})", False)
            closure.apply()


def in_thread(writer: Writer) -> None:
    """A run that waits in a thread, and what ends its wait: an enqueue, a dequeue, or a close."""
    waiting = [node for node in _alone(writer) if node.own is not None and node.own.state() == "waits"]
    if not waiting:
        return
    node = writer.random.choice(waiting)
    queue = next(it for it in writer.queues if node.own is not None and it.name == node.own.resource)
    name = writer.name("t")
    writer.write(f"{name} = later({node.text})", False)
    writer.write(f"run({queue.name}.size())", False)
    takes = node.text.startswith("d")  # what comes behind it would wait, too: TensorFlow hangs when that ends first
    helps = [it for it in _alone(writer) if it.own.resource == queue.name and it.text.startswith("e" if takes else "d")]
    for _ in range(writer.random.choice([0, 1, 2])):
        if helps:
            writer.write(f"run({writer.random.choice(helps).text})", False)
    writer.write(f"run({queue.name}.close(cancel_pending_enqueues=True))", False)
    writer.write(f"result({name})", False)
    queue.closed = queue.spoiled = True


def _alone(writer: Writer) -> list[Node]:
    """What does nothing but one operation with a queue."""
    names = [queue.name for queue in writer.queues if not queue.spoiled]
    return [
        node
        for node in writer.nodes
        if node.own is not None
        and node.own.resource in names
        and not node.random
        and not node.needs
        and not node.own.before
    ]


def initialize(writer: Writer) -> None:
    """All variables have their values again."""
    for _, _, known in writer.variables.values():
        known["there"] = True
    if writer.variables:
        writer.write("run(tf.global_variables_initializer())", False)
