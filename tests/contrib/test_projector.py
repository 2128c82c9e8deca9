"""The projector of TensorBoard: `tf.contrib.tensorboard.plugins.projector`."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format

import dflow as tf
from dflow.contrib.tensorboard.plugins import projector


def test_the_embeddings_to_show_are_written_beside_the_events(tmp_path: Path) -> None:
    config = tf.contrib.tensorboard.plugins.projector.ProjectorConfig(model_checkpoint_path="model")
    embedding = config.embeddings.add()
    embedding.tensor_name = tf.Variable(tf.zeros([3, 2]), name="words").name
    embedding.metadata_path = "words.tsv"
    embedding.sprite.CopyFrom(projector.SpriteMetadata(image_path="a.png", single_image_dim=[3, 4]))
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        projector.visualize_embeddings(writer, config)
    text = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_name: "words:0"' in text
    assert text_format.Parse(text, projector.ProjectorConfig()) == config
    assert config.embeddings[0] == projector.EmbeddingInfo(
        tensor_name="words:0", metadata_path="words.tsv", sprite=embedding.sprite
    )
