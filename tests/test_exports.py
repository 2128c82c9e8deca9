"""The public names of dflow are the list `dflow.__all__`, and nothing else."""

from types import ModuleType

import dflow


def test_the_public_names_are_sorted_and_none_is_there_twice() -> None:
    assert list(dflow.__all__) == sorted(set(dflow.__all__))


def test_every_public_name_exists() -> None:
    assert [name for name in dflow.__all__ if not hasattr(dflow, name)] == []


def test_no_public_name_is_missing_from_the_list() -> None:
    """A submodule becomes an attribute of dflow when anyone imports it, so a module may be in the list or not."""
    there = {name for name, it in vars(dflow).items() if not name.startswith("_") and not isinstance(it, ModuleType)}
    assert sorted(there - set(dflow.__all__)) == []
