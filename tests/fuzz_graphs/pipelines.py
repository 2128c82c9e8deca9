"""Steps with threads: input producers, batches, queue runners and their coordinator."""

from __future__ import annotations

from tests.fuzz_graphs.writer import Writer


def producer(writer: Writer) -> None:
    """An input of some epochs, in order, perhaps in batches, until it ends."""
    random = writer.random
    epochs, capacity = random.choice([1, 1, 2, 3]), random.choice([1, 2, 32])
    rest = f"num_epochs={epochs}, shuffle=False, capacity={capacity}"
    source, given = writer.name("s"), writer.name("i")
    kind = random.choice(["string", "range", "slice", "input"])
    if kind == "string":
        names = [f"f{i}" for i in range(random.randint(1, 4))]
        writer.write(f"{source} = tf.train.string_input_producer({names}, {rest})")
    elif kind == "range":
        writer.write(f"{source} = tf.train.range_input_producer({random.randint(0, 5)}, {rest})")
    elif kind == "input":
        writer.write(f"{source} = tf.train.input_producer([[1, 2], [3, 4], [5, 6]], {rest})")
    else:
        writer.write(f"{source} = tf.train.slice_input_producer([[1, 2, 3], ['a', 'b', 'c']], {rest})")
    writer.write(f"{given} = {source}" if kind == "slice" else f"{given} = [{source}.dequeue()]")
    shuffled = False
    if writer.maybe(0.6):
        size, capacity = random.choice([1, 2, 3]), random.choice([1, 2, 5])
        more = random.choice(["", ", allow_smaller_final_batch=True", ", dynamic_pad=True"])
        batch = writer.name("b")
        kind = random.choice(["batch", "batch", "join", "shuffle", "maybe", "many"])
        shuffled = kind in ("join", "shuffle")
        call = {
            "batch": f"batch({given}, {size}, capacity={capacity}{more})",
            "join": f"batch_join([{given}, {given}], {size}, allow_smaller_final_batch=True)",
            "shuffle": f"shuffle_batch({given}, {size}, {capacity + 1}, 1, allow_smaller_final_batch=True)",
            "maybe": f"maybe_batch({given}, tf.constant({random.choice([True, False])}), {size}{more})",
            "many": f"batch([tf.stack([it, it]) for it in {given}], {size}, enqueue_many=True{more})",
        }[kind]
        writer.write(f"{batch} = tf.train.{call}")
        given = batch
    initialized = _initialized(writer)
    _coordinated(writer, given, initialized, shuffled=shuffled)


def queue_runner(writer: Writer) -> None:
    """A queue that a runner of one or more threads fills with equal elements."""
    random = writer.random
    queue, counter, name = writer.name("r"), writer.name("n"), writer.name("i")
    writer.write(f"{queue} = tf.FIFOQueue({random.choice([1, 2, 10])}, [tf.int64], shapes=[[]])")
    limit = random.choice([0, 1, 3, 7])
    writer.write(f"{counter} = tf.train.limit_epochs(tf.constant(5, tf.int64), num_epochs={limit or None})")
    threads = random.choice([1, 1, 2])
    writer.write(f"{name} = {queue}.dequeue()")
    enqueue = f"[{queue}.enqueue([{counter}])] * {threads}"
    writer.write(f"tf.train.add_queue_runner(tf.train.QueueRunner({queue}, {enqueue}))", False)
    initialized = _initialized(writer)
    _coordinated(writer, name, initialized, limit > 0)


def _initialized(writer: Writer) -> bool:
    """Most programs initialize the counters of their epochs."""
    if writer.maybe(0.1):
        return False
    writer.write("run(tf.local_variables_initializer())", False)
    return True


def _coordinated(writer: Writer, given: str, initialized: bool, ends: bool = True, shuffled: bool = False) -> None:
    coord, threads = writer.name("coord"), writer.name("threads")
    writer.write(f"{coord} = tf.train.Coordinator()", False)
    writer.write(f"{threads} = tf.train.start_queue_runners(sess, {coord})", False)
    if shuffled:
        writer.write(f"[keep(it, True) for it in drain({given})]", False)
    runs = 0 if shuffled else writer.random.choice([0, 1, 2])
    for _ in range(runs if initialized else max(runs, 1)):  # it ends when the coordinator knows the thread's error
        writer.write(f"run({given})", False)
    if ends and not shuffled and writer.maybe(0.7):
        writer.write(f"drain({given})", False)
    writer.write(f"{coord}.request_stop()", False)
    writer.write(f"{coord}.join({threads})", False)
    writer.write(f"{coord}.should_stop()", False)
    writer.write("tf.get_default_graph().get_collection_ref(tf.GraphKeys.QUEUE_RUNNERS).clear()", False)
