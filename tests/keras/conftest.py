"""Each test builds in a graph of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dflow.graph import Graph


@pytest.fixture(autouse=True)
def graph() -> Iterator[Graph]:
    with Graph().as_default() as made:
        yield made
