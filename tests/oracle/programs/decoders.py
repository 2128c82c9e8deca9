"""Connectionist temporal classification: the loss and the decoders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error, session

RNG = np.random.RandomState(5)
LOGITS = RNG.normal(scale=2.0, size=(7, 4, 5)).astype(np.float32)
LENGTHS = np.array([7, 5, 3, 6], np.int32)
INDICES = np.array([[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [2, 0], [3, 0], [3, 1]], np.int64)
VALUES = np.array([0, 1, 1, 2, 2, 1, 3, 0], np.int32)


def loss(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(LOGITS)
    labels = tf.SparseTensor(INDICES, VALUES, [4, 3])
    found = {}
    with session(tf) as sess:
        for collapse, merge in ((False, True), (True, True), (True, False)):
            result = tf.nn.ctc_loss(labels, x, LENGTHS, collapse, merge)
            found[f"{collapse} {merge}"] = sess.run([result, tf.gradients(result, x)[0]])
        swapped = tf.nn.ctc_loss(labels, tf.transpose(x, [1, 0, 2]), LENGTHS, time_major=False)
        short = tf.nn.ctc_loss(labels, x, [2, 5, 3, 6], ignore_longer_outputs_than_inputs=True)
        found["swapped"], found["ignored"] = sess.run([swapped, short])
        found["gradient of ignored"] = sess.run(tf.gradients(short, x)[0])
        found["too short"] = kind_of_error(
            lambda: sess.run(tf.nn.ctc_loss(labels, x, [2, 5, 3, 6])), "Not enough time for target transition sequence"
        )
        wrong = tf.SparseTensor(INDICES, np.array([4, 1, 1, 2, 2, 1, 3, 0], np.int32), [4, 3])
        found["null label"] = kind_of_error(
            lambda: sess.run(tf.nn.ctc_loss(wrong, x, LENGTHS)), "Saw a non-null label", "following a null label"
        )
        empty = tf.SparseTensor(INDICES[:3], VALUES[:3], [4, 3])
        found["no labels"] = kind_of_error(
            lambda: sess.run(tf.nn.ctc_loss(empty, x, LENGTHS)), "Labels length is zero in batch 1"
        )
        found["too long"] = kind_of_error(lambda: sess.run(tf.nn.ctc_loss(labels, x, [9, 5, 3, 6])))
    found["dense"] = kind_of_error(lambda: tf.nn.ctc_loss(VALUES, x, LENGTHS))
    return found


def greedy_decoder(tf: Any, folder: Path) -> dict[str, Any]:
    with session(tf) as sess:
        return {
            str(merge): sess.run(tf.nn.ctc_greedy_decoder(tf.constant(LOGITS), LENGTHS, merge))
            for merge in (True, False)
        }


def beam_search_decoder(tf: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for width, paths, merge in ((100, 1, True), (100, 3, False), (5, 2, True), (2, 2, False), (1, 1, False)):
            decoder = tf.nn.ctc_beam_search_decoder(tf.constant(LOGITS), LENGTHS, width, paths, merge)
            found[f"{width} {paths} {merge}"] = sess.run(decoder)
        found["too many"] = kind_of_error(
            lambda: sess.run(tf.nn.ctc_beam_search_decoder(tf.constant(LOGITS), LENGTHS, 1, 2)),
            "requested more paths than the beam width",
        )
    return found


def dense_labels(tf: Any, folder: Path) -> dict[str, Any]:
    labels = tf.constant([[1, 2, 2], [3, 3, 0], [1, 0, 0], [4, 1, 0]])
    x = tf.constant(LOGITS)
    lengths = [3, 2, 1, 2]
    found = {}
    with session(tf) as sess:
        for blank in (None, 0, -1):
            shifted = labels if blank != -1 else labels - 1
            loss = tf.nn.ctc_loss_v2(shifted, x, lengths, LENGTHS, blank_index=blank)
            found[str(blank)] = sess.run([loss, tf.gradients(loss, x)[0]])
        sparse = tf.SparseTensor(INDICES, VALUES, [4, 3])
        swapped = tf.transpose(x, [1, 0, 2])
        found["sparse"] = sess.run(tf.nn.ctc_loss_v2(sparse, swapped, None, LENGTHS, False, blank_index=4))
        found["unique"] = sess.run(tf.nn.ctc_unique_labels(labels))
        found["collapsed"] = sess.run(tf.nn.collapse_repeated(labels, lengths))
    found["no blank"] = kind_of_error(lambda: tf.nn.ctc_loss_v2(sparse, x, None, LENGTHS))
    return found
