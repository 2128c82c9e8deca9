"""Steps of their own: what is wrong, queues that are one or chosen, a session that ends, a coordinator."""

from __future__ import annotations

from tests.fuzz_graphs.writer import Writer

WRONG = [
    "{queue}.dequeue_many(-1)",
    "run({queue}.dequeue_many(tf.placeholder_with_default(-2, [])))",
    "{queue}.enqueue_many(1)",
    "{queue}.enqueue([])",
    "{queue}.dequeue_up_to([1])",
    "{queue}.enqueue(None)",
    "tf.FIFOQueue(3, [tf.int32], shapes=[[], []])",
    "tf.FIFOQueue(3, [tf.int32], shapes=[[None]])",
    "tf.FIFOQueue('a', [tf.int32])",
    "tf.FIFOQueue(3, [])",
    "tf.PriorityQueue(3, [tf.int32])",
    "tf.PaddingFIFOQueue(3, [tf.int32], shapes=[None])",
    "run(tf.RandomShuffleQueue(3, 3, [tf.int32]).size())",
    "tf.FIFOQueue(3, [tf.int32, tf.int32], names=['a'])",
    "run({x}, {{{x}: None}})",
    "run({x}, {{{x}: {x}}})",
    "run({x}, {{'nonsense:0': 1}})",
    "run({x}, [1])",
    "run([{x}, None])",
    "run('nonsense')",
    "run(3)",
    "run({{'a': [{x}, ()]}})",
    "run({queue})",
    "run({queue}.queue_ref.op)",
    "made({x}, [{x}])(1, 2)",
    "made({x}, 3)",
]


def misuse(writer: Writer) -> None:
    """A line that is wrong, at once or in a run."""
    queue = writer.random.choice(writer.queues).name if writer.queues else "q"
    tensor = writer.pick(lambda node: bool(node.dtype) and not node.effects)
    x = tensor.text if tensor is not None else "x"
    writer.write(writer.random.choice(WRONG).format(queue=queue, x=x), False)


def shared(writer: Writer) -> None:
    """Two objects of one queue, if they agree on what it is."""
    random = writer.random
    name, one, other = writer.name("shared"), writer.name("sq"), writer.name("sq")
    kind = random.choice(["FIFOQueue(3, ", "PaddingFIFOQueue(3, ", "RandomShuffleQueue(3, 0, ", "PriorityQueue(3, "])
    second = kind if writer.maybe(0.7) else random.choice(["FIFOQueue(4, ", "FIFOQueue(3, ", "PriorityQueue(3, "])
    rest = f"[tf.int64], shapes=[[]], shared_name='{name}')"
    writer.write(f"{one} = tf.{kind}{rest}", False)
    writer.write(f"{other} = tf.{second}{rest}", False)
    element = "[1, 2]" if kind.startswith("Priority") else "[1]"
    for line in (f"{one}.enqueue({element})", f"{other}.size()", f"{other}.is_closed()", f"{other}.close()"):
        writer.write(f"run({line})", False)
    writer.write(f"drain({one}.dequeue())", False)


def chosen(writer: Writer) -> None:
    """One of two queues, which each run chooses."""
    random = writer.random
    one, other, index, both = writer.name("lq"), writer.name("lq"), writer.name("index"), writer.name("lqs")
    for queue in (one, other):
        writer.write(
            f"{queue} = tf.FIFOQueue({random.choice([2, 3])}, [tf.int32], shapes={random.choice(['[[]]', None])})"
        )
    writer.write(f"{index} = tf.placeholder_with_default({random.choice([0, 1])}, [])")
    writer.write(f"{both} = tf.QueueBase.from_list({index}, [{one}, {other}])")
    writer.write(f"run({both}.enqueue([3]))", False)
    for _ in range(random.choice([1, 2])):
        writer.write(f"run({both}.enqueue([{random.randint(0, 9)}]), {{{index}: {random.choice([0, 1])}}})", False)
    writer.write(f"run([{one}.size(), {other}.size()])", False)
    writer.write(f"run({both}.close())", False)
    writer.write(f"drain({both}.dequeue())", False)
    writer.write(f"run([{one}.is_closed(), {other}.is_closed()])", False)


def failure(writer: Writer) -> None:
    """A coordinator that an exception stops."""
    coord = writer.name("coord")
    writer.write(f"{coord} = tf.train.Coordinator()", False)
    tensor = writer.pick(lambda node: bool(node.dtype) and not node.needs and not node.effects)
    kind = writer.random.choice(["1 // 0", "run(tf.gather([1, 2], 5))", f"run({tensor.text if tensor else 'x'})"])
    writer.write(f"with {coord}.stop_on_exception(): {kind}", False)
    writer.write(f"{coord}.should_stop()", False)
    writer.write(f"{coord}.join()", False)
    writer.write(f"{coord}.joined", False)


def nested_feeds(writer: Writer) -> None:
    """Several tensors in one key of the feeds."""
    scalars = [name for name, (_, shape) in writer.feeds.items() if shape == ()]
    if len(scalars) > 1:
        one, other = scalars[:2]
        writer.write(f"run([{one}, {other}], {{({one}, {other}): (1, 0)}})", False)


def end_of_session(writer: Writer) -> None:
    """The session closes while something waits."""
    queue, waiting = writer.name("zq"), writer.name("t")
    writer.write(f"{queue} = tf.FIFOQueue(1, [tf.int32], shapes=[[]])", False)
    what = writer.random.choice([f"{queue}.dequeue()", f"{queue}.dequeue_many(2)", f"{queue}.enqueue_many([[1, 2]])"])
    writer.write(f"{waiting} = later({what})", False)
    writer.write("sess.close()", False)
    writer.write(f"result({waiting})", False)
    writer.write(f"run({queue}.size())", False)
    writer.write("sess.close()", False)
