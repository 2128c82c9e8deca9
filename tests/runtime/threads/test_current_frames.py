"""`sys._current_frames` of workers and schedulers makes no garbage collection, in Pythons that need that."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dflow.runtime.threads.current_frames import MENDED, make_current_frames_safe, without_collection

# Threads start and end while garbage is made whose collection runs Python code.
THREADS = """
import gc, sys, threading, time, weakref
from dflow.runtime.threads.current_frames import without_collection

class Node:
    def __del__(self):
        sum(range(2000))

def garbage():
    node = Node()
    node.itself = node

frames = {frames}
gc.set_threshold(20)
sys.setswitchinterval(1e-6)
until = time.monotonic() + {seconds}

def start():
    while time.monotonic() < until:
        thread = threading.Thread(target=garbage)
        thread.start()
        thread.join()

starters = [threading.Thread(target=start) for _ in range(4)]
for thread in starters:
    thread.start()
while time.monotonic() < until:
    garbage()
    frames()
for thread in starters:
    thread.join()
"""


@pytest.fixture
def current_frames() -> Iterator[None]:
    before = sys._current_frames
    yield
    sys._current_frames = before


def test_there_is_no_collection_inside_and_as_many_as_before_afterwards() -> None:
    def fails() -> None:
        raise KeyError(gc.isenabled())

    assert without_collection(gc.isenabled)() is False
    with pytest.raises(KeyError, match="False"):
        without_collection(fails)()
    assert gc.isenabled()
    gc.disable()
    try:
        without_collection(dict)()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_only_a_python_with_the_fault_is_changed_and_once(current_frames: None) -> None:
    before = sys._current_frames = dict
    make_current_frames_safe(MENDED)
    assert sys._current_frames is before
    make_current_frames_safe((3, 11, 11))
    make_current_frames_safe((3, 11, 11))
    assert sys._current_frames.__wrapped__ is before


def test_threads_that_start_and_end_meanwhile_do_not_stop_the_process() -> None:
    """With `sys._current_frames` as it is, Python 3.11.7 stands still in two of three such programs of 2 s."""
    program = THREADS.format(frames="without_collection(sys._current_frames)", seconds=1.0)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
