"""Blocks that give arguments other defaults, and variables of models."""

from __future__ import annotations

from typing import Any

import pytest

import dflow as df

F = df.contrib.framework


@F.add_arg_scope
def one(*args: Any, **kwargs: Any) -> Any:
    """Gives its arguments."""
    return args, kwargs


@F.add_arg_scope
def two(x: Any, a: Any = None, b: Any = 1) -> Any:
    """Gives its arguments."""
    return x, a, b


def test_a_block_sets_arguments_of_its_functions_until_a_call_gives_its_own() -> None:
    with F.arg_scope([one, two], a=2):
        assert one(0) == ((0,), {"a": 2})
        assert two(0, b=3) == (0, 2, 3)
        with F.arg_scope([two], a=4, b=5):
            assert (two(0), two(0, a=6)) == ((0, 4, 5), (0, 6, 5))
            assert one(0) == ((0,), {"a": 2})
        assert two(0) == (0, 2, 1)
    assert one(0) == ((0,), {})


def test_a_block_may_be_entered_again() -> None:
    with F.arg_scope([one], a=1) as scope, F.arg_scope([two], b=7):
        assert F.current_arg_scope().keys() == {F.arg_scope_func_key(it) for it in (one, two)}
    with F.arg_scope(scope):
        assert (one(), two(0)) == (((), {"a": 1}), (0, None, 1))
    with pytest.raises(ValueError, match="kwargs must be empty"), F.arg_scope(scope, a=2):
        pass


def test_only_decorated_functions_have_arguments_by_blocks() -> None:
    assert F.has_arg_scope(F.add_arg_scope(len)) is F.has_arg_scope(two)
    assert not F.has_arg_scope(print)
    assert F.arg_scoped_arguments(two) == ("a", "b")
    assert two.__name__ == "two"
    with pytest.raises(ValueError, match="is not decorated with @add_arg_scope"), F.arg_scope([print], a=1):
        pass
    with pytest.raises(TypeError, match="must either be a list/tuple or reused scope"), F.arg_scope(one, a=1):
        pass


def test_variables_of_models_are_found_by_scope_suffix_and_name() -> None:
    with df.variable_scope("A") as a:
        first = F.model_variable("a", [5])
        second = F.variable("b", [5], trainable=False, device="/cpu:0")
    with df.variable_scope("B"):
        third = F.model_variable("a", [5], collections=["mine"])
    local = F.local_variable(1.0, name="local")
    F.add_model_variable(local)
    F.add_model_variable(local)
    assert F.get_variables() == [first, second, third]
    assert F.get_variables(a) == F.get_variables("A") == [first, second]
    assert F.get_variables_by_suffix("a") == F.get_variables_by_name("a") == [first, third]
    assert F.get_variables_by_name("a", scope="B") == [third] == df.get_collection("mine")
    assert F.get_model_variables() == [first, third, local]
    assert F.get_local_variables() == [local]
    assert F.get_trainable_variables() == [first, third]
    assert F.get_unique_variable("A/b") is second
    assert F.get_variables_to_restore(["A"], exclude=["A/b"]) == [first]
    assert F.filter_variables(F.get_variables(), ["A/"], ["b"]) == [first]
    assert F.global_variable(2, name="g") in F.get_variables()
    with df.name_scope("x"):
        assert F.get_name_scope() == "x"
    with pytest.raises(ValueError, match="does not uniquely identify"):
        F.get_unique_variable("a")


def test_the_global_step_is_that_of_training() -> None:
    step = F.get_or_create_global_step()
    assert F.get_global_step() is step is df.train.get_global_step()
    F.assert_global_step(step)
    with pytest.raises(ValueError):
        F.create_global_step()


def test_checkpoints_are_read_as_in_training() -> None:
    shared = (F.init_from_checkpoint, F.list_variables, F.load_checkpoint, F.load_variable)
    assert all(it is getattr(df.train, it.__name__) for it in shared)
