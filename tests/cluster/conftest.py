"""What the tests of failures share; each module says what its `cluster` is."""

import gc
from collections.abc import Iterator

import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import Clients, Look, eventually


@pytest.fixture(scope="module")
def starter(cluster: EmbeddedCluster) -> Iterator[Clients]:
    starter = Clients(cluster.scheduler_address)
    yield starter
    starter.close()


@pytest.fixture
def clients(starter: Clients) -> Iterator[Clients]:
    """Starts client processes, which end with the test."""
    yield starter
    starter.kill_all()


@pytest.fixture(scope="module")
def look(cluster: EmbeddedCluster) -> Iterator[Look]:
    """A look into the workers."""
    look = Look(cluster)
    yield look
    look.client.close()


@pytest.fixture
def session(cluster: EmbeddedCluster, look: Look) -> Iterator[df.Session]:
    """A session of workers that have declared their devices.

    When it ended, and all others, the workers hold nothing of them.
    """
    cluster.wait_for_workers()
    with df.Session(cluster.scheduler_address) as session:
        session.list_devices()
        yield session
    eventually(look.is_empty, look.inside)


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Nothing is let go of by Python's garbage collector, in this process."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
