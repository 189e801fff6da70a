"""The exceptions of goalkit. A message says what is wrong, where, and what to do about it."""

from collections.abc import Mapping, Sequence


class GoalkitError(Exception):
    """Base class of all errors raised by goalkit. The message is one line and ends with a remedy."""


class ConfigurationError(GoalkitError):
    """A setting is unknown, out of range, or contradicts another."""


class MissingPackageError(GoalkitError, ImportError):
    """A package that is needed here is not installed; `name` is the module that was imported."""

    def __init__(self, package: str, remedy: str) -> None:
        super().__init__(package, remedy, name=package)
        self.package, self.remedy = package, remedy

    def __str__(self) -> str:
        return f"this needs {self.package}, which is not installed: {self.remedy}"


class DatasetError(GoalkitError):
    """Texts or labels cannot be read or used."""


class MissingColumnError(DatasetError):
    """A table lacks requested columns; `columns` has their names."""

    def __init__(self, message: str, columns: Sequence[str]) -> None:
        super().__init__(message)
        self.columns = tuple(columns)


class BackboneError(GoalkitError):
    """A backbone is unknown, or its plugin cannot be loaded."""


class BackboneContractError(BackboneError, AssertionError):
    """A backbone breaks rules of `goalkit.testing`.

    It is an AssertionError, too, so that every test runner counts it as a failed test. The message has a line per rule.

    Args:
        backbone: its name.
        broken: by rule, what was found and what to do.
        unchecked: the rules that could not be checked.
    """

    def __init__(self, backbone: str, broken: Mapping[str, str], unchecked: Sequence[str] = ()) -> None:
        super().__init__(backbone, broken, unchecked)
        self.backbone, self.broken, self.unchecked = backbone, dict(broken), tuple(unchecked)

    def __str__(self) -> str:
        lines = [f"{rule}: {finding}" for rule, finding in self.broken.items()]
        if self.unchecked:
            lines.append(f"(not checked: {', '.join(self.unchecked)})")
        return "\n  ".join([f"backbone {self.backbone!r} breaks the rules of goalkit.testing:", *lines])


class ModelError(GoalkitError):
    """A saved model is missing, damaged or unsupported."""


class TrainingError(GoalkitError):
    """Training cannot start or continue."""


class DivergedError(TrainingError):
    """The loss or a validation score is not a number (NaN) or infinite."""


class BudgetError(GoalkitError):
    """No compressed model that was tried keeps within the budget."""


class ExportError(GoalkitError):
    """A model cannot be turned into a Core ML file."""


class RuntimeModelError(GoalkitError):
    """A saved Core ML file cannot be read or executed."""


class UnsupportedOperationError(RuntimeModelError):
    """A saved Core ML file contains an operation that the runtime does not support."""


class UpdatableModelError(GoalkitError):
    """A model breaks a Core ML rule for models that are updated on the device."""


class BundleError(GoalkitError):
    """A bundle is incomplete, or a file in it is not the one that was exported."""


class VerificationError(GoalkitError):
    """A saved model does not reproduce the model that it was exported from."""


class StorageError(GoalkitError):
    """A folder or file cannot be written. Its previous content is unchanged."""


def reason_of(error: BaseException) -> str:
    """Return the message of an exception as one line of at most 300 characters, or its type if it has none."""
    return " ".join(str(error).split())[:300] or type(error).__name__
