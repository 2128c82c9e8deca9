"""The public names of dflow are the list `dflow.__all__`, and nothing else."""

from types import ModuleType

import pytest

import dflow


def test_the_public_names_are_sorted_and_none_is_there_twice() -> None:
    assert list(dflow.__all__) == sorted(set(dflow.__all__))


def test_every_public_name_exists() -> None:
    assert [name for name in dflow.__all__ if not hasattr(dflow, name)] == []


def test_no_public_name_is_missing_from_the_list() -> None:
    """A submodule becomes an attribute of dflow when anyone imports it, so a module may be in the list or not."""
    there = {name for name, it in vars(dflow).items() if not name.startswith("_") and not isinstance(it, ModuleType)}
    assert sorted(there - set(dflow.__all__)) == []


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (dflow, "vectorized_map"),
        (dflow.train, "TPUEmbedding"),
        (dflow.nn, "quantized_relu_x"),
        (dflow.image, "adjust_sharpness"),
    ],
)
def test_a_name_that_dflow_lacks_refers_to_the_page_of_names(module: ModuleType, name: str) -> None:
    with pytest.raises(AttributeError, match=f"'{module.__name__}' has no attribute '{name}'; docs/tensorflow1.md"):
        getattr(module, name)
    assert not hasattr(module, name)


def test_io_has_other_names_for_what_is_there() -> None:
    elsewhere = (dflow, dflow.train, dflow.python_io, dflow.image)
    assert list(dflow.io.__all__) == sorted(dflow.io.__all__)
    found = {
        name: [getattr(module, name) for module in elsewhere if name in module.__all__]
        for name in dflow.io.__all__
        if not isinstance(getattr(dflow.io, name), ModuleType)
    }
    assert [name for name, others in found.items() if any(it is not getattr(dflow.io, name) for it in others)] == []
    assert [name for name, others in found.items() if not others] == ["parse_sequence_example"]
    assert not hasattr(dflow.io, "decode_proto")
