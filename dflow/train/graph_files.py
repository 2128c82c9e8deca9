"""Graphs in files, as bytes or as text.

Source: tf.train.write_graph and meta_graph.read_meta_graph_file of TensorFlow 1.15.
"""

from __future__ import annotations

import os
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from dflow.checkpoints import files
from dflow.graph import Graph
from dflow.graph_proto import MetaGraphDef

__all__ = ["write_graph"]


def write_graph(graph_or_graph_def: Any, logdir: str, name: str, as_text: bool = True) -> str:
    """Write a graph, or a message such as a GraphDef, to a file of a folder; gives its path.

    logdir: is made if it is not there; a local path, or a URL of any file system that fsspec knows.
    as_text: as text in the format of protocol buffers, otherwise as bytes.
    """
    message = graph_or_graph_def.as_graph_def() if isinstance(graph_or_graph_def, Graph) else graph_or_graph_def
    path = os.path.join(os.fspath(logdir), name)
    write_message(message, path, as_text)
    return path


def write_message(message: Any, path: str, as_text: bool) -> None:
    """Write a message to a file, at once; its folder is made if it is not there."""
    folder = os.path.dirname(path)
    if folder and not files.is_directory(folder):
        files.make_directories(folder)
    data = text_format.MessageToString(message).encode() if as_text else message.SerializeToString()
    files.replace(path, data)


def read_meta_graph_file(filename: str) -> Any:
    """The MetaGraphDef in a file, of bytes or of text; IOError if it is missing, or holds something else."""
    filename = os.fspath(filename)
    if not files.exists(filename):
        raise OSError(f"File {filename} does not exist.")
    data = files.read(filename)
    try:
        return MetaGraphDef.FromString(data)
    except DecodeError:
        pass
    try:
        return text_format.Merge(data.decode(), MetaGraphDef())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise OSError(f"Cannot parse file {filename}: {error}.") from None
