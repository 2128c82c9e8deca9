"""Hyperparameters of a model: named values that a text such as "learning_rate=0.1,sizes=[3,4]" changes.

Source: tf.contrib.training.HParams of TensorFlow 1.15.
"""

from __future__ import annotations

import json
import numbers
import re
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["HParams", "parse_values"]

_CLAUSE = re.compile(r"(?P<name>[A-Za-z][\w.]*)(\[\s*(?P<index>\d+)\s*\])?\s*=\s*(?P<value>\[[^\]]*\]|[^,\[]*)(,\s*|$)")
_BOOLS = {"true": True, "True": True, "false": False, "False": False}


class HParams:
    """Named values, which are attributes of the object, each of the type of its first value.

    A value is a number, a string, a bool, None or a list of these, which may not be empty.
    """

    def __init__(self, model_structure: Any = None, **kwargs: Any) -> None:
        self._types: dict[str, tuple[type, bool]] = {}  # name -> type of a value, whether it is a list
        self._model_structure = model_structure
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def __getattr__(self, name: str) -> Any:  # for checkers: the names are known in a run
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def add_hparam(self, name: str, value: Any) -> None:
        """Add a value.  ValueError for a name that the object has, and for an empty list."""
        if getattr(self, name, None) is not None:
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        several = isinstance(value, (list, tuple))
        if several and not value:
            raise ValueError(f"Multi-valued hyperparameters cannot be empty: {name}")
        self._types[name] = (type(value[0] if several else value), several)
        setattr(self, name, value)

    def set_hparam(self, name: str, value: Any) -> None:
        """Change a value.  KeyError for an unknown name, ValueError for a value of another type."""
        kind, several = self._types[name]
        if several != isinstance(value, list):
            raise ValueError(
                f"Must pass a list for multi-valued parameter: {name}."
                if several
                else f"Must not pass a list for single-valued parameter: {name}"
            )
        setattr(self, name, [_cast(name, kind, item) for item in value] if several else _cast(name, kind, value))

    def del_hparam(self, name: str) -> None:
        """Remove a value, if there is one of this name."""
        if hasattr(self, name):
            delattr(self, name)
            del self._types[name]

    def parse(self, values: str) -> HParams:
        """Change values by a text, such as "a=1,b=[2,3],c[1]=4", and give the object back; see `parse_values`."""
        return self.override_from_dict(parse_values(values, {name: kind for name, (kind, _) in self._types.items()}))

    def override_from_dict(self, values_dict: dict[str, Any]) -> HParams:
        """Change values by a dict, and give the object back.  Errors as of `set_hparam`."""
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    def parse_json(self, values_json: str) -> HParams:
        """Change values by the text of a JSON object, and give the object back."""
        return self.override_from_dict(json.loads(values_json))

    def to_json(
        self, indent: int | None = None, separators: tuple[str, str] | None = None, sort_keys: bool = False
    ) -> str:
        """The values as the text of a JSON object; the arguments are those of `json.dumps`."""
        return json.dumps(self.values(), indent=indent, separators=separators, sort_keys=sort_keys)

    def values(self) -> dict[str, Any]:
        """The values by their names."""
        return {name: getattr(self, name) for name in self._types}

    def get(self, key: str, default: Any = None) -> Any:
        """A value, or `default` if there is none of this name; ValueError if the default has another type."""
        if key not in self._types:
            return default
        kind, several = self._types[key]
        if default is not None:
            text = f"Hparam '{key}' of type '{kind}' is incompatible with default={default}"
            if several != isinstance(default, list):
                raise ValueError(text)
            try:
                for item in default if several else [default]:
                    _cast(key, kind, item)
            except ValueError as error:
                raise ValueError(f"{text}. {error}") from None
        return getattr(self, key)

    def set_model_structure(self, model_structure: Any) -> None:
        """Keep an object beside the values."""
        self._model_structure = model_structure

    def get_model_structure(self) -> Any:
        """The object that is kept beside the values."""
        return self._model_structure

    def __contains__(self, key: str) -> bool:
        return key in self._types

    def __str__(self) -> str:
        return str(sorted(self.values().items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


def parse_values(values: str, type_map: dict[str, type], ignore_unknown: bool = False) -> dict[str, Any]:
    """The values of a text of clauses with commas between: `name=value`, `name=[value,value]` or `name[index]=value`.

    type_map: the type of each name.  Values of indices are a dict, index -> value.
    ignore_unknown: leave out names that `type_map` lacks.
    ValueError for these otherwise, for two clauses of one name or index, and for a text that is no value of its type.
    """
    found: dict[str, Any] = {}
    for clause in _clauses(values):
        name, index, text = clause["name"], clause["index"], clause["value"]
        if name not in type_map:
            if ignore_unknown:
                continue
            raise ValueError(f"Unknown hyperparameter type for {name}")
        value = _value(name, type_map[name], text.strip(), values)
        if index is None:
            if name in found:
                raise _twice(name, values)
            found[name] = value
        elif isinstance(value, list):
            raise ValueError("Assignment of a list to a list index.")
        else:
            items = found.setdefault(name, {})
            if not isinstance(items, dict):
                raise _twice(name, values)
            if int(index) in items:
                raise _twice(f"{name}[{int(index)}]", values)
            items[int(index)] = value
    return found


def _clauses(values: str) -> Iterator[re.Match[str]]:
    place = 0
    while place < len(values):
        clause = _CLAUSE.match(values, place)
        if clause is None:
            raise ValueError(f"Malformed hyperparameter value: {values[place:]}")
        place = clause.end()
        yield clause


def _value(name: str, kind: type, text: str, values: str) -> Any:
    parse: Callable[[str], Any] = _bool if kind is bool else kind
    try:
        if text.startswith("["):
            return [parse(item) for item in re.split("[ ,]", text[1:-1]) if item]
        return parse(text)
    except ValueError:
        shown = text.strip("[]")
        raise ValueError(
            f"Could not parse hparam '{name}' of type '{kind.__name__}' with value '{shown}' in {values}"
        ) from None


def _bool(text: str) -> bool:
    return _BOOLS[text] if text in _BOOLS else bool(int(text))


def _twice(name: str, values: str) -> ValueError:
    return ValueError(f"Multiple assignments to variable '{name}' in {values}")


def _cast(name: str, kind: type, value: Any) -> Any:
    """The value as one of the type; ValueError if that would change what it is, as from a float to an integer."""
    if type(value) is kind or kind is type(None):
        return value
    to_text = issubclass(kind, (str, bytes)) and not isinstance(value, (str, bytes))
    to_bool = issubclass(kind, bool) != isinstance(value, bool)
    to_integer = issubclass(kind, numbers.Integral) and not isinstance(value, numbers.Integral)
    to_number = issubclass(kind, numbers.Number) and not isinstance(value, numbers.Number)
    if to_text or to_bool or to_integer or to_number:
        raise ValueError(f"Could not cast hparam '{name}' of type '{kind}' from value {value!r}")
    make: Callable[[Any], Any] = kind
    return make(value)
