"""Registry of forms, by their names in saved models, with the module that computes a weight of each form."""

from __future__ import annotations

from typing import Any

from goalkit.configuration import tagged
from goalkit.errors import ConfigurationError, ModelError
from goalkit.weights.contract import F, Form, StoredWeight

_FORMS: dict[str, type[Form]] = {}
_WEIGHTS: dict[type[Form], type[StoredWeight[Any]]] = {}


def register_form(form: type[F], weight: type[StoredWeight[F]]) -> None:
    """Register a form, so that models with such weights can be loaded once the calling module has been imported.

    Raises:
        ConfigurationError: the name of the form is taken.
    """
    if _FORMS.setdefault(form.form, form) is not form or _WEIGHTS.setdefault(form, weight) is not weight:
        raise ConfigurationError(f"there is already a form called {form.form!r}: choose another name")


def find_form(name: str) -> type[Form]:
    """Return the settings class of the form called `name`. Raises ModelError if this version does not know it."""
    if name not in _FORMS:
        raise ModelError(
            f"there is no form {name!r}, only {', '.join(_FORMS)}: update goalkit, or import the package that registers it"
        )
    return _FORMS[name]


def builds(form: Form) -> bool:
    """Whether this version supports a form with its settings."""
    weight = _WEIGHTS.get(type(form))
    return weight is not None and weight.builds(form)


def weight_of(form: Form) -> type[StoredWeight[Any]]:
    """Return the module class that computes a weight of this form. Raises ModelError if this version does not support it."""
    if not builds(form):
        raise ModelError(f"this version of goalkit does not support the form {form!r}: update goalkit")
    return _WEIGHTS[type(form)]


tagged(Form, key="form", find=find_form, omit_defaults=True)
