"""What a session of this process keeps."""

import dflow as df
from dflow.runtime.session.local import LocalBackend


def test_a_loop_that_ended_is_not_kept_and_its_name_not_given_again() -> None:
    with df.Session() as session:
        x = df.constant(1.0)
        loops = [session.repeat(x, steps=1, name="same") for _ in range(3)]
        assert [loop.join(20) for loop in loops] == [1, 1, 1]
        assert len({loop.spec.name for loop in loops}) == 3
        backend = session.backend
        assert isinstance(backend, LocalBackend)
        assert backend._loops == {}
