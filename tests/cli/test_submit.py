"""`dflow submit`: real scripts, on real clusters."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from dflow.cluster.process import child_environment
from tests.cluster.helpers import all_end, quick_cluster, shared_memory

SUBMIT = [sys.executable, "-m", "dflow", "submit"]
PTY = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"

# Waits until it is told to stop, then says how often it was told.
WAITS = """
import signal
interrupts = []
def interrupt(number, frame):
    interrupts.append(number)
    raise KeyboardInterrupt
signal.signal(signal.SIGINT, interrupt)
try:
    print("ready", flush=True)
    signal.pause()
finally:
    print(f"closed after {len(interrupts)}", flush=True)
"""
IGNORES = """
import signal
signal.signal(signal.SIGINT, lambda *_: print("not yet", flush=True))
print("ready", flush=True)
while True:
    signal.pause()
"""
# Teaches the scheduler to answer `dflow_snapshot`, then waits for a line on stdin.
REPORTS = """
import sys
from dask.distributed import Client, SchedulerPlugin
from dflow.cluster import target
from dflow.cluster.target import new_session

mine = new_session()

class Reporter(SchedulerPlugin):
    name = "reporter"

    def start(self, scheduler):
        queue = {"name": "shuffle", "device": "d", "size": 3, "capacity": 8, "closed": False}
        queue |= {"sessions": [mine]}
        other = {**queue, "name": "other", "sessions": []}
        loop = {"id": "a", "name": "train", "device": "d", "iterations": 120, "state": "running"}
        loop |= {"session": mine, "values": {"loss": 0.5}}
        empty = {"time": 1.0, "containers": [], "devices": [], "readers": [{"records": 77, "sessions": [mine]}]}
        scheduler.handlers["dflow_snapshot"] = lambda: {**empty, "queues": [queue, other], "loops": [loop]}

with Client(target()) as client:
    print("reporting", flush=True)
    client.register_plugin(Reporter())
    sys.stdin.readline()
print("\\x1b[1mended\\x1b[0m")
"""
# Has a queue that others may use, until there is a line on stdin.
USES_A_QUEUE = """
import dflow as df

with df.Session(df.cluster.target()) as sess:
    sess.run(df.FIFOQueue(9, df.float32, [], shared_name="mine").enqueue(1.0))
    input()
"""
LINE = "77 records | queue shuffle 3/8 | train on d 120 steps, loss 0.5"


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = set(psutil.Process().children(recursive=True))  # of other tests: multiprocessing's tracker of resources
    yield
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(ps=0) as cluster:
        yield cluster


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Where a test writes its script: outside the current folder."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    return folder / "script.py"


@contextlib.contextmanager
def started(*command: object, stderr: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """A command with pipes; killed at the end of the block if it still runs."""
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**child_environment(), "COLUMNS": "200", "TERM": "xterm"},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def submitted(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`dflow submit` to its end."""
    with started(*SUBMIT, *arguments) as process:
        out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def read_until(process: subprocess.Popen[str], text: str, *, stderr: bool = False) -> str:
    """What the process writes, up to the line that holds `text`."""
    stream = process.stderr if stderr else process.stdout
    assert stream is not None
    read = ""
    for line in stream:
        read += line
        if text in line:
            return read
    pytest.fail(f"it ended without writing {text!r}, but:\n{read}")


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def on(cluster: EmbeddedCluster) -> tuple[str, str]:
    return "--scheduler", cluster.scheduler_address


def test_the_script_gets_its_arguments_also_those_that_look_like_options(
    cluster: EmbeddedCluster, script: Path
) -> None:
    script.write_text("import sys; print(sys.argv)")
    ended = submitted(script, *on(cluster), "--", "a b", "--ps", "3")
    assert ended.stdout == f"{[str(script), 'a b', '--ps', '3']}\n"
    assert ended.returncode == 0


def test_the_script_finds_the_address_of_the_cluster(cluster: EmbeddedCluster, script: Path) -> None:
    script.write_text("from dflow.cluster import target; print(target())")
    assert submitted(script, *on(cluster)).stdout == f"{cluster.scheduler_address}\n"


def test_an_address_without_protocol_is_completed(cluster: EmbeddedCluster, script: Path) -> None:
    script.write_text("from dflow.cluster import target; print(target())")
    short = cluster.scheduler_address.removeprefix("tcp://")
    assert submitted(script, "--scheduler", short).stdout == f"{cluster.scheduler_address}\n"


def test_the_script_imports_the_module_beside_it(cluster: EmbeddedCluster, script: Path) -> None:
    script.with_name("beside.py").write_text("answer = 42")
    script.write_text("import sys, beside; print(beside.answer, sys.path[0])")
    assert submitted(script, *on(cluster)).stdout == f"42 {script.parent}\n"


def test_the_exit_code_is_the_scripts(cluster: EmbeddedCluster, script: Path) -> None:
    script.write_text("raise SystemExit(7)")
    assert submitted(script, *on(cluster)).returncode == 7


def test_a_script_that_a_signal_ends_gives_128_and_its_number(cluster: EmbeddedCluster, script: Path) -> None:
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    assert submitted(script, *on(cluster)).returncode == 128 + signal.SIGTERM


def test_a_script_that_raises_shows_its_own_traceback_only(cluster: EmbeddedCluster, script: Path) -> None:
    script.write_text("def f():\n    raise ValueError('mine')\nf()\n")
    ended = submitted(script, *on(cluster), "--no-progress")
    assert ended.returncode == 1
    traceback = ended.stderr.partition("\n")[2]  # after the line that names the cluster
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert traceback.endswith("ValueError: mine\n")
    assert {line.split('"')[1] for line in traceback.splitlines() if "File" in line} == {str(script)}


def test_the_link_to_the_dashboard_is_shown(cluster: EmbeddedCluster, script: Path) -> None:
    script.write_text("")
    link = cluster.dashboard_link.removesuffix("/status") + "/dflow"
    expected = f"dflow: scheduler at {cluster.scheduler_address}, dashboard at {link}\n"
    assert submitted(script, *on(cluster), "--no-progress").stderr == expected


def test_no_scheduler_at_the_address_is_one_line_and_exit_code_2(script: Path) -> None:
    script.write_text("print('ran')")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        silent = submitted(script, "--scheduler", address)
    for ended, reason in [
        (silent, "no answer within 5 s"),
        (submitted(script, "--scheduler", address), "nobody listens there"),
    ]:
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == f"Error: cannot reach a scheduler at {address}: {reason}\n"


@pytest.mark.parametrize("address", ["nonsense://here", "127.0.0.1:x"])
def test_an_address_that_is_none_is_one_line_and_exit_code_2(script: Path, address: str) -> None:
    script.write_text("print('ran')")
    ended = submitted(script, "--scheduler", address)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)


def test_the_tasks_of_a_running_cluster_cannot_be_chosen(script: Path) -> None:
    script.write_text("")
    ended = submitted(script, "--scheduler", "127.0.0.1:1", "--ps", "2")
    assert ended.returncode == 2
    assert "--ps cannot be used with --scheduler" in ended.stderr


def test_without_an_address_a_cluster_lives_as_long_as_the_script(script: Path) -> None:
    script.write_text(
        "import sys\nfrom dask.distributed import Client\nfrom dflow.cluster import target\n"
        "with Client(target()) as client:\n"
        "    print(sorted(worker['name'] for worker in client.scheduler_info()['workers'].values()), flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    with started(*SUBMIT, script, "--workers", 1) as process:
        assert process.stdin is not None
        assert read_until(process, "job") == "['/job:ps/task:0', '/job:worker/task:0']\n"
        processes = family(process)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait() == 0
        all_end(processes)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_the_script_end_in_order(
    cluster: EmbeddedCluster, script: Path, number: signal.Signals, code: int
) -> None:
    script.write_text(WAITS)
    with started(*SUBMIT, script, *on(cluster)) as process:
        read_until(process, "ready")
        process.send_signal(number)
        read_until(process, "closed after 1")
        assert process.wait() == code


def test_a_second_ctrl_c_kills_the_script(cluster: EmbeddedCluster, script: Path) -> None:
    script.write_text(IGNORES)
    with started(*SUBMIT, script, *on(cluster), "--grace", 1000) as process:
        read_until(process, "ready")
        process.send_signal(signal.SIGINT)
        read_until(process, "not yet")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130


def test_a_script_that_does_not_end_is_killed_after_the_grace_period(cluster: EmbeddedCluster, script: Path) -> None:
    script.write_text(IGNORES)
    with started(*SUBMIT, script, *on(cluster), "--grace", 0.1) as process:
        read_until(process, "ready")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_signal_ends_the_script_and_the_embedded_cluster_and_nothing_is_left(
    script: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    script.write_text(WAITS)
    monkeypatch.setenv("TMPDIR", str(script.parent))
    with started(*SUBMIT, script, "--ps", 0, "--workers", 1, stderr=subprocess.DEVNULL) as process:
        read_until(process, "ready")
        processes = family(process)
        assert len(processes) >= 7  # guards, the scheduler, the Nanny, its worker, the script
        shared = shared_memory(processes)
        process.send_signal(number)
        assert process.wait() == code
        all_end(processes)
    assert [file for file in shared if file.exists()] == []
    assert list(script.parent.iterdir()) == [script]


def test_ctrl_c_while_the_cluster_starts_ends_it(script: Path) -> None:
    script.write_text("print('ran')")
    with started(*SUBMIT, script) as process:
        while not (processes := family(process)):
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stdout is not None
        assert process.stdout.read() == ""
        all_end(processes)


def test_without_a_terminal_progress_is_lines_on_stderr(cluster: EmbeddedCluster, script: Path) -> None:
    script.write_text(REPORTS)
    with started(*SUBMIT, script, *on(cluster)) as process:
        read_until(process, f"dflow: {LINE}\n", stderr=True)
        out, _ = process.communicate("\n")
    assert out == "reporting\n\x1b[1mended\x1b[0m\n"
    assert process.returncode == 0


def test_progress_shows_the_queues_of_the_scripts_own_sessions(cluster: EmbeddedCluster, script: Path) -> None:
    script.write_text(USES_A_QUEUE)
    with df.Session(cluster.scheduler_address) as sess:
        sess.run(df.FIFOQueue(5, df.float32, [], shared_name="other").enqueue(1.0))
        with started(*SUBMIT, script, *on(cluster)) as process:
            lines = read_until(process, "queue mine", stderr=True)
            process.communicate("\n")
    assert "queue mine 1/9" in lines
    assert "queue other" not in lines


def test_on_a_terminal_progress_is_a_live_line_below_the_scripts_output(cluster: EmbeddedCluster, script: Path) -> None:
    script.write_text(REPORTS)
    with started(sys.executable, "-c", PTY, *SUBMIT, script, *on(cluster)) as process:
        read_until(process, "reporting")
        read_until(process, LINE)
        out, _ = process.communicate("\n")
    assert "\x1b[1mended\x1b[0m" in out
    assert process.returncode == 0


def test_ctrl_c_on_a_terminal_reaches_the_script_once(cluster: EmbeddedCluster, script: Path) -> None:
    script.write_text(WAITS)
    with started(sys.executable, "-c", PTY, *SUBMIT, script, *on(cluster)) as process:
        assert process.stdin is not None
        read_until(process, "ready")
        process.stdin.write("\x03")
        process.stdin.flush()
        read_until(process, "closed after 1")
        assert process.wait() == 130


def test_with_no_progress_the_script_has_the_terminal(cluster: EmbeddedCluster, script: Path) -> None:
    script.write_text(
        "import sys; print(input('name? '), sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty())"
    )
    with started(sys.executable, "-c", PTY, *SUBMIT, script, *on(cluster), "--no-progress") as process:
        out, _ = process.communicate("Ada\n")
    assert out.endswith("Ada True True True\n"), out
    assert "name? " in out
