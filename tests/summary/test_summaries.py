"""Summaries: tags, names, collections and values.  `tests/oracle/programs/summaries.py` compares with TensorFlow."""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np
import pytest
from PIL import Image

import dflow as df
from dflow.ops.summary import audio, histogram, image, scalar


def values_of(summary: Any, feeds: Any = None) -> Any:
    with df.Session() as sess:
        return df.Summary.FromString(sess.run(summary, feeds)).value


def test_a_scalar_has_the_tag_and_the_name_of_its_scope() -> None:
    with df.name_scope("outer"):
        plain, family = df.summary.scalar("a b", 2), df.summary.scalar("loss", df.Variable(1.5), family="train")
    assert (plain.op.name, family.op.name, plain.op.type) == ("outer/a_b", "outer/train/loss", "ScalarSummary")
    assert [(it.tag, it.simple_value) for it in values_of(plain)] == [("outer/a_b", 2.0)]
    assert df.get_collection(df.GraphKeys.SUMMARIES) == [plain, family]
    other = df.summary.scalar("other", 1.0, collections=["mine"])
    assert df.get_collection("mine") == [other]
    assert df.summary.merge_all("nobody") is None
    with df.Session() as sess, pytest.raises(df.errors.InvalidArgumentError, match="not the same shape"):
        sess.run(df.summary.scalar("two", [1.0, 2.0]))


def test_merged_summaries_have_the_values_of_all() -> None:
    a, b = df.summary.scalar("a", 1.0), df.summary.scalar("b", 2.0)
    assert [it.tag for it in values_of(df.summary.merge([a, b]))] == ["a", "b"]
    assert [it.tag for it in values_of(df.summary.merge_all(scope="b"))] == ["b"]
    with df.Session() as sess:
        for wrong, says in (([a, a], "Duplicate tag a"), ([b"\xff"], "Could not parse")):
            with pytest.raises(df.errors.InvalidArgumentError, match=says):
                sess.run(df.summary.merge(wrong))
    for wrong, error in ((a, TypeError), ([], ValueError)):
        with pytest.raises(error):
            df.summary.merge(wrong)


def test_a_histogram_counts_the_values_between_its_bounds() -> None:
    numbers = np.array([-1.0, 0.0, 0.0, 2.0, 2.01], np.float32)
    (value,) = values_of(df.summary.histogram("h", numbers))
    histo = value.histo
    assert (histo.min, histo.max, histo.num, histo.sum) == (-1.0, pytest.approx(2.01), 5.0, pytest.approx(3.01))
    assert sum(histo.bucket) == 5
    bounds = np.array([-np.inf, *histo.bucket_limit])
    counted = np.histogram(numbers.astype(float), bounds)[0]
    assert counted.tolist() == list(histo.bucket)
    with df.Session() as sess:
        for wrong in (np.nan, np.inf):
            with pytest.raises(df.errors.InvalidArgumentError, match="in summary histogram for: h"):
                sess.run(df.summary.histogram("h", wrong))


def test_images_are_pngs_of_their_pixels() -> None:
    pixels = np.random.default_rng(1).integers(256, size=(4, 3, 5, 3)).astype(np.uint8)
    found = values_of(df.summary.image("img", pixels))
    assert [(it.tag, it.image.height, it.image.width, it.image.colorspace) for it in found] == [
        (f"img/image/{i}", 3, 5, 3) for i in range(3)
    ]
    again = np.asarray(Image.open(io.BytesIO(found[1].image.encoded_image_string)))
    np.testing.assert_array_equal(again, pixels[1])


def test_floating_images_are_scaled_and_bad_pixels_are_red() -> None:
    numbers = np.array([[[[-1.0] * 3, [0.5] * 3, [np.nan, 0.0, 0.0]]]], np.float32)
    (value,) = values_of(df.summary.image("img", numbers, max_outputs=1))
    assert value.tag == "img/image"
    again = np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string)))
    assert again.tolist() == [[[1] * 3, [191] * 3, [255, 0, 0]]]


def test_sounds_are_wav_files_of_16_bits() -> None:
    frames = np.array([[[0.5, -0.5], [2.0, -2.0]]], np.float32)
    (value,) = values_of(df.summary.audio("s", frames, 8000.0, max_outputs=1))
    sound = value.audio
    assert (sound.sample_rate, sound.num_channels, sound.length_frames, sound.content_type) == (8000, 2, 2, "audio/wav")
    with wave.open(io.BytesIO(sound.encoded_audio_string)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 2, 2)
        assert np.frombuffer(file.readframes(2), "<i2").tolist() == [16384, -16384, 32767, -32768]


def test_tensors_and_texts_keep_their_dtype_and_say_what_shows_them() -> None:
    (text,) = values_of(df.summary.text("words", df.constant(["a", "b"])))
    assert text.metadata.plugin_data.plugin_name == "text"
    assert df.make_ndarray(text.tensor).tolist() == [b"a", b"b"]
    (tensor,) = values_of(df.summary.tensor_summary("t", [1.5], "what", display_name="T"))
    assert (tensor.metadata.summary_description, tensor.metadata.display_name) == ("what", "T")
    with pytest.raises(ValueError, match="to have dtype string"):
        df.summary.text("no text", 1.0)
    node = df.NodeDef(op="TensorSummary")
    node.attr["description"].s = b'{"typeHint": "x"}'
    assert df.summary.get_summary_description(node) == df.summary.SummaryDescription(type_hint="x")
    with pytest.raises(ValueError, match="Can't get_summary_description on Add"):
        df.summary.get_summary_description(df.NodeDef(op="Add"))


def test_the_old_forms_have_tensors_for_tags() -> None:
    pixels, sound = np.zeros([1, 2, 2, 1], np.uint8), np.zeros([1, 2], np.float32)
    for summary, tags in (
        (scalar.scalar_summary(["a", "b"], [1.0, 2.0]), ["a", "b"]),
        (histogram.histogram_summary("h", [1.0], name="mine"), ["h"]),
        (image.image_summary("i", pixels), ["i/image/0"]),
        (audio.audio_summary("s", sound, 8000.0), ["s/audio/0"]),
    ):
        assert [it.tag for it in values_of(summary)] == tags
