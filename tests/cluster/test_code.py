"""Programs whose own code runs on the workers of a plain cluster, which was started elsewhere and knows none of it."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from dflow.cluster.process import child_environment
from dflow.runtime.base import code
from dflow.runtime.transport import versions
from tests.cluster.helpers import quick_cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(workers=2, virtual_gpus=1, nanny=True) as cluster:
        yield cluster


@pytest.fixture
def run(cluster: EmbeddedCluster, tmp_path: Path) -> Any:
    """Write files into a folder, and run `main.py` there, or what `command` says; gives what it printed."""

    def run_program(files: dict[str, str], command: tuple[str, ...] = ("main.py",), path: str = "") -> str:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(HEAD + textwrap.dedent(text) if name.endswith("main.py") else textwrap.dedent(text))
        env = child_environment(ADDRESS=cluster.scheduler_address)
        if path:
            env["PYTHONPATH"] = f"{tmp_path / path}:{env.get('PYTHONPATH', '')}"
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_program


HEAD = """
import os
import numpy as np
import dflow as df
ADDRESS = os.environ["ADDRESS"]
TASKS = ["/job:ps/task:0", "/job:worker/task:0/cpu:0", "/job:worker/task:1/gpu:0"]
def on_every_task(build):
    found = []
    for task in TASKS:
        with df.device(task):
            found.append(build())
    with df.Session(ADDRESS) as sess:
        sess.run(found)
        return sess.run(found)
"""

TRIPLE = """
    import dflow as df
    from factors import THREE

    def _triple_spec(x):
        return x

    def _triple_kernel(x):
        return x * x.dtype.type(THREE)

    df.define("Triple", spec=_triple_spec, kernel=_triple_kernel, gradient=df.no_gradient("a test"))

    def triple(x):
        return df.add_op("Triple", x)
"""


def test_a_kernel_that_ends_its_process_or_raises_what_has_no_text_is_an_error_of_its_operation(run: Any) -> None:
    """The worker lives on."""
    printed = run(
        {
            "main.py": """
                import sys

                class Wordless(Exception):
                    def __str__(self):
                        raise RuntimeError("no text")

                def wordless(x):
                    raise Wordless

                def leave(x):
                    sys.exit("bye")

                def spec(x):
                    return x

                for kind, kernel in (("Wordless", wordless), ("Leave", leave)):
                    df.define(kind, spec=spec, kernel=kernel, gradient=df.no_gradient("a test"))

                with df.device("/job:worker/task:0"):
                    x = df.constant([1.0]) + 0
                    with df.Session(ADDRESS) as sess:
                        for kind in ("Wordless", "Leave"):
                            y = df.add_op(kind, x, name="mine")
                            for fetches in (y, [y, y + 1]) * 2:
                                try:
                                    sess.run(fetches)
                                except df.errors.UnknownError as error:
                                    print(error.op.name, error.message.splitlines()[0])
                        print(sess.run(x))
            """
        }
    )
    *said, value = printed.splitlines()
    assert said == ["mine Wordless: <its text cannot be made: RuntimeError>"] * 4 + ["mine_1 SystemExit: bye"] * 4
    assert value == "[1.]"


def test_an_op_that_a_script_defines_works_on_every_worker(run: Any) -> None:
    printed = run(
        {
            "main.py": """
                FACTOR = 7

                def _spec(x, offset):
                    return x

                def helper(x, offset):
                    return x * FACTOR + offset

                def _kernel(x, offset):
                    return helper(x, np.float32(offset))

                df.define("Scale", spec=_spec, kernel=_kernel, gradient=df.no_gradient("a test"))
                print(on_every_task(lambda: df.add_op("Scale", df.constant([1.0, 2.0]), offset=0.5)))
            """
        }
    )
    assert printed.count("[ 7.5, 14.5]") == 3


def test_a_stateful_op_of_a_script_keeps_its_state_on_its_device(run: Any) -> None:
    printed = run(
        {
            "main.py": """
                class Tally:
                    def __init__(self):
                        self.count = 0

                def _spec():
                    return df.TensorSpec([], df.int64)

                def _kernel(context):
                    tally = context.per_session(Tally)
                    tally.count += 1
                    return np.int64(tally.count)

                df.define("Tally", spec=_spec, kernel=_kernel, gradient=df.no_gradient("a test"), stateful=True)
                print([int(count) for count in on_every_task(lambda: df.add_op("Tally"))])
            """
        }
    )
    assert printed == "[2, 2, 2]\n"


def test_functions_of_a_script_run_in_py_func_on_every_worker(run: Any) -> None:
    printed = run(
        {
            "main.py": """
                from dataclasses import dataclass

                @dataclass
                class Line:
                    slope: float

                    def at(self, x):
                        return np.float32(self.slope * x)

                line = Line(3.0)

                def cube(x):
                    return x ** 3

                x = df.constant(2.0)
                for function in (cube, line.at, lambda x: np.float32(line.slope + x)):
                    def build():
                        with df.device("/cpu:0"):
                            return df.py_func(function, [x], df.float32)
                    print([float(value) for value in on_every_task(build)])
            """
        }
    )
    assert printed.splitlines() == ["[8.0, 8.0, 8.0]", "[6.0, 6.0, 6.0]", "[5.0, 5.0, 5.0]"]


def test_modules_beside_the_script_and_packages_under_it_go_along(run: Any) -> None:
    printed = run(
        {
            "main.py": """
                from triple import triple
                from package.inner.double import double
                x = df.constant([1.0, 2.0])
                print([value.tolist() for value in on_every_task(lambda: triple(x))])
                print([value.tolist() for value in on_every_task(lambda: double(x))])
            """,
            "triple.py": TRIPLE,
            "factors.py": "THREE = 3",
            "package/__init__.py": "",
            "package/inner/__init__.py": "from . import double",
            "package/inner/double.py": """
                import dflow as df
                from ..numbers_ import TWO

                def double(x):
                    with df.device("/cpu:0"):
                        return df.py_func(_double, [x], df.float32)

                def _double(x):
                    return x * x.dtype.type(TWO)
            """,
            "package/numbers_.py": "TWO = 2",
        }
    )
    assert printed.splitlines() == ["[[3.0, 6.0], [3.0, 6.0], [3.0, 6.0]]", "[[2.0, 4.0], [2.0, 4.0], [2.0, 4.0]]"]


def test_a_module_that_changed_is_sent_as_it_is_now(run: Any) -> None:
    for factor in (3, 5):
        printed = run(
            {
                "main.py": """
                    from triple import triple
                    print([float(value) for value in on_every_task(lambda: triple(df.constant(1.0)))])
                """,
                "triple.py": TRIPLE,
                "factors.py": f"THREE = {factor}\n",
            },
            ("-B", "main.py"),
        )
        assert printed == f"[{factor}.0, {factor}.0, {factor}.0]\n"


def test_a_program_that_runs_as_a_module_may_use_its_whole_package(run: Any) -> None:
    printed = run(
        {
            "project/__init__.py": "",
            "project/jobs/__init__.py": "",
            "project/jobs/main.py": """
                from project.shared import shift
                def build():
                    with df.device("/cpu:0"):
                        return df.py_func(shift, [df.constant(1.0)], df.float32)
                print([float(value) for value in on_every_task(build)])
            """,
            "project/shared.py": "def shift(x):\n    return x + x.dtype.type(9)\n",
        },
        ("-m", "project.jobs.main"),
    )
    assert printed == "[10.0, 10.0, 10.0]\n"


def test_a_format_of_readers_that_a_script_registers_reads_on_every_worker(run: Any, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one two three")
    printed = run(
        {
            "main.py": """
                from words import WordReader

                with df.device("/job:ps"):
                    queue = df.FIFOQueue(10, df.string, ())
                reads = []
                for task in TASKS[:2]:
                    with df.device(task):
                        reads.append(WordReader().read(queue)[1])
                with df.Session(ADDRESS) as sess:
                    sess.run(queue.enqueue_many([["words.txt"] * 2]))
                    for _ in range(3):
                        print(*[value.decode() for value in sess.run(reads)])
            """,
            "words.py": f"""
                import dflow as df

                @df.reader("WordReader")
                class Words:
                    def open(self, path, state=None):
                        with open({str(tmp_path)!r} + "/" + path) as file:
                            self.words = file.read().split()
                        self.place = state or 0

                    def read(self):
                        if self.place == len(self.words):
                            return None
                        self.place += 1
                        return str(self.place).encode(), self.words[self.place - 1].encode()

                    def state(self):
                        return self.place

                    def close(self):
                        self.words = []

                class WordReader(df.ReaderBase):
                    def __init__(self, name=None):
                        super().__init__("WordReader", {{}}, name)
            """,
        }
    )
    assert printed.splitlines() == ["one one", "two two", "three three"]


INSTALLED = """
    import dflow as df

    def _spec(x):
        return x

    def half(x):
        return x / x.dtype.type(2)

    def quarter(x):
        return half(half(x))

    df.define("Half", spec=_spec, kernel=half, gradient=df.no_gradient("a test"))
"""


@pytest.mark.parametrize(
    ("build", "op"),
    [
        ('df.add_op("Half", x, name="mine")', "Half"),
        ('df.py_func(installed.quarter, [x], df.float32, name="mine")', "PyFunc"),
        ('df.py_func(lambda v: installed.quarter(v), [x], df.float32, name="mine")', "PyFunc"),
    ],
)
def test_a_module_that_a_worker_lacks_is_an_error_that_names_op_module_and_worker(
    run: Any, build: str, op: str
) -> None:
    printed = run(
        {
            "main.py": f"""
                import installed
                x = df.constant(8.0) + 0
                with df.device("/job:worker/task:1/cpu:0"):
                    y = {build}
                with df.Session(ADDRESS) as sess:
                    for _ in range(2):
                        try:
                            sess.run([x, y])
                        except df.errors.NotFoundError as error:
                            print(error.op is y.op, str(error).replace(chr(10), " "))
                    print(sess.run(x))
            """,
            "elsewhere/site-packages/installed.py": INSTALLED,
        },
        path="elsewhere/site-packages",
    )
    *errors, last = printed.splitlines()
    assert last == "8.0"
    assert len(errors) == 2
    for line in errors:
        assert line.startswith(f"True mine ({op}, on /job:worker/replica:0/task:1/device:CPU:0): the worker tcp://")
        assert "has no module 'installed'" in line
        assert "main.py" in line


def test_what_cannot_be_pickled_is_an_error_that_names_the_operation(cluster: EmbeddedCluster) -> None:
    lock = __import__("threading").Lock()
    fine = df.constant([1.0]) + 1
    with df.device("/job:worker/task:1/cpu:0"):
        stuck = df.py_func(lambda x: lock and x, [fine], df.float32, name="stuck")
    with df.Session(cluster.scheduler_address) as sess:
        with pytest.raises(df.errors.InvalidArgumentError, match="cannot be sent to /job:worker") as caught:
            sess.run(stuck)
        assert caught.value.op is stuck.op
        assert "held by: func (function " in str(caught.value)
        assert "test_code.py:" in str(caught.value)
        assert "-> variable 'lock' (_thread.lock)" in str(caught.value)
        assert sess.run(fine).tolist() == [2.0]


def test_an_exception_of_a_scripts_own_class_comes_back_as_text_and_breaks_nothing(run: Any) -> None:
    printed = run(
        {
            "main.py": """
                from trouble import fail
                class Own(Exception):
                    def __init__(self, first, second):
                        super().__init__(f"{first} and {second}")

                def raise_own(x):
                    raise Own(float(x), "more")

                x = df.placeholder(df.float32, [], name="x")
                with df.device("/job:worker/task:0/cpu:0"):
                    tensors = [df.py_func(f, [x], df.float32, name="mine") for f in (raise_own, fail)]
                with df.Session(ADDRESS) as sess:
                    for y in tensors:
                        for _ in range(3):
                            try:
                                sess.run(y, {x: 4.0})
                            except df.errors.OpError as error:
                                print(type(error).__name__, error.op is y.op, str(error).partition(chr(10))[0])
                    print(sess.run(x + 1, {x: 4.0}))
            """,
            "trouble.py": """
                import dflow as df

                class Mine(df.errors.DataLossError):
                    def __init__(self, what):
                        super().__init__(None, None, f"lost {what}")

                def fail(x):
                    try:
                        raise KeyError(x)
                    except KeyError as error:
                        raise Mine("all") from error
            """,
        }
    )
    *errors, last = printed.splitlines()
    assert last == "5.0"
    assert len(errors) == 6
    for line in errors[:3]:
        assert line.startswith("UnknownError True mine (PyFunc, on /job:worker/")
        assert line.endswith("Own: 4.0 and more")
    for line in errors[3:]:
        assert line.startswith("DataLossError True mine_1 (PyFunc, on /job:worker/")
        assert line.endswith("lost all")


# -- which modules are the program's own


def test_neither_python_nor_installed_packages_nor_dflow_belong_to_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_alone.py").write_text("x = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__("mine_alone")
    before = cloudpickle.list_registry_pickle_by_value()
    try:
        code.UserModules(lambda: Path("/")).register()
        mine = cloudpickle.list_registry_pickle_by_value() - before
        assert "mine_alone" in mine
        assert not {name.partition(".")[0] for name in mine} & {
            "json",
            "logging",
            "numpy",
            "dask",
            "distributed",
            "dflow",
        }
    finally:
        for name in cloudpickle.list_registry_pickle_by_value() - before:
            cloudpickle.unregister_pickle_by_value(sys.modules[name])
    assert module.x == 1


def test_modules_are_looked_at_once_and_those_that_come_later_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = code.UserModules(lambda: tmp_path / "elsewhere")
    assert "dflow" in modules.register()
    assert modules.register() == set()
    (tmp_path / "comes_later.py").write_text("x = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("comes_later")
    assert modules.register() == {"comes_later"}


# -- versions


def answer(**different: str) -> dict[str, Any]:
    """What the scheduler says, with one worker of other versions."""
    mine = versions.versions()
    member = {"address": "tcp://there:1", "lost": False, "versions": mine | different}
    return {"scheduler": mine, "members": [member]}


def other_minor(version: str) -> str:
    major, minor, *rest = version.split(".")
    return ".".join([major, str(int(minor) + 1), *rest])


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_told", set())


@pytest.mark.usefixtures("untold")
def test_equal_versions_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    versions.compare_versions(answer())
    assert caplog.records == []


@pytest.mark.usefixtures("untold")
def test_another_minor_version_of_python_is_an_error_that_says_both() -> None:
    mine = versions.versions()["python"]
    theirs = other_minor(mine)
    with pytest.raises(df.errors.FailedPreconditionError, match="tcp://there:1") as caught:
        versions.compare_versions(answer(python=theirs))
    assert mine in str(caught.value)
    assert theirs in str(caught.value)


@pytest.mark.usefixtures("untold")
def test_another_protocol_is_an_error() -> None:
    with pytest.raises(df.errors.FailedPreconditionError, match="protocol"):
        versions.compare_versions(answer(protocol="0"))


@pytest.mark.usefixtures("untold")
@pytest.mark.parametrize("name", ["numpy", "dask", "distributed", "dflow"])
def test_another_version_of_a_package_is_told_once(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            versions.compare_versions(answer(**{name: "0.0.1"}))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    for fact in ("tcp://there:1", name, "0.0.1", versions.versions()[name]):
        assert fact in record.getMessage()


@pytest.mark.usefixtures("untold")
def test_another_patch_version_of_python_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    major, minor, _ = versions.versions()["python"].split(".", 2)
    for _ in range(2):
        versions.compare_versions(answer(python=f"{major}.{minor}.99"))
    assert len(caplog.records) == 1


@pytest.mark.usefixtures("untold")
def test_a_lost_worker_is_not_compared() -> None:
    said = answer(python=other_minor(versions.versions()["python"]))
    said["members"][0]["lost"] = True
    versions.compare_versions(said)
