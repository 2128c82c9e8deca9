"""Is somebody there?  Asked before a client tries, which waits long."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from distributed.comm import listen

from dflow.cluster.scheduler import is_refused

pytestmark = pytest.mark.timeout(30)


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"tcp://127.0.0.1:{taken.getsockname()[1]}"


def test_an_address_where_nobody_listens_is_refused() -> None:
    assert is_refused(free_address(), 0.2)


def test_a_process_that_is_there_but_does_not_answer_is_not_refused() -> None:
    """A machine that is slow: the client may wait for it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not is_refused(f"tcp://127.0.0.1:{silent.getsockname()[1]}", 0.2)


def test_a_scheduler_that_is_about_to_start_is_not_refused() -> None:
    """Whichever comes first, the question or the scheduler."""
    address = free_address()

    async def asked_while_it_starts() -> bool:
        with ThreadPoolExecutor(1) as pool:
            asked = asyncio.get_running_loop().run_in_executor(pool, is_refused, address, 20)
            async with listen(address, lambda comm: comm.read()):
                return await asked

    assert not asyncio.run(asked_while_it_starts())
