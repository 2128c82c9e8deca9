"""Fixtures for the tests of loops."""

from __future__ import annotations

from typing import Any

import pytest

from dflow.runtime.device.vectorized_program import VectorizedProgram


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records each block had, of the blocks that were computed without an error."""
    taken: list[int] = []
    plain = VectorizedProgram.run

    def counted(self: VectorizedProgram, records: Any, n: int) -> Any:
        components = plain(self, records, n)
        taken.append(n)
        return components

    monkeypatch.setattr(VectorizedProgram, "run", counted)
    return taken
