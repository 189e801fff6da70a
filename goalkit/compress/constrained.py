"""Training under a constraint: zeros that remain zeros, or weights that are rounded whenever they are used."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.utils import parametrize

from goalkit.compress.contract import CompressionContext, Technique
from goalkit.compress.layers import large_layers
from goalkit.model import GoalModel
from goalkit.teacher import Predictor
from goalkit.weights import restore_float

SHARE = 0.5
"""Of the teacher in the loss: without labels accuracy is lower, without a teacher more answers change."""


def train_constrained(
    model: GoalModel,
    constraint: Callable[[Tensor], nn.Module],
    technique: Technique,
    context: CompressionContext,
    *,
    epochs: int,
    learning_rate: float,
    name: str = "training",
    teacher: Predictor | None = None,
) -> GoalModel:
    """Return a copy whose large weights satisfy a constraint, fine-tuned under it.

    Args:
        model: not changed.
        constraint: makes, from a weight, the module that computes the constrained weight from the trained one.
        technique: the technique that is applied, for messages.
        context: needs splits unless `epochs` is 0.
        epochs: maximum number of passes over the training rows; the validation rows select the best one.
        learning_rate: peak learning rate.
        name: subfolder of the context's folder, from which the training is resumed.
        teacher: what to learn the probabilities of the training rows from, mixed with the labels; None: the labels alone.
    """
    from goalkit.training import SoftLabels, Trainer

    changed = model.copy()
    layers = dict(large_layers(changed))
    names = [name for name, module in changed.encoder.named_modules() if module in layers]
    for layer, weight in layers.items():
        parametrize.register_parametrization(layer, "weight", constraint(weight))
    if epochs:
        trainer = Trainer(epochs=epochs, learning_rate=learning_rate, seed=context.seed)
        folder = None if context.folder is None else context.folder / name
        splits = context.require("splits", technique)
        rows = splits.train.with_tasks(model.tasks)
        changed = trainer.fit(
            changed,
            splits,
            objective=None if teacher is None else SoftLabels.of([teacher], rows.texts, share=SHARE),
            folder=folder,
            resume=folder is not None,
            progress=context.progress,
        ).model
    for each in names:
        restore_float(changed.encoder.get_submodule(each), "weight")
    return changed.requires_grad_()
