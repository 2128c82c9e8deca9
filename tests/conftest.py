"""What all tests share: compilers check their passes, graphs start empty."""

import os

os.environ["DFLOW_CHECK"] = "1"

from collections.abc import Iterator

import pytest

import dflow as df


@pytest.fixture(autouse=True)
def _empty_graph() -> Iterator[None]:
    """Each test starts with an empty default graph."""
    with df.Graph().as_default():
        yield
