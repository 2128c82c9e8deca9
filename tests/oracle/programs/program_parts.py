"""What programs use beside the graph: options, text, conversions, templates, session handles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.oracle.tools import kind_of_error


def options(tf: Any, folder: Path) -> dict[str, Any]:
    config = tf.ConfigProto(allow_soft_placement=True, device_count={"CPU": 1})
    config.gpu_options.allow_growth = True
    config.gpu_options.per_process_gpu_memory_fraction = 0.5
    config.graph_options.optimizer_options.global_jit_level = tf.OptimizerOptions.ON_1
    config.graph_options.rewrite_options.constant_folding = 2
    config.session_inter_op_thread_pool.add(num_threads=3)
    run = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    messages = {
        "gpu": tf.GPUOptions(visible_device_list="0,1"),
        "graph": tf.GraphOptions(optimizer_options=tf.OptimizerOptions(opt_level=tf.OptimizerOptions.L0)),
        "run": run,
        "log": tf.LogMessage(level=tf.LogMessage.WARN, message="m"),
        "session": tf.SessionLog(status=tf.SessionLog.CHECKPOINT, checkpoint_path="p"),
        "event": tf.Event(step=3, session_log=tf.SessionLog(msg="x")),
        "histogram": tf.HistogramProto(min=1.0, bucket=[1.0, 2.0], bucket_limit=[3.0, 4.0]),
        "metadata": tf.SummaryMetadata(plugin_data=tf.SummaryMetadata.PluginData(plugin_name="p", content=b"c")),
        "summary": tf.Summary(value=[tf.Summary.Value(tag="t", simple_value=1.0)]),
    }
    with tf.Session(config=config) as sess:
        value = sess.run(tf.constant(1), options=run, run_metadata=tf.RunMetadata())
    return {
        "config": config.SerializeToString(deterministic=True),
        "messages": {name: it.SerializeToString() for name, it in messages.items()},
        "value": value,
        "kinds": [messages["event"].WhichOneof("what"), messages["summary"].value[0].WhichOneof("value")],
    }


def text(tf: Any, folder: Path) -> dict[str, Any]:
    compat = tf.compat
    return {
        "bytes": [compat.as_bytes("ä"), compat.as_bytes(b"a")],
        "text": [compat.as_text(b"\xc3\xa4"), compat.as_str("a"), compat.as_str_any(b"b"), compat.as_str_any(3)],
        "paths": [compat.path_to_str(folder / "a"), compat.path_to_str("b")],
        "wrong": [kind_of_error(lambda: compat.as_bytes(1)), kind_of_error(lambda: compat.as_text(None))],
        "kinds": [isinstance(1, compat.integral_types), isinstance("", compat.bytes_or_text_types)],
        "sizes": [
            compat.dimension_value(tf.Dimension(3)),
            compat.dimension_value(None),
            compat.dimension_at_index(tf.TensorShape([2, None]), 1).value,
            compat.dimension_at_index(tf.TensorShape(None), 1).value,
        ],
    }


def conversions(tf: Any, folder: Path) -> dict[str, Any]:
    class Meters:
        def __init__(self, number: float) -> None:
            self.number = number

    class Shy(Meters):
        pass

    def of_meters(value: Any, dtype: Any = None, name: Any = None, as_ref: bool = False) -> Any:
        return tf.constant(value.number, dtype or tf.float32, name=name)

    def of_the_shy(value: Any, dtype: Any = None, name: Any = None, as_ref: bool = False) -> Any:
        return NotImplemented

    tf.register_tensor_conversion_function(Meters, of_meters)
    tf.register_tensor_conversion_function(Shy, of_the_shy, priority=50)
    with tf.Session() as sess:
        return {
            "alone": sess.run(tf.convert_to_tensor(Meters(2.0), name="two")),
            "added": sess.run(tf.constant(1.0) + Meters(2.0)),
            "before": sess.run(tf.add(Meters(2.0), 1.0)),
            "in a list": sess.run(tf.stack([Meters(1.0), Meters(2.0)])),
            "the next one": sess.run(tf.identity(Shy(3.0))),
            "dtype": sess.run(tf.convert_to_tensor(Meters(2.0), tf.float64)),
            "preferred": [
                tf.convert_to_tensor(1, preferred_dtype=tf.int64).dtype.name,
                tf.convert_to_tensor(1.5, preferred_dtype=tf.int64).dtype.name,
            ],
            "wrong": [
                kind_of_error(lambda: tf.register_tensor_conversion_function("Meters", of_meters)),
                kind_of_error(lambda: tf.register_tensor_conversion_function(Meters, 3)),
            ],
        }


def templates(tf: Any, folder: Path) -> dict[str, Any]:
    def line(x: Any, slope: float = 1.0) -> Any:
        return tf.get_variable("w", [], initializer=tf.constant_initializer(slope)) * x

    def careless() -> Any:
        return tf.Variable(1.0)

    first, second = tf.make_template("line", line), tf.make_template("line", line, slope=2.0)
    with tf.variable_scope("outer"):
        now, later = tf.make_template("now", line, create_scope_now_=True), tf.make_template("later", line)
    once = tf.make_template("once", careless)
    once()
    with tf.Session() as sess:
        results = [first(3.0), first(4.0), second(5.0), now(6.0), later(7.0)]
        sess.run(tf.global_variables_initializer())
        return {
            "values": sess.run(results),
            "variables": [it.name for it in tf.global_variables()],
            "of one": [it.name for it in first.trainable_variables],
            "scopes": [it.variable_scope.name for it in (first, second, now, later)],
            "wrong": [
                kind_of_error(once, "Trainable variable created when calling a template after the first time"),
                kind_of_error(lambda: tf.make_template(None, line), "name cannot be None."),
            ],
        }


def session_handles(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.placeholder(tf.float32, [2])
    keep = tf.get_session_handle(x * 2.0)
    with tf.Session() as sess:
        handle = sess.run(keep, {x: [1.0, 2.0]})
        holder, again = tf.get_session_tensor(handle.handle, tf.float32)
        found: dict[str, Any] = {
            "value": handle.eval(),
            "used": sess.run(again + 1.0, {holder: handle.handle}),
            "fed": sess.run(x + 1.0, {x: handle}),
            "beside": sess.run({"keep": keep, "sum": tf.reduce_sum(x)}, {x: [3.0, 4.0]})["sum"],
        }
        raw = handle.get_raw_handle()
        where, delete = tf.delete_session_tensor(raw)
        found["deleted"] = sess.run(delete, {where: raw})
        found["gone"] = kind_of_error(lambda: sess.run(again, {holder: raw}))
        found["no tensor"] = kind_of_error(lambda: tf.get_session_handle(1.0))
        return found
