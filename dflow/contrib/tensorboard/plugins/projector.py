"""What TensorBoard's projector shows: embeddings, which it reads from a checkpoint.

Source: tf.contrib.tensorboard.plugins.projector of TensorFlow 1.15.
"""

from __future__ import annotations

import os
from typing import Any

from google.protobuf import text_format

from dflow.gfile import file_io
from dflow.protos import messages

__all__ = ["EmbeddingInfo", "ProjectorConfig", "SpriteMetadata", "visualize_embeddings"]

SpriteMetadata, EmbeddingInfo, ProjectorConfig = messages(
    "projector_config.proto",
    {
        "SpriteMetadata": [("image_path", 1, "string"), ("single_image_dim", 2, "repeated uint32")],
        "EmbeddingInfo": [
            ("tensor_name", 1, "string"),
            ("metadata_path", 2, "string"),
            ("bookmarks_path", 3, "string"),
            ("tensor_shape", 4, "repeated uint32"),
            ("sprite", 5, "SpriteMetadata"),
            ("tensor_path", 6, "string"),
        ],
        "ProjectorConfig": [
            ("model_checkpoint_path", 1, "string"),
            ("embeddings", 2, "repeated EmbeddingInfo"),
            ("model_checkpoint_dir", 3, "string"),
        ],
    },
    __name__,
)


def visualize_embeddings(summary_writer: Any, config: Any) -> None:
    """Write a ProjectorConfig beside the events of a FileWriter, where TensorBoard looks for it.

    ValueError for a writer without a folder.
    """
    logdir = summary_writer.get_logdir()
    if logdir is None:
        raise ValueError("Summary writer must have a logdir")
    path = os.path.join(logdir, "projector_config.pbtxt")
    file_io.write_string_to_file(path, text_format.MessageToString(config))
