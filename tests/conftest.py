"""What all tests share: compilers check their passes, graphs start empty."""

import os
import signal
import sys

os.environ["DFLOW_CHECK"] = "1"

from collections.abc import Iterator

import pytest
import pytest.__main__
from hypothesis import HealthCheck, settings

import dflow as df

# A busy machine may take long over any example.
settings.register_profile("dflow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dflow")

# A process of pytest-xdist has no script: dflow would take all that lies in the current folder for the user's program,
# and send it by value.  With pytest's own script it does as without pytest-xdist.
if "PYTEST_XDIST_WORKER" in os.environ:
    sys.modules["__main__"].__file__ = pytest.__main__.__file__

# A shell's "&" ignores Ctrl-C, and the programs that the tests start would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _empty_graph() -> Iterator[None]:
    """Each test starts with an empty default graph."""
    with df.Graph().as_default():
        yield
