"""Reading and decoding files, step by step."""

from __future__ import annotations

from typing import Any

from measure import Sample, seconds_a_call

DECODING = {  # case -> kind of file, columns of floats, records a step
    "CSV, 5 floats, 128 records a step": ("csv", 5, 128),
    "CSV, 5 floats, 1,000 records a step": ("csv", 5, 1000),
    "CSV, 28 floats, 1,000 records a step": ("csv", 28, 1000),
    "Examples, 28 floats and a label, 128 records a step": ("labels", 28, 128),
    "Examples, 28 floats and a label, 1,000 records a step": ("labels", 28, 1000),
    "Examples, 28 floats and a hash, 1,000 records a step": ("hashes", 28, 1000),
}


def decoding(tf: Any, folder: str, config: Any = None) -> dict[str, Sample]:
    """Return the samples, in records a second.  Each reads the file `<kind>-<columns>` of the folder repeatedly."""
    return {
        name: _decoding(tf, f"{folder}/{kind}-{columns}", kind, columns, step, config)
        for name, (kind, columns, step) in DECODING.items()
    }


def _decoding(tf: Any, file: str, kind: str, columns: int, step: int, config: Any) -> Sample:
    with tf.Graph().as_default() as graph:
        files = tf.FIFOQueue(100_000, [tf.string], [()])
        fill = files.enqueue_many([[file] * 10_000])
        if kind == "csv":
            _, lines = tf.TextLineReader().read_up_to(files, step)
            found = tf.decode_csv(lines, [[0.0]] * columns)
        else:
            _, examples = tf.TFRecordReader().read_up_to(files, step)
            features = {f"f{i}": tf.FixedLenFeature([], tf.float32) for i in range(columns)}
            parsed = tf.parse_example(examples, features | {"id": tf.FixedLenFeature([], tf.int64)})
            found = list(parsed.values())
        size = files.size()
        sess = tf.Session("", graph=graph, config=config)

    def sample() -> float:
        if sess.run(size) < 10_000:
            sess.run(fill)
        return step / seconds_a_call(lambda: sess.run(found), seconds=0.5)

    return sample
