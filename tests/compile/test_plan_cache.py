"""A session compiles each set of fetches and feeds once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import dflow as df
from dflow.compile import DeviceInfo, DeviceTable, Plan, compile_plan
from dflow.runtime.session import plans as plans_module
from dflow.runtime.session.local import LocalBackend


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that were compiled so far."""
    plans: list[Plan] = []

    def counting(*args: object, **options: object) -> Plan:
        plans.append(compile_plan(*args, **options))  # type: ignore[arg-type]
        return plans[-1]

    monkeypatch.setattr(plans_module, "compile_plan", counting)
    return plans


@pytest.fixture
def session() -> Iterator[df.Session]:
    with df.Session() as session:
        yield session


def test_the_same_fetches_and_feeds_are_compiled_once(session: df.Session, made: list[Plan]) -> None:
    x = df.placeholder(df.float32, [])
    y, z = df.negative(x), df.square(x)
    for i in range(3):
        assert session.run([y, z], {x: i}) == [-i, i * i]
    assert session.run({"z": [y, (z, y)]}, {x: 2.0}) == {"z": [-2.0, (4.0, -2.0)]}
    assert len(made) == 1


def test_other_fetches_another_order_or_other_feeds_are_other_plans(session: df.Session, made: list[Plan]) -> None:
    x = df.placeholder(df.float32, [])
    y, z = df.negative(x), df.square(x)
    session.run([y, z], {x: 1.0})
    session.run([z, y], {x: 1.0})
    session.run(y, {x: 1.0})
    session.run(y.op, {x: 1.0})
    session.run([y, z], {x: 1.0, z: 2.0})
    assert len(made) == 5
    assert len({plan.number for plan in made}) == 5


def test_a_callable_shares_the_plans_of_run(session: df.Session, made: list[Plan]) -> None:
    x = df.placeholder(df.float32, [])
    y = df.negative(x)
    session.run(y, {x: 1.0})
    call = session.make_callable(y, [x])
    assert [call(2.0), call(3.0)] == [-2.0, -3.0]
    assert len(made) == 1


def test_a_graph_that_grows_keeps_its_plans(session: df.Session, made: list[Plan]) -> None:
    y = df.negative(df.constant(1.0))
    for _ in range(3):
        session.run(y)
        df.negative(y)
    assert len(made) == 1


def test_another_device_table_makes_new_plans(
    session: df.Session, made: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    y = df.negative(df.constant(1.0))
    session.run(y)
    (device,) = session.list_devices()
    newer = DeviceTable((DeviceInfo(device.name),), version=1)
    monkeypatch.setattr(LocalBackend, "table", lambda self, fresh=False, deadline=None: newer)
    session.run(y)
    session.run(y)
    assert len(made) == 2


def test_an_error_of_the_compiler_leaves_no_plan(session: df.Session, made: list[Plan]) -> None:
    with df.device("/gpu:9"):
        y = df.negative(df.constant(1.0))
    for _ in range(2):
        with pytest.raises(df.errors.InvalidArgumentError, match="no device matches"):
            session.run(y)
    assert made == []


def test_256_plans_are_kept_and_the_least_recently_used_goes_first(
    session: df.Session, made: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[int] = []
    monkeypatch.setattr(LocalBackend, "forget", lambda self, plan: forgotten.append(plan.number))
    x = df.constant(1.0)
    tensors = [df.identity(x) for _ in range(257)]
    for tensor in tensors[:256]:
        session.run(tensor)
    session.run(tensors[0])  # now the second one is the oldest
    assert len(made) == 256
    session.run(tensors[256])
    assert forgotten == [made[1].number]
    session.run(tensors[0])
    assert len(made) == 257
    session.run(tensors[1])
    assert len(made) == 258
    assert forgotten == [made[1].number, made[2].number]


def test_a_forgotten_plan_leaves_its_device(session: df.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans_module, "PLANS_KEPT", 2)
    x = df.constant(1.0)
    for _ in range(5):
        session.run(df.identity(x))
    backend = session.backend
    assert isinstance(backend, LocalBackend)
    (host,) = backend.process.executors.values()
    assert len(host.held().plans) == 2
