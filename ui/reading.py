"""Replies of the API made into the dataclasses of wire.py; fields that a newer server adds are ignored."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def read(kind: type[T], value: Any) -> T:
    """A dataclass out of parsed JSON, nested ones included.

    Raises:
        KeyError, TypeError: the JSON is not of this kind.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{kind.__name__} expected, found {type(value).__name__}")
    hints = get_type_hints(kind)
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]  # T is a dataclass; typing cannot say so
    return kind(**{name: _value(hints[name], each) for name, each in value.items() if name in known})


def _value(hint: Any, value: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        if value is None:
            return None
        hint = next(arm for arm in get_args(hint) if arm is not type(None))
    if get_origin(hint) is list:
        (of,) = get_args(hint)
        return [_value(of, each) for each in value]
    return read(hint, value) if isinstance(hint, type) and is_dataclass(hint) else value
