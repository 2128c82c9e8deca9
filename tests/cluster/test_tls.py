"""A cluster of plain `dask scheduler` and `dask worker` commands with TLS: what crosses is encrypted, and as fast."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from distributed import Client
from distributed.security import Security

import dflow as df
from dflow.cluster.process import GuardedProcess, child_environment
from tests.cluster.helpers import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is no address of the machine")

ROLES = ("client", "worker", "scheduler")
W0 = "/job:worker/task:0/cpu:0"
W1 = "/job:worker/task:1/cpu:0"
SCRIPT = """
import dflow as df

x = df.placeholder("float32", shape=[])
with df.Session(df.cluster.target()) as session:
    print(session.run(x + 2.0, {x: 40.0}))
"""


def certificates(folder: Path) -> dict[str, Any]:
    """Settings of Dask with certificates of their own, in files."""
    security = Security.temporary()
    (folder / "certificate.pem").write_text(security.tls_ca_file)
    (folder / "key.pem").write_text(security.tls_client_key)
    cert, key = str(folder / "certificate.pem"), str(folder / "key.pem")
    roles = {f"tls.{role}.{kind}": path for role in ROLES for kind, path in (("cert", cert), ("key", key))}
    found = {"require-encryption": True, "tls.ca-file": cert, **roles}
    return {f"distributed.comm.{name}": value for name, value in found.items()}


def variables(settings: dict[str, Any]) -> dict[str, str]:
    """The settings as environment variables."""
    return {f"DASK_{name.upper().replace('.', '__').replace('-', '_')}": str(value) for name, value in settings.items()}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def target(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The scheduler of two workers, which take this process, and each other, for processes of other hosts."""
    folder = tmp_path_factory.mktemp("cluster")
    found = folder / "scheduler.json"
    environment = child_environment() | variables(settings)
    options = ["--scheduler-file", str(found), "--no-dashboard"]

    def start(*command: str) -> GuardedProcess:
        with (folder / "log").open("ab") as log:
            return GuardedProcess([sys.executable, "-m", "dask", *command, *options], env=environment, stderr=log)

    started = [start("scheduler", "--host", "127.0.0.1", "--port", "0", "--protocol", "tls")]
    try:
        eventually(found.exists, lambda: (folder / "log").read_text())
        for i, host in enumerate(("127.0.0.2", "127.0.0.3")):
            name = f"/job:worker/task:{i}"
            started.append(start("worker", "--host", host, "--name", name, "--nthreads", "1", "--no-nanny"))
        address = str(json.loads(found.read_text())["address"])
        assert address.startswith("tls://")
        with dask.config.set(settings), Client(address, set_as_default=False) as client:
            client.wait_for_workers(2)
        yield address
    finally:
        for process in started:
            process.close()


@pytest.fixture
def session(settings: dict[str, Any], target: str) -> Iterator[df.Session]:
    with dask.config.set(settings), df.Session(target, df.Graph()) as session, session.graph.as_default():
        yield session


def links(dask_worker: Any) -> list[str]:
    """The classes of the links that carry the channels of a worker."""
    return [channel.link for channel in dask_worker.plugins["dflow"].process.held().channels.values()]


def test_everything_crosses_encrypted_and_without_an_event_loop(session: df.Session) -> None:
    sent = np.arange(1 << 17, dtype=np.float64)
    x = df.placeholder("float64", shape=[None])
    with df.device(W0):
        doubled = x * 2.0
        queue = df.FIFOQueue(2, ["float64"], shapes=[sent.shape])
        put = queue.enqueue([doubled])
    with df.device(W1):
        back = queue.dequeue() + 1.0
    for _ in range(3):  # the first time as a Dask graph
        session.run(put, {x: sent})
        np.testing.assert_array_equal(session.run(back), sent * 2 + 1)
    client: Any = session.backend.client  # type: ignore[attr-defined]
    here = {channel.link for channel in session.backend.held().process.channels.values()}
    assert here == {"TlsLink"}
    found = client.run(links)
    assert len(found) == 2
    assert all(set(kinds) == {"TlsLink"} and len(kinds) == 2 for kinds in found.values()), found


def test_a_loop_feeds_a_queue_of_another_worker(session: df.Session) -> None:
    with df.device(W0):
        queue = df.FIFOQueue(10, ["int64"], shapes=[[]])
        count = df.Variable(0, dtype="int64", name="count")
        value = count.assign_add(1)
    with df.device(W1):
        put = queue.enqueue([df.identity(value)])
    session.run(count.initializer)
    loop = session.repeat(put, steps=50, device=W1)
    assert list(session.run(queue.dequeue_many(50))) == list(range(1, 51))
    loop.join(20)


def test_whose_certificate_is_another_one_is_not_let_in(target: str, tmp_path: Path) -> None:
    limited = df.ConfigProto(operation_timeout_in_ms=2000)
    with dask.config.set(certificates(tmp_path)), pytest.raises(df.errors.UnavailableError, match="certificate"):
        df.Session(target, config=limited)


def test_who_has_no_certificate_is_told_so(target: str) -> None:
    with pytest.raises(df.errors.UnavailableError, match=r"wants TLS, .* names no certificates"):
        df.Session(target)


def test_who_wants_encryption_does_not_connect_without(settings: dict[str, Any], target: str) -> None:
    plain = target.replace("tls://", "tcp://")
    with dask.config.set(settings), pytest.raises(df.errors.UnavailableError, match="require-encryption"):
        df.Session(plain)


def test_a_script_is_submitted_with_the_certificates(settings: dict[str, Any], target: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "dflow", "submit", "--scheduler", target, str(script)]
    done = subprocess.run(command, env=child_environment() | variables(settings), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "42.0" in done.stdout
    refused = subprocess.run(command, env=child_environment(), capture_output=True, text=True)
    assert refused.returncode != 0
    assert "names no certificates" in refused.stderr
    assert "Traceback" not in refused.stderr
