"""Hyperparameters of training on the device: a default, and the values that an app may choose instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from goalkit.errors import ConfigurationError


def integer_errors(name: str, parameter: Any, *, positive: bool = True) -> Iterator[str]:
    """Check an `Int64Parameter`: its default and allowed values must be positive, and the default one of them.

    Core ML checks a set of values only up to the default (ParameterValidator.cpp).
    """
    default = parameter.defaultValue
    if parameter.HasField("set"):
        allowed = list(parameter.set.values)
        outside = default not in allowed
        if not outside:
            del allowed[allowed.index(default) :]
    elif parameter.HasField("range"):
        allowed = [parameter.range.minValue, parameter.range.maxValue]
        outside = not allowed[0] <= default <= allowed[1]
    else:
        allowed, outside = [], False
    if positive and min([default, *allowed]) <= 0:
        yield f"{name} may be {min([default, *allowed])}, which is not positive"
    elif outside:
        yield f"{name} is {default}, which is not among the allowed values"


def number_errors(name: str, parameter: Any) -> Iterator[str]:
    """Check a `DoubleParameter`: its default must lie in its range."""
    if parameter.HasField("range") and not parameter.range.minValue <= parameter.defaultValue <= parameter.range.maxValue:
        yield f"{name} is {parameter.defaultValue:g}, outside of {parameter.range.minValue:g} to {parameter.range.maxValue:g}"


def chosen(name: str, parameter: Any, wanted: float | None) -> float:
    """Return the value of a parameter: its default, or `wanted`, as `MLModelConfiguration.parameters` would set it.

    Raises:
        ConfigurationError: the file does not allow this value.
    """
    if wanted is None:
        return float(parameter.defaultValue)
    if parameter.HasField("range"):
        low, high = parameter.range.minValue, parameter.range.maxValue
        if not low <= wanted <= high:
            raise ConfigurationError(f"{name} is {wanted:g}, the head allows {low:g} to {high:g}: choose one of these")
    elif "set" in parameter.DESCRIPTOR.fields_by_name and parameter.HasField("set") and wanted not in parameter.set.values:
        allowed = ", ".join(map(str, parameter.set.values))
        raise ConfigurationError(f"{name} is {wanted:g}, the head allows {allowed}: choose one of these")
    return float(wanted)
