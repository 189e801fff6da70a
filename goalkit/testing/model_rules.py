"""Rules of a backbone's weights, and of the models made with it: saved, traced, exported and compressed.

Functions as in `goalkit.testing.encoder_rules`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from goalkit.backbones.probes import SAME, difference
from goalkit.errors import ModelError
from goalkit.export import CoreMLExporter, Gates, load_model
from goalkit.export.checks import program_inputs
from goalkit.export.comparison import Array, compare
from goalkit.export.graph import trace
from goalkit.model import GoalModel
from goalkit.storage import files_in
from goalkit.testing.trial import TASKS, Trial, UncheckedError
from goalkit.weights import kept_tensor, stored_weights

SAVED = frozenset({".json", ".safetensors", ".txt"})
"""Types of the files of a saved model."""


def checkpoints(trial: Trial) -> str | None:
    """`load_checkpoint` raises ModelError where there is no checkpoint."""
    (empty := trial.folder / "empty").mkdir()
    try:
        trial.backbone.load_checkpoint(empty)
    except ModelError:
        return None
    except Exception as error:  # a plugin may raise exceptions of any kind
        return f"an empty folder raises {type(error).__name__}: raise ModelError, with what a checkpoint consists of"
    return "an empty folder gives a checkpoint: raise ModelError if the weights or the vocabulary are missing"


def pretrained(trial: Trial) -> str | None:
    """`pretrained` weights, if there are any, are finite, and a new model with default settings starts from them."""
    folder = trial.backbone.pretrained()
    if folder is None:
        raise UncheckedError("the backbone comes without pretrained weights")
    source = GoalModel.load(folder)
    if source.configuration.backbone != trial.name:
        return f"they are of backbone {source.configuration.backbone!r}: save them from a model of {trial.name!r}"
    for key, tensor in source.state_dict().items():
        if not torch.isfinite(tensor).all():
            return f"{key} holds NaN or infinity: train them again"
    model = GoalModel.from_backbone(trial.name, tasks=TASKS, weights="pretrained")
    if model.tokenizer.vocabulary != source.tokenizer.vocabulary:
        return None  # texts are split otherwise
    ids, mask = source.encoder.example_texts(trial.length, 2)
    with torch.no_grad():
        found, expected = (each.encoder(ids, mask, trial.length) for each in (model, source))
    gap = difference(found, expected, mask)
    if gap <= SAME:
        return None
    return (
        f"a new model differs from them by {gap:.2g} times the spread of hidden states: see that the encoder computes with "
        "nothing but its parameters and its configuration"
    )


def saving(trial: Trial) -> str | None:
    """A model is saved as safetensors, JSON and text, without pickle, and gives the same numbers once it is loaded."""
    folder = trial.model.save(trial.folder / "model")
    if others := [name for name in files_in(folder) if Path(name).suffix not in SAVED]:
        return f"the model folder has the file {others[0]}: keep what is saved in parameters, buffers and the configuration"
    return _same_when_loaded(trial, trial.model, folder)


def tracing(trial: Trial) -> str | None:
    """A trace for one length computes the same as the model on other texts of that length."""
    for length in sorted({3, trial.length}):
        trace(trial.model, length, half=False)
    return None


def float32_export(trial: Trial) -> str | None:
    """The model is exported to Core ML in float32, and the saved file gives the same embeddings."""
    found, expected = _executed(trial, trial.model, "float32")
    gap = difference(torch.from_numpy(found), torch.from_numpy(expected))
    if gap <= SAME:
        return None
    return f"the saved file's embeddings differ by {gap:.2g} times their spread: use plainer operations in forward"


def float16_export(trial: Trial) -> str | None:
    """The model is exported to Core ML in float16, and the saved file gives embeddings with a PSNR of 40 dB or more."""
    return _half_precision(trial, trial.model)


def compression(trial: Trial) -> str | None:
    """The recipe int8 stores weights as integers, which are the same once the model is saved and loaded."""
    small = trial.compressed
    if not any(stored_weights(small)):
        return (
            "no weight is stored as integers: use torch.nn.Linear and torch.nn.Embedding, and settings for check_backbone "
            "with a matrix of 2,048 weights or more"
        )
    folder = small.save(trial.folder / "compressed")
    if finding := _same_when_loaded(trial, small, folder):
        return finding
    loaded = {name: kept_tensor(module) for name, module, _ in stored_weights(GoalModel.load(folder))}
    for name, module, _ in stored_weights(small):
        if name not in loaded or not torch.equal(loaded[name], kept_tensor(module)):
            return f"the integers of {name} are others once it is loaded: build the same layers from the configuration"
    return None


def compressed_export(trial: Trial) -> str | None:
    """The compressed model is exported with the same integers, and the saved file gives its embeddings."""
    return _half_precision(trial, trial.compressed)  # the exporter compares integers


def _same_when_loaded(trial: Trial, model: GoalModel, folder: Path) -> str | None:
    torch.manual_seed(3)  # whatever is drawn at random when the encoder is built is now another
    loaded = GoalModel.load(folder)
    if np.array_equal(loaded.embed(trial.sentences), model.embed(trial.sentences)):
        return None
    return (
        "the loaded model gives other embeddings: register all that they depend on as parameters or persistent buffers, or "
        "compute it from the configuration"
    )


def _executed(trial: Trial, model: GoalModel, precision: str) -> tuple[Array, Array]:
    """Export a model, and compute the embeddings of the saved file and of the model, float32 [N, H]."""
    batch = model.tokenizer.encode(trial.sentences, trial.length)
    exporter = CoreMLExporter(sequence_length=trial.length, precision=precision)
    path = exporter.export_package(
        model, trial.folder / "exported.mlpackage", calibration=None if precision == "float32" else batch
    )
    program = load_model(path)
    found = program.predict_many(program_inputs(program, batch))
    return found["embedding"], model.embed(trial.sentences, length=trial.length)


def _half_precision(trial: Trial, model: GoalModel) -> str | None:
    least = Gates().half_psnr
    compared = compare("embedding", trial.sentences, *_executed(trial, model, "float16"), labels=False)
    if compared.psnr >= least:
        return None
    return f"the PSNR of the embeddings is {compared.psnr:.1f} dB, below {least:.0f} dB: keep intermediate results small"
