"""Frozen results as plain JSON values and back, every type checked: what a decoder answers is a stranger's word."""

import dataclasses
import types
from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints


def to_plain(value: Any) -> Any:
    """Plain values for JSON; a fraction as "30000/1001"."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [to_plain(each) for each in value]
    return str(value) if isinstance(value, Fraction | Path) else value


def from_plain(wanted: Any, value: Any) -> Any:
    """The inverse of `to_plain` for this type. TypeError, ValueError or KeyError on anything else."""
    origin = get_origin(wanted)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(wanted), value)
    if origin is tuple:
        return _tuple(get_args(wanted), value)
    if dataclasses.is_dataclass(wanted):
        return _dataclass(wanted, value)
    if isinstance(wanted, type) and issubclass(wanted, StrEnum | Fraction | Path):
        return wanted(_exactly(str, value))
    if wanted is float and type(value) is int:
        return float(value)
    return _exactly(wanted, value)


def _exactly(wanted: Any, value: Any) -> Any:
    if type(value) is not wanted:
        raise TypeError(f"{type(value).__name__}, wanted {wanted}")
    return value


def _one_of(choices: tuple[Any, ...], value: Any) -> Any:
    if value is None and types.NoneType in choices:
        return None
    (chosen,) = (choice for choice in choices if choice is not types.NoneType)
    return from_plain(chosen, value)


def _tuple(parts: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    items = _exactly(list, value)
    if parts[-1] is Ellipsis:
        return tuple(from_plain(parts[0], item) for item in items)
    return tuple(from_plain(part, item) for part, item in zip(parts, items, strict=True))


def _dataclass(wanted: Any, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError(f"{type(value).__name__}, wanted {wanted}")
    hints = get_type_hints(wanted)
    names = [field.name for field in dataclasses.fields(wanted)]
    return wanted(**{name: from_plain(hints[name], value[name]) for name in names})
