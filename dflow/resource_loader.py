"""Files beside the modules of a program: `df.resource_loader`.  Source: tf.resource_loader of TensorFlow 1.15."""

from __future__ import annotations

import os
import sys

__all__ = [
    "get_data_files_path",
    "get_path_to_datafile",
    "get_root_dir_with_all_resources",
    "load_resource",
    "readahead_file_path",
]

_ROOT = os.path.dirname(os.path.abspath(__file__))


def get_data_files_path() -> str:
    """The folder of the module that calls."""
    return _folder_of_caller()


def get_path_to_datafile(path: str) -> str:
    """The path of a file that is given relative to the module that calls."""
    return os.path.join(_folder_of_caller(), path)


def get_root_dir_with_all_resources() -> str:
    """The folder of the module that calls."""
    return _folder_of_caller()


def load_resource(path: str) -> bytes:
    """The contents of a file that is given relative to dflow's folder; FileNotFoundError if there is none."""
    with open(os.path.join(_ROOT, path), "rb") as file:
        return file.read()


def readahead_file_path(path: str, readahead: str = "128M") -> str:
    """The path itself: files are read ahead as the system does."""
    return path


def _folder_of_caller() -> str:
    return os.path.dirname(os.path.abspath(sys._getframe(2).f_code.co_filename))
