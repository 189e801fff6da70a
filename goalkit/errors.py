"""Every error goalkit raises on purpose: what was wrong, with what value, where, and what to do about it."""

from collections.abc import Sequence


class GoalkitError(Exception):
    """Base of all errors raised by goalkit. The message is one line and ends with a remedy."""


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
    """Texts or labels cannot be used as they are."""


class MissingColumnError(DatasetError):
    """A table lacks columns that were asked for: those that `columns` names."""

    def __init__(self, message: str, columns: Sequence[str]) -> None:
        super().__init__(message)
        self.columns = tuple(columns)


class BackboneError(GoalkitError):
    """A backbone is unknown, or its plugin cannot be loaded."""


class ModelError(GoalkitError):
    """A saved model is missing, damaged, or made by something else."""


class TrainingError(GoalkitError):
    """Training cannot start or go on."""


class DivergedError(TrainingError):
    """A training's loss or validation is no number any more."""


class ExportError(GoalkitError):
    """A model cannot be turned into a Core ML file."""


class RuntimeModelError(GoalkitError):
    """A saved Core ML file cannot be read or executed."""


class UnsupportedOperationError(RuntimeModelError):
    """A saved Core ML file holds an operation that the runtime does not know."""


class UpdatableModelError(GoalkitError):
    """A model breaks a rule that Core ML has for models that are updated on the device."""


class BundleError(GoalkitError):
    """A bundle is incomplete, or a file in it is not the one that was exported."""


class VerificationError(GoalkitError):
    """A saved model does not do what the model it came from does."""


class StorageError(GoalkitError):
    """A folder or file cannot be written. Whatever stood there before still stands."""


def reason_of(error: BaseException) -> str:
    """What a library's error says, in one line of at most 300 characters; its type, if it says nothing."""
    return " ".join(str(error).split())[:300] or type(error).__name__
