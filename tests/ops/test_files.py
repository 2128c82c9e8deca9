"""Files that an operation reads and writes whole."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import dflow as tf


def test_files_are_read_and_written_whole(tmp_path: Path) -> None:
    path, other = str(tmp_path / "folder" / "inner" / "a.txt"), str(tmp_path / "b.txt")
    name = tf.placeholder(tf.string, [])
    content = tf.read_file(name)
    write = tf.write_file(name, tf.constant("text"))
    names = tf.matching_files(str(tmp_path / "*.txt"))
    assert [content.shape.as_list(), names.shape.as_list(), content.dtype] == [[], [None], tf.string]
    with tf.Session() as sess:
        sess.run(write, {name: path})
        sess.run(tf.write_file(other, b"\x00\xff"))
        assert sess.run(content, {name: path}) == b"text"
        assert sess.run(content, {name: other}) == b"\x00\xff"
        sess.run(write, {name: other})
        assert sess.run([tf.io.read_file(other), names]) == [b"text", [other.encode()]]
        with pytest.raises(tf.errors.NotFoundError, match="missing; No such file or directory"):
            sess.run(content, {name: str(tmp_path / "missing")})
        with pytest.raises(tf.errors.FailedPreconditionError, match="Is a directory"):
            sess.run(content, {name: str(tmp_path)})
        before = time.time()
        assert before <= sess.run(tf.timestamp()) <= time.time()


def test_whole_files_have_one_name_and_tensorflows_names() -> None:
    read, write = tf.read_file("a"), tf.write_file("a", "b", name="put")
    assert [x.name for x in read.op.inputs] == ["ReadFile/filename:0"]
    assert (write.name, [x.name for x in write.inputs]) == ("put", ["put/filename:0", "put/contents:0"])
    with pytest.raises(ValueError, match="Shape must be rank 0 but is rank 1"):
        tf.read_file(["a"])
    with pytest.raises(TypeError):
        tf.read_file(3)  # type: ignore[arg-type, unused-ignore]
