"""Write the checkpoints in `written_by_tensorflow/`, with TensorFlow 2 in an environment that has it.

python tests/checkpoints/write_with_tensorflow.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf

FOLDER = Path(__file__).parent / "written_by_tensorflow"


def plain() -> None:
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.Variable(np.arange(6, dtype=np.float32).reshape(2, 3) / 2, name="layer/w")
        tf.Variable([[b"", b"\xff\x00"], [b"long" * 100, b"d"]], name="s")
        tf.Variable(np.int64(1 << 40), name="step")
        tf.Variable([True, False], name="b")
        tf.Variable(np.array([1 - 2j], np.complex64), name="c")
        tf.Variable(np.float16(1.5), name="h")
        tf.Variable(tf.constant([1.0, -2.5], tf.bfloat16), name="bf")
        tf.Variable(np.array([-1, 0, 127], np.int8), name="i8")
        tf.Variable(np.zeros([0, 3], np.float32), name="empty")
        sess.run(tf.global_variables_initializer())
        tf.train.Saver().save(sess, str(FOLDER / "plain"), write_meta_graph=False, write_state=False)


def sharded() -> None:
    config = tf.ConfigProto(device_count={"CPU": 2})
    with tf.Graph().as_default(), tf.Session(config=config) as sess:
        v = tf.get_variable(
            "v",
            initializer=tf.constant(np.arange(30, dtype=np.float32).reshape(10, 3)),
            partitioner=tf.fixed_size_partitioner(3),
        )
        with tf.device("/cpu:1"):
            w = tf.Variable(7, name="w")
        sess.run(tf.global_variables_initializer())
        saver = tf.train.Saver([v, w], sharded=True, save_relative_paths=True)
        saver.save(sess, str(FOLDER / "sharded" / "m"), write_meta_graph=False)


def version_1() -> None:
    with tf.Graph().as_default(), tf.Session() as sess:
        v = tf.get_variable(
            "v",
            initializer=tf.constant(np.arange(30, dtype=np.float32).reshape(10, 3)),
            partitioner=tf.fixed_size_partitioner(3),
        )
        others = [
            tf.Variable(7, name="w"),
            tf.Variable([b"", b"\xff\x00"], name="s"),
            tf.Variable(np.array([-1, 0, 127], np.int8), name="i8"),
            tf.Variable(np.array([1 - 2j], np.complex64), name="c"),
        ]
        sess.run(tf.global_variables_initializer())
        saver = tf.train.Saver([v, *others], write_version=tf.train.SaverDef.V1)
        saver.save(sess, str(FOLDER / "version_1"), write_meta_graph=False, write_state=False)


if __name__ == "__main__":
    tf.disable_v2_behavior()
    (FOLDER / "sharded").mkdir(parents=True, exist_ok=True)
    plain()
    sharded()
    version_1()
