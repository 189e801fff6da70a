"""Checkpoints: everything that a training run needs to continue as if it had not been interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from goalkit.configuration import from_dict, read_json, to_dict, write_json
from goalkit.errors import StorageError, TrainingError
from goalkit.model import GoalModel
from goalkit.storage import Kind, file_digest, readable_folder, replacing_folder
from goalkit.training.run import Epoch
from goalkit.training.state import TrainingState

CHECKPOINT = Kind("training checkpoint", "state.json", "checkpoint")
SCHEMA = 2
TENSORS = "tensors.safetensors"


@attrs.frozen
class Checkpoints:
    """Keeps the latest state of one training run in a folder, which is replaced atomically.

    Args:
        folder: folder of the checkpoint.
        identity: configuration and fingerprints, ready for JSON; a checkpoint is loaded only if its identity is equal.
    """

    folder: Path
    identity: dict[str, Any]

    def save(self, state: TrainingState, model: GoalModel, optimizer: torch.optim.Optimizer) -> None:
        """Write the current state.

        Raises:
            StorageError: the state cannot be written; the message names the last good checkpoint.
        """
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in state.best.items()}
        for place, entry in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{place}.{key}": value for key, value in entry.items() if isinstance(value, Tensor)}
        try:
            with replacing_folder(self.folder, CHECKPOINT) as temporary:
                try:
                    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary / TENSORS)
                except SafetensorError as error:  # for example, the disk is full
                    raise OSError(str(error)) from error
                record = {
                    "checkpoint": SCHEMA,
                    **self.identity,
                    "epoch": state.epoch,
                    "step": state.step,
                    "loss": state.loss,
                    "seconds": state.seconds,
                    "losses": state.losses,
                    "epochs": [to_dict(epoch) for epoch in state.epochs],
                    "tensors_sha256": file_digest(temporary / TENSORS),
                }
                write_json(temporary / "state.json", record)
        except StorageError as error:
            raise StorageError(f"{error}; {self.last_good()}") from error

    def last_good(self) -> str:
        """Return a sentence that names the existing checkpoint, for messages."""
        folder = readable_folder(self.folder)
        if not CHECKPOINT.holds(folder):
            return "there is no checkpoint yet"
        found = read_json(folder / "state.json", error=TrainingError)
        return (
            f"the last good checkpoint is {folder} (epoch {found['epoch']}, after {found['step']} of its steps): "
            "resume=True continues from it"
        )

    def load(self, model: GoalModel, optimizer: torch.optim.Optimizer) -> TrainingState | None:
        """Restore model and optimizer and return the state, or return None if there is no checkpoint.

        Raises:
            TrainingError: the checkpoint is damaged, or was made with a different objective, model, configuration or data.
        """
        folder = readable_folder(self.folder)
        if not folder.exists():
            return None
        remedy = f"remove {folder} to start from the beginning"
        found = read_json(folder / "state.json", error=TrainingError)
        if not isinstance(found, dict) or found.pop("checkpoint", None) != SCHEMA:
            raise TrainingError(f"{folder / 'state.json'} is not a checkpoint of schema {SCHEMA}: {remedy}")
        for key, value in self.identity.items():
            if found.pop(key, None) != value:
                name = key.removesuffix("_sha256")
                raise TrainingError(
                    f"the checkpoint in {folder} does not match this training run (different {name}): resume with the same "
                    f"{name}, or {remedy}"
                )
        try:
            intact = file_digest(folder / TENSORS) == found.pop("tensors_sha256", "")
            tensors = load_file(folder / TENSORS) if intact else {}
        except (OSError, SafetensorError) as error:
            raise TrainingError(f"{folder / TENSORS} cannot be read ({error}): {remedy}") from error
        if not intact:
            raise TrainingError(f"{folder / TENSORS} is damaged, its SHA-256 is not the recorded one: {remedy}")
        state = from_dict(_Progress, found, source=str(folder / "state.json"), error=TrainingError)
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        model.load_state_dict(parts["model"])
        optimizer.load_state_dict({**optimizer.state_dict(), "state": _nested(parts["optimizer"])})
        return TrainingState(
            state.epoch, state.step, state.loss, state.seconds, list(state.losses), list(state.epochs), parts["best"]
        )


@attrs.frozen
class _Progress:
    """Contents of `state.json`, except schema, identity and checksum."""

    epoch: int
    step: int
    loss: float
    seconds: float
    losses: tuple[float, ...]
    epochs: tuple[Epoch, ...]


def _nested(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    nested: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        place, key = name.split(".")
        nested.setdefault(int(place), {})[key] = tensor
    return nested
