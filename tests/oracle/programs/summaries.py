"""Summaries, as the bytes of their messages, and event files."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error


def scalars(tf: Any, folder: Path) -> dict[str, Any]:
    with tf.name_scope("outer"):
        plain = tf.summary.scalar("loss", 2.5)
        family = tf.summary.scalar("loss", tf.constant(3), family="train")
    odd = tf.summary.scalar("/a b:c!", np.float64(1))
    with tf.Session() as sess:
        return {
            "values": sess.run([plain, family, odd]),
            "names": [it.op.name for it in (plain, family, odd)],
            "types": [plain.op.type, [it.name for it in plain.op.inputs]],
            "static": plain.shape.as_list(),
            "collected": [it.name for it in tf.get_collection(tf.GraphKeys.SUMMARIES)],
            "merged": sess.run(tf.summary.merge_all()),
            "some": sess.run(tf.summary.merge_all(scope="outer")),
            "none": tf.summary.merge_all("others"),
            "wrong": [
                kind_of_error(lambda: sess.run(tf.summary.scalar("v", [1.0, 2.0]))),
                kind_of_error(lambda: sess.run(tf.summary.merge([plain, plain]))),
                kind_of_error(lambda: sess.run(tf.summary.merge(["no summary"]))),
                kind_of_error(lambda: tf.summary.scalar("text", "a")),
            ],
        }


def histograms(tf: Any, folder: Path) -> dict[str, Any]:
    values = {
        "floats": np.array([-2.5, -1e-3, 0.0, 0.0, 1e-13, 3.0, 3.1, 7e21]),
        "integers": np.array([[1, 2], [3, -4]], np.int32),
        "one": np.float32(1.1),
        "none": np.zeros([0], np.float32),
        "bounds": np.array([1e-12, 1.1e-12, -1e-12]),
    }
    x = tf.placeholder(tf.float32, [None])
    with tf.Session() as sess:
        found = {name: sess.run(tf.summary.histogram(name, it)) for name, it in values.items()}
        fed = tf.summary.histogram("fed", x)
        found["wrong"] = [kind_of_error(lambda it=it: sess.run(fed, {x: [it]})) for it in (np.nan, np.inf)]
    return found


def images(tf: Any, folder: Path) -> dict[str, Any]:
    """The numbers beside the PNGs, and the pixels in them: two libraries compress them differently."""
    rng = np.random.default_rng(3)
    floats = rng.normal(size=(4, 3, 5, 3)).astype(np.float32)
    floats[0, 1, 1, 2] = np.nan
    cases = {
        "floats": floats,
        "positive": np.abs(floats),
        "black": np.zeros([1, 2, 2, 1], np.float32),
        "bytes": rng.integers(256, size=(2, 4, 3, 4)).astype(np.uint8),
        "gray": rng.integers(256, size=(2, 4, 3, 1)).astype(np.uint8),
    }
    found: dict[str, Any] = {}
    with tf.Session() as sess:
        for name, it in cases.items():
            summary = tf.Summary.FromString(sess.run(tf.summary.image(name, it)))
            found[name] = [
                [value.tag, value.image.height, value.image.width, value.image.colorspace] for value in summary.value
            ]
        one = tf.Summary.FromString(sess.run(tf.summary.image("one", cases["gray"], max_outputs=1)))
        found["tag of one"] = one.value[0].tag
        found["wrong"] = [
            kind_of_error(lambda: sess.run(tf.summary.image("wrong", np.zeros([1, 2, 2, 2], np.float32)))),
            kind_of_error(lambda: tf.summary.image("wrong", cases["gray"], max_outputs=0)),
        ]
    return found


def sounds(tf: Any, folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    stereo = rng.uniform(-1.2, 1.2, size=(4, 6, 2)).astype(np.float32)
    with tf.Session() as sess:
        return {
            "stereo": sess.run(tf.summary.audio("stereo", stereo, 8000.0)),
            "mono": sess.run(tf.summary.audio("mono", stereo[..., 0], tf.constant(44100.0), max_outputs=1)),
            "wrong": kind_of_error(lambda: sess.run(tf.summary.audio("wrong", stereo, 0.0))),
        }


def tensors_and_text(tf: Any, folder: Path) -> dict[str, Any]:
    text = tf.summary.text("words", tf.constant([b"a", b"b"]))
    tensor = tf.summary.tensor_summary("numbers", [[1.5, 2.0]], "what it is", display_name="Numbers", family="f")
    with tf.Session() as sess:
        found = {name: tf.Summary.FromString(sess.run(it)) for name, it in {"text": text, "tensor": tensor}.items()}
        return {
            "tags": [it.value[0].tag for it in found.values()],
            "metadata": [it.value[0].metadata.SerializeToString() for it in found.values()],
            "values": [tf.make_ndarray(it.value[0].tensor) for it in found.values()],
            "types": [text.op.type, tensor.op.name],
            "wrong": kind_of_error(lambda: tf.summary.text("no text", tf.constant(1.0))),
        }


def event_files(tf: Any, folder: Path) -> dict[str, Any]:
    logs = str(folder / "logs")
    with tf.summary.FileWriter(logs, filename_suffix=".x") as writer:
        writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), 1)
        writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="a", simple_value=2.0)]), 10)
        described = tf.Summary(value=[tf.Summary.Value(tag="b", simple_value=3.0)])
        described.value[0].metadata.display_name = "B"
        writer.add_summary(described.SerializeToString(), np.int64(11))
        writer.add_summary(described.SerializeToString(), 12)
        writer.add_run_metadata(tf.RunMetadata(), "run", 13)
        twice = kind_of_error(lambda: writer.add_run_metadata(tf.RunMetadata(), "run"))
        writer.add_event(tf.Event(wall_time=5.0, step=14, log_message=tf.LogMessage(message="hello")))
        writer.flush()
        (path,) = glob.glob(f"{logs}/events.out.tfevents.*.x")
        flushed = len(list(tf.train.summary_iterator(path)))
    first, *others = tf.train.summary_iterator(path)
    for event in others:
        event.ClearField("wall_time")
    events = [event.SerializeToString() for event in others]
    return {
        "version": [first.file_version, first.step],
        "flushed": flushed,
        "events": events,
        "twice": twice,
        "folder": writer.get_logdir(),
    }
