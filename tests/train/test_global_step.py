"""The global step: Z33.7, P22.6."""

from collections.abc import Iterator

import pytest

from dflow.graph import Graph, GraphKeys
from dflow.ops.state.variable_lists import global_variables, global_variables_initializer, trainable_variables
from dflow.ops.state.variables import Variable
from dflow.train.global_step import (
    assert_global_step,
    create_global_step,
    get_global_step,
    get_or_create_global_step,
    global_step,
)
from tests.train.run import Evaluator


@pytest.fixture(autouse=True)
def graph() -> Iterator[Graph]:
    with Graph().as_default() as made:
        yield made


def test_a_graph_has_no_global_step_until_one_is_made(graph: Graph) -> None:
    """An int64 scalar, zero at first, global and not trainable, named from the root."""
    assert get_global_step() is None
    with graph.name_scope("n"):
        step = create_global_step()
    assert (step.name, step.dtype, step.shape) == ("global_step:0", "int64", [])
    assert global_variables() == graph.get_collection(GraphKeys.GLOBAL_STEP) == [step]
    assert trainable_variables() == []
    assert get_global_step() is get_or_create_global_step() is step
    run = Evaluator()
    run.run(global_variables_initializer())
    assert global_step(run, step) == 0
    assert type(global_step(run, step)) is int


def test_a_global_step_is_made_once() -> None:
    """A second one is a ValueError."""
    step = get_or_create_global_step()
    assert get_or_create_global_step() is step
    with pytest.raises(ValueError, match='"global_step" already exists'):
        create_global_step()


def test_a_global_step_of_another_graph_is_another_one(graph: Graph) -> None:
    """The graph may be given."""
    other = Graph()
    step = create_global_step(other)
    assert step.graph is other
    assert get_global_step() is None
    assert get_global_step(other) is step


def test_a_variable_of_that_name_is_the_global_step() -> None:
    """Also if it was made by hand."""
    step = Variable(0, name="global_step", trainable=False)
    assert get_global_step() is step


def test_a_global_step_must_be_an_integer_scalar(graph: Graph) -> None:
    """TypeError otherwise; ValueError if there are several."""
    Variable(0.0, name="global_step", trainable=False)
    with pytest.raises(TypeError, match="does not have integer type: float32"):
        get_global_step()
    graph.add_to_collection(GraphKeys.GLOBAL_STEP, Variable([0], trainable=False))
    with pytest.raises(TypeError, match=r"is not scalar: \(1,\)"):
        get_global_step()
    graph.add_to_collection(GraphKeys.GLOBAL_STEP, Variable(0, trainable=False))
    with pytest.raises(ValueError, match="Multiple tensors in global_step collection"):
        get_global_step()


def test_a_global_step_is_asserted_to_be_an_integer_scalar() -> None:
    assert_global_step(Variable(1))
    for wrong, said in ((Variable(1.0), "integer type"), (Variable([1]), "not scalar")):
        with pytest.raises(TypeError, match=said):
            assert_global_step(wrong)
