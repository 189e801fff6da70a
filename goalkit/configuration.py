"""Convert frozen attrs classes to and from JSON. Errors list the valid keys."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import attrs
from cattrs import Converter
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_unstructure_fn
from cattrs.v import transform_error

from goalkit.errors import ConfigurationError, GoalkitError

T = TypeVar("T", bound=attrs.AttrsInstance)


def among(*allowed: int) -> Callable[[object, attrs.Attribute[int], int], None]:
    """Return an attrs validator that accepts only the numbers `allowed`."""

    def check(instance: object, attribute: attrs.Attribute[int], value: int) -> None:
        if value not in allowed or isinstance(value, bool):
            numbers = " or ".join([", ".join(map(str, allowed[:-1])), str(allowed[-1])])
            raise ConfigurationError(f"{attribute.name} is {value!r}: it must be {numbers}")

    return check


def one_of(*allowed: str) -> Callable[[object, attrs.Attribute[str], str], None]:
    """Return an attrs validator that accepts only the strings `allowed`."""

    def check(instance: object, attribute: attrs.Attribute[str], value: str) -> None:
        if value not in allowed:
            raise ConfigurationError(f"there is no {attribute.name} {value!r}; choose one of {', '.join(allowed)}")

    return check


def between(
    low: float, high: float = math.inf, *, above: bool = False, whole: bool = False
) -> Callable[[object, attrs.Attribute[Any], Any], None]:
    """Return an attrs validator for numbers from `low` to `high`: exclusive of `low` if `above`, integers only if `whole`."""

    def check(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high or (above and value == low):
            limit = "" if high == math.inf else f" and at most {high}"
            kind = "a whole number, " if whole else ""
            raise ConfigurationError(
                f"{attribute.name} is {value!r}: it must be {kind}{'above' if above else 'at least'} {low}{limit}"
            )

    return check


@cache
def _converter() -> Converter:
    return Converter(forbid_extra_keys=True)


def tagged(base: type[Any], *, key: str, find: Callable[[str], type[Any]], omit_defaults: bool = False) -> None:
    """Let fields of the type `base` hold any subclass of it, written with one more key that says which.

    Args:
        base: an attrs class.
        key: the key, and the class attribute of the subclasses that holds its value.
        find: the subclass of that name; raises a GoalkitError that says which there are.
        omit_defaults: do not write settings that have their default value.
    """
    converter = _converter()

    def structure(data: Any, _: type[Any]) -> Any:
        if not isinstance(data, Mapping) or not isinstance(data.get(key), str):
            raise ConfigurationError(f"{data!r} does not say which {base.__name__.lower()} it is: give an object with a {key}")
        return converter.structure({name: value for name, value in data.items() if name != key}, find(data[key]))

    def unstructure(value: Any) -> dict[str, Any]:
        settings = make_dict_unstructure_fn(type(value), converter, _cattrs_omit_if_default=omit_defaults)
        return {key: getattr(value, key), **settings(value)}

    converter.register_structure_hook_func(lambda kind: kind is base, structure)
    converter.register_unstructure_hook_func(lambda kind: kind is base, unstructure)


def to_dict(configuration: attrs.AttrsInstance) -> dict[str, Any]:
    """Return a configuration as JSON-ready dictionaries, lists, strings and numbers."""
    result: dict[str, Any] = _converter().unstructure(configuration)
    return result


def from_dict(cls: type[T], data: Mapping[str, Any], *, source: str, error: type[GoalkitError] = ConfigurationError) -> T:
    """Build a configuration from plain data.

    Args:
        cls: the attrs class to build.
        data: the output of `to_dict`, possibly edited by hand.
        source: name of the data in error messages, usually a file name.
        error: the type of error to raise.

    Raises:
        GoalkitError: of type `error`, for an unknown key (the message lists the valid ones), a missing key or a wrong value.
    """
    try:
        return _converter().structure(data, cls)
    except BaseValidationError as invalid:
        raise error(f"{source}: {_explain(invalid, cls)}") from invalid


def _explain(invalid: BaseValidationError, cls: type[Any]) -> str:
    for inner in invalid.exceptions:
        if isinstance(inner, ForbiddenExtraKeysError):
            valid = ", ".join(field.name for field in attrs.fields(inner.cl))
            return f"unknown key {', '.join(sorted(inner.extra_fields))} in {inner.cl.__name__}; valid keys are {valid}"
        if isinstance(inner, BaseValidationError):
            return _explain(inner, cls)
        if isinstance(inner, GoalkitError):
            return str(inner)
    details = "; ".join(transform_error(invalid)).replace("$", cls.__name__)
    return f"{details}; correct the value or create the file again"


def write_json(path: Path, data: Any) -> None:
    """Write `data` as UTF-8 JSON. Equal data give identical bytes."""
    path.write_bytes(json_bytes(data))


def json_bytes(data: Any) -> bytes:
    """Return `data` as indented UTF-8 JSON, with keys in the given order and a final newline."""
    return (json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()


def read_json(path: Path, *, error: type[GoalkitError]) -> Any:
    """Read a JSON file. Raises `error` if it is missing or not valid JSON."""
    try:
        return json.loads(path.read_bytes())
    except OSError as unreadable:
        raise error(f"{path} cannot be read ({unreadable.strerror}): check the path") from unreadable
    except ValueError as invalid:
        raise error(f"{path} is not valid JSON ({invalid}): restore the file or create it again") from invalid
