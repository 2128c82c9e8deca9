"""The AttributeError for a name that a module of dflow lacks, such as one that only TensorFlow 1 has."""

from functools import partial
from types import ModuleType
from typing import NoReturn


def refer_to_the_page(*modules: ModuleType) -> None:
    """Let the AttributeError for a name that these modules lack refer to the page that lists the replacements."""
    for module in modules:
        vars(module)["__getattr__"] = partial(_absent, module)


def _absent(module: ModuleType, name: str) -> NoReturn:
    page = "" if name.startswith("_") else "; docs/tensorflow1.md has the replacement of each name of TensorFlow 1"
    raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}{page}", name=name, obj=module)
