"""`make_template`: functions that share their variables between calls."""

from __future__ import annotations

from typing import Any

import pytest

import dflow as df


def dummy() -> Any:
    return df.get_variable("dummy", [1], initializer=df.zeros_initializer())


def test_a_template_makes_its_variables_once() -> None:
    first, second = df.make_template("s1", dummy), df.make_template("s1", dummy)
    v1, v2, v3 = first(), first(), second()
    assert v1 is v2
    assert (v1.name, v3.name) == ("s1/dummy:0", "s1_1/dummy:0")
    assert (first.name, first.func, first.variable_scope_name) == ("s1", dummy, "s1")
    assert first.variables == first.trainable_variables == first.global_variables == first.weights == [v1]
    assert first.non_trainable_variables == first.local_variables == []


def test_a_template_takes_the_scope_of_its_first_call_or_that_of_its_making() -> None:
    with df.variable_scope("made"):
        now, later = df.make_template("a", dummy, True), df.make_template("b", dummy)
    assert now.variable_scope is not None
    assert (now.variable_scope.name, later.variable_scope) == ("made/a", None)
    assert later.variables == []
    with df.variable_scope("called"):
        inner = now(), later()
    assert (now(), later()) == inner
    assert [v.name for v in inner] == ["made/a/dummy:0", "called/b/dummy:0"]


def test_a_unique_name_is_taken_as_it_is() -> None:
    assert df.make_template("_", dummy, unique_name_="s1")().name == "s1/dummy:0"
    with pytest.raises(ValueError, match="Variable s1/dummy already exists, disallowed"):
        df.make_template("_", dummy, unique_name_="s1")()


def test_later_calls_must_not_make_trainable_variables() -> None:
    def careless(trainable: bool) -> Any:
        df.Variable(0, trainable=trainable)
        return dummy()

    wrong = df.make_template("wrong", careless, trainable=True)
    wrong()
    with pytest.raises(ValueError, match=r"Trainable variable created.*\n\noriginally defined at:\n") as caught:
        wrong()
    assert "test_template.py" in str(caught.value)
    right = df.make_template("right", careless, trainable=False)
    assert right() is right()
    with pytest.raises(ValueError, match="name cannot be None"):
        df.make_template(None, dummy)
