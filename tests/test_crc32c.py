"""The CRC of many bytes is the one that google_crc32c finds, whoever computes it."""

import sys
from random import Random

import google_crc32c
import numpy as np
import pytest

from dflow import crc32c


@pytest.mark.parametrize("length", [0, 1, crc32c._LONG - 1, crc32c._LONG, 3 * crc32c._LONG + 5])
@pytest.mark.parametrize("is_found", [True, False])
def test_the_crc_is_the_one_of_google_crc32c(length: int, is_found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """is_found: whether the function of the C library is there."""
    if not is_found:
        monkeypatch.setattr(crc32c, "_extend", None)
    data = Random(length).randbytes(length + 3)
    found = crc32c.extend(0xDEADBEEF, np.frombuffer(data, np.uint8)[3:])
    assert found == google_crc32c.extend(0xDEADBEEF, data[3:])


def test_without_the_c_extension_there_is_no_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google_crc32c._crc32c", None)
    assert crc32c._function() is None
