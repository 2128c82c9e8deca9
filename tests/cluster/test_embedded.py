"""An embedded cluster: real processes on this machine, all of which end with it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dask
import psutil
import pytest
from distributed import Client

from dflow.cluster import EmbeddedCluster, target
from dflow.cluster.process import child_environment
from dflow.errors import DeadlineExceededError, UnavailableError
from tests.cluster.helpers import all_end, shared_memory

PS, WORKER = "/job:ps/task:0", "/job:worker/task:0"
STARTER = """
import signal
import psutil
from dflow.cluster import EmbeddedCluster
cluster = EmbeddedCluster(ps=0, workers=1)
print(*[process.pid for process in psutil.Process().children(recursive=True)], flush=True)
signal.pause()
"""


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert psutil.Process().children(recursive=True) == []


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster(ps=1, workers=1, virtual_gpus=3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def small() -> Iterator[EmbeddedCluster]:
    """Its worker has no Nanny and no dashboard."""
    with EmbeddedCluster(ps=0, workers=1, nanny=False, worker_dashboards=False) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: EmbeddedCluster) -> Iterator[Client]:
    cluster.wait_for_workers()
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        yield client


def by_name(client: Client, function: object) -> dict[str, object]:
    """What `function()` returns on each worker, by the worker's name."""
    names = {address: worker["name"] for address, worker in client.scheduler_info(n_workers=-1)["workers"].items()}
    return {names[address]: answer for address, answer in client.run(function).items()}


def has_a_dashboard() -> bool:  # runs on a worker
    return "distributed.dashboard.worker" in sys.modules


def descendants(cluster: EmbeddedCluster) -> list[psutil.Process]:
    guards = [psutil.Process(process.pid) for process in cluster.processes.values()]
    return [*guards, *(child for guard in guards for child in guard.children(recursive=True))]


def test_each_task_is_a_worker_of_its_name(client: Client) -> None:
    assert by_name(client, os.getpid).keys() == {PS, WORKER}


def test_only_the_job_worker_has_virtual_gpus(client: Client) -> None:
    found = by_name(client, lambda: dask.config.get("dflow.virtual-gpus", None))
    assert found == {PS: None, WORKER: 3}


def test_the_numerical_libraries_use_one_thread_a_worker(client: Client) -> None:
    assert set(by_name(client, lambda: os.environ["OMP_NUM_THREADS"]).values()) == {"1"}


def test_all_sockets_are_on_the_loopback_interface(cluster: EmbeddedCluster) -> None:
    listening = [
        socket.laddr.ip
        for process in descendants(cluster)
        for socket in process.net_connections("inet")
        if socket.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}


def test_the_dashboard_link_leads_to_the_status_page(cluster: EmbeddedCluster) -> None:
    assert cluster.dashboard_link.startswith("http://127.0.0.1:")
    assert cluster.dashboard_link.endswith("/status")


def test_each_worker_has_a_dashboard_by_default(client: Client) -> None:
    assert by_name(client, has_a_dashboard) == {PS: True, WORKER: True}


def test_without_worker_dashboards_no_worker_has_one(small: EmbeddedCluster) -> None:
    with Client(small.scheduler_address, set_as_default=False) as client:
        assert by_name(client, has_a_dashboard) == {WORKER: False}


def test_a_worker_with_a_nanny_comes_back_after_it_was_killed(cluster: EmbeddedCluster, client: Client) -> None:
    before = by_name(client, os.getpid)
    cluster.kill_worker(WORKER)
    cluster.wait_for_workers()
    after = by_name(client, os.getpid)
    assert after.keys() == before.keys()
    assert after[PS] == before[PS]
    assert after[WORKER] != before[WORKER]


def test_a_name_that_runs_cannot_be_started_again(cluster: EmbeddedCluster) -> None:
    with pytest.raises(ValueError, match=f"a worker named '{WORKER}' runs already"):
        cluster.start_worker(WORKER)


def test_killing_an_unknown_worker_names_the_known_ones(cluster: EmbeddedCluster) -> None:
    with pytest.raises(ValueError, match=f"no worker is named 'scheduler'; there are .*{PS}.*{WORKER}"):
        cluster.kill_worker("scheduler")


def test_without_a_nanny_a_killed_worker_comes_back_when_it_is_started(small: EmbeddedCluster) -> None:
    small.kill_worker(WORKER)
    assert small.processes.keys() == {"scheduler"}
    small.start_worker(WORKER)
    small.start_worker("extra", virtual_gpus=2)
    small.wait_for_workers()
    with Client(small.scheduler_address, set_as_default=False) as client:
        gpus = by_name(client, lambda: dask.config.get("dflow.virtual-gpus", None))
    assert gpus == {WORKER: 1, "extra": 2}
    small.processes.pop("extra").close()


def test_closing_ends_all_processes_and_removes_their_files() -> None:
    cluster = EmbeddedCluster(ps=0, workers=1, worker_dashboards=False)
    processes, folder = descendants(cluster), cluster.log_file("scheduler").parent
    assert folder.is_dir()
    cluster.close()
    all_end(processes)
    assert not folder.exists()
    cluster.close()
    with pytest.raises(UnavailableError, match="this cluster is closed"):
        cluster.start_worker(WORKER)


def test_closing_does_not_wait_for_a_process_that_hangs() -> None:
    cluster = EmbeddedCluster(ps=0, workers=1, grace=0.1, worker_dashboards=False)
    processes = descendants(cluster)
    for process in processes:
        if process.pid not in {guard.pid for guard in cluster.processes.values()}:
            process.suspend()
    cluster.close()
    all_end(processes)


def test_a_process_that_ends_early_is_an_error_with_the_end_of_its_log() -> None:
    with pytest.raises(UnavailableError, match=r"(?s)/job:worker/task:0 ended with exit code 2.*'many'"):
        EmbeddedCluster(ps=0, workers=1, nthreads="many")  # type: ignore[arg-type]


def test_a_scheduler_that_is_lost_is_an_error() -> None:
    with EmbeddedCluster(ps=0, workers=0) as cluster:
        cluster.processes["scheduler"].close()
        with pytest.raises(UnavailableError, match="ended with exit code 137"):
            cluster.wait_for_workers()


def test_a_start_that_takes_too_long_is_an_error_and_leaves_nothing() -> None:
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(DeadlineExceededError, match="not ready after 0 s"):
        EmbeddedCluster(ps=0, workers=1, timeout=0)
    assert set(psutil.Process().children(recursive=True)) <= before


def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    env = {**child_environment(), "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, env=env)
    assert parent.stdout is not None
    with parent, parent.stdout:
        processes = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(processes) >= 5  # two guards, the scheduler, the Nanny, its worker
        shared = shared_memory(processes)
        assert shared if sys.platform == "linux" else True
        parent.kill()
        all_end(processes)
    assert [file for file in shared if file.exists()] == []
    assert list(tmp_path.iterdir()) == []


def test_the_target_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DFLOW_TARGET", raising=False)
    assert target() == ""
    monkeypatch.setenv("DFLOW_TARGET", "tcp://127.0.0.1:8786")
    assert target() == "tcp://127.0.0.1:8786"
