"""Steps with queues: to make one, and to make what acts on it."""

from __future__ import annotations

from dataclasses import replace

from tests.fuzz_graphs import values
from tests.fuzz_graphs.graph import Node
from tests.fuzz_graphs.queue_model import Queue
from tests.fuzz_graphs.writer import Writer

KINDS = ("FIFOQueue", "FIFOQueue", "PaddingFIFOQueue", "PriorityQueue", "RandomShuffleQueue")
NAMES = ["one", "two", "three"]


def make_queue(writer: Writer) -> None:
    random = writer.random
    kind, n = random.choice(KINDS), random.choice([1, 1, 2, 3])
    dtypes = [values.dtype(random) for _ in range(n)]
    shapes = _shapes(writer, kind, n)
    names = NAMES[:n] if writer.maybe(0.15) and kind != "PriorityQueue" else None
    capacity, reserve = random.choice([1, 2, 3, 5, 5, 10, 10, -1, 0]), 0
    if kind == "RandomShuffleQueue":
        reserve = random.choice([0, 0, 1])
        capacity = capacity if capacity < 0 else max(capacity, reserve + 1)
    arguments = [str(capacity), str(reserve)] if kind == "RandomShuffleQueue" else [str(capacity)]
    arguments.append(f"[{', '.join(f'tf.{dtype}' for dtype in dtypes)}]")
    arguments += [] if shapes is None else [f"shapes={[list(shape) for shape in shapes]}"]
    arguments += [] if names is None else [f"names={names}"]
    arguments += ["name='some/queue'"] if writer.maybe(0.1) else []
    name = writer.name("q")
    writer.write(f"{name} = tf.{kind}({', '.join(arguments)})")
    if kind == "PriorityQueue":
        dtypes, shapes = ["int64", *dtypes], [(), *(shapes or [])]
    writer.queues.append(Queue(name, kind, dtypes, shapes, names, capacity, reserve))


def _shapes(writer: Writer, kind: str, n: int) -> list[tuple[int | None, ...]] | None:
    shapes = [values.full_shape(writer.random) for _ in range(n)]
    if kind == "PaddingFIFOQueue":
        return [tuple(None if writer.maybe(0.5) else size for size in shape) for shape in shapes]
    return None if kind != "PriorityQueue" and writer.maybe(0.2) else [*shapes]


def a_queue(writer: Writer) -> Queue | None:
    found = [queue for queue in writer.queues if not queue.spoiled]
    return writer.random.choice(found) if found else None


def enqueue(writer: Writer) -> None:
    queue = a_queue(writer)
    if queue is None:
        return
    many = writer.maybe(0.5)
    n = writer.random.choice([0, 1, 2, 2, 3, 4]) if many else 1
    parts = [_component(writer, queue, i, (n,) if many else ()) for i in range(len(queue.dtypes))]
    wrong = writer.maybe(0.06)
    unsure = wrong or not all(values.is_known(part.shape) for part in parts)
    if wrong:
        i = writer.random.randrange(len(parts))
        parts[i] = _wrong_component(writer, queue, i, (n,) if many else ())
    method = "enqueue_many" if many else "enqueue"
    effect = writer.effect(
        parts,
        queue.name,
        True,
        state=lambda: "fails" if unsure else queue.put_state(n),
        apply=lambda: None if wrong else queue.put(n),
    )
    writer.make(f"{queue.name}.{method}({_element(writer, queue, parts)})", parts, effect=effect, prefix="e")


def _component(writer: Writer, queue: Queue, i: int, leading: tuple[int, ...]) -> Node:
    dtype, random = queue.dtypes[i], writer.random
    if queue.kind == "PriorityQueue" and i == 0:
        fresh = [n for n in range(-50, 50) if n not in queue.used]
        chosen = random.sample(fresh, leading[0] if leading else 1)
        queue.used.update(chosen)
        return Node(str(chosen if leading else chosen[0]), dtype, leading)
    shape = values.concrete(random, None if queue.shapes is None else queue.shapes[i])
    return writer.value(dtype, (*leading, *shape), 0.5)


def _wrong_component(writer: Writer, queue: Queue, i: int, leading: tuple[int, ...]) -> Node:
    random = writer.random
    if writer.maybe(0.5):
        dtype = random.choice([it for it in values.DTYPES if it != queue.dtypes[i]])
        return Node(f"tf.constant({values.literal(random, dtype, leading)})", dtype, leading)
    shape = (*leading, *values.shape(random), 4)
    text = f"tf.constant({values.literal(random, queue.dtypes[i], shape)}, tf.{queue.dtypes[i]})"
    if writer.maybe(0.5):
        text = f"tf.placeholder_with_default({text}, None)"
    return Node(text, queue.dtypes[i], shape)


def _element(writer: Writer, queue: Queue, parts: list[Node]) -> str:
    if queue.names is not None:
        return "{" + ", ".join(f"{name!r}: {part.text}" for name, part in zip(queue.names, parts, strict=True)) + "}"
    texts = ", ".join(part.text for part in parts)
    if writer.maybe(0.3):
        return f"({texts},)"
    return f"[{texts}]"


def dequeue(writer: Writer) -> None:
    queue = a_queue(writer)
    if queue is None:
        return
    method = writer.random.choice(["dequeue", "dequeue", "dequeue_many", "dequeue_many", "dequeue_up_to"])
    many = method != "dequeue"
    n = writer.random.choice([0, 1, 2, 2, 3, 4]) if many else 1
    argument, size = (str(n), n if method == "dequeue_many" else None) if many else ("", None)
    if many and writer.maybe(0.2):
        argument, size = f"tf.placeholder_with_default({n}, [])", None
    up_to = method == "dequeue_up_to"
    effect = writer.effect(
        [],
        queue.name,
        True,
        state=lambda: queue.take_state(n, many, up_to),
        apply=lambda: queue.take(n, many, up_to),
    )
    node = writer.make(f"{queue.name}.{method}({argument})", [], effect=effect, prefix="d")
    writer.nodes.remove(node)
    if queue.is_random:
        text = node.text if queue.names is None else f"list({node.text}.values())"
        writer.nodes.append(replace(node, text=text, random="many" if many else "one"))
        return
    shapes = [_batch_shape(queue, i, many, size) for i in range(len(queue.dtypes))]
    for text, dtype, shape in zip(_parts(queue, node.text), queue.dtypes, shapes, strict=True):
        writer.nodes.append(replace(node, text=text, dtype=dtype, shape=shape))
    if len(shapes) > 1:
        writer.nodes.append(node)


def _parts(queue: Queue, text: str) -> list[str]:
    if queue.names is not None:
        return [f"{text}[{name!r}]" for name in queue.names]
    return [text] if len(queue.dtypes) == 1 else [f"{text}[{i}]" for i in range(len(queue.dtypes))]


def _batch_shape(queue: Queue, i: int, many: bool, size: int | None) -> values.Shape:
    if queue.shapes is None:
        return None
    return (size, *queue.shapes[i]) if many else queue.shapes[i]


def look(writer: Writer) -> None:
    queue = a_queue(writer)
    if queue is None:
        return
    method, dtype = writer.random.choice([("size", "int32"), ("size", "int32"), ("is_closed", "bool")])
    effect = writer.effect([], queue.name, state=queue.look_state)
    writer.make(f"{queue.name}.{method}()", [], dtype, (), effect=effect)


def close(writer: Writer) -> None:
    queue = a_queue(writer)
    if queue is None:
        return
    cancel = writer.maybe(0.3)
    effect = writer.effect([], queue.name, True, state=lambda: queue.close_state(cancel), apply=queue.close)
    argument = "cancel_pending_enqueues=True" if cancel else ""
    writer.make(f"{queue.name}.close({argument})", [], effect=effect, prefix="c")


def finish(writer: Writer) -> None:
    """What is in the queues at the end, and all that was kept, as each may have been drawn before or now."""
    for queue in writer.queues:
        writer.write(f"run([{queue.name}.size(), {queue.name}.is_closed()])", False)
        writer.write(f"run({queue.name}.close(cancel_pending_enqueues=True))", False)
        text = f"{queue.name}.dequeue()"
        if queue.is_random and queue.names is not None:
            text = f"list({text}.values())"
        writer.write(f"[keep(it) for it in drain({text})]" if queue.is_random else f"drain({text})", False)
    if any("keep(" in line for line in writer.lines):
        writer.write("kept()", False)
