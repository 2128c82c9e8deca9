"""What a module answers that is asked for a name that it does not have, of TensorFlow 1 perhaps."""

from functools import partial
from types import ModuleType
from typing import NoReturn


def refer_to_the_page(*modules: ModuleType) -> None:
    """From now on the AttributeError for a name that a module lacks says where to look for what takes its place."""
    for module in modules:
        vars(module)["__getattr__"] = partial(_absent, module)


def _absent(module: ModuleType, name: str) -> NoReturn:
    page = (
        "" if name.startswith("_") else "; docs/tensorflow1.md tells of each name of TensorFlow 1 what takes its place"
    )
    raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}{page}", name=name, obj=module)
