"""Distillation: fewer layers, taught by the whole model or by another teacher."""

from __future__ import annotations

import attrs

from goalkit.compress.contract import CompressionContext, Technique
from goalkit.configuration import between
from goalkit.errors import ConfigurationError
from goalkit.model import GoalModel
from goalkit.student import student_of
from goalkit.teacher import Embedder, Predictor


@attrs.frozen(kw_only=True)
class Distillation(Technique):
    """Keeps some layers of the encoder, which learn from the teacher: by default from the model itself, with all its layers.

    On the unlabelled texts, if there are any, the smaller encoder learns the teacher's embeddings; then, on the training rows
    and for every task, its probabilities mixed with the labels (see `goalkit.training.Distiller` and `SoftLabels`).

    Args:
        layers: numbers of the layers to keep, from 0.
        epochs: passes over the unlabelled texts.
        learning_rate: on the unlabelled texts.
        task_epochs: maximum number of passes over the training rows; the validation rows select the best one.
        task_learning_rate: on the training rows.
        temperature: of the probabilities.
        share: weight of the teacher in the loss on the training rows.
    """

    name = "distillation"
    layers: tuple[int, ...]
    epochs: int = attrs.field(default=2, validator=between(1, whole=True))
    learning_rate: float = attrs.field(default=4e-4, validator=between(0, 1, above=True))
    task_epochs: int = attrs.field(default=6, validator=between(1, whole=True))
    task_learning_rate: float = attrs.field(default=2e-4, validator=between(0, 1, above=True))
    temperature: float = attrs.field(default=2.0, validator=between(0, above=True))
    share: float = attrs.field(default=0.5, validator=between(0, 1))

    def __attrs_post_init__(self) -> None:
        if not self.layers:
            raise ConfigurationError("layers is empty: give the numbers of the layers to keep, from 0")

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """See `Technique.apply`; needs splits, and uses unlabelled texts, a teacher and a folder if they are given."""
        from goalkit.training import Distiller, SoftLabels, Trainer

        splits = context.require("splits", self)
        teacher = model if context.teacher is None else context.teacher
        student = student_of(model, self.layers)
        if context.texts:
            if not isinstance(teacher, Embedder):
                raise ConfigurationError("the teacher has no embed: leave texts out, or give a teacher with embed(texts)")
            distiller = Distiller(epochs=self.epochs, learning_rate=self.learning_rate, seed=context.seed)
            folder = context.require("folder", self) / "embeddings"
            run = distiller.fit(student, context.texts, teacher, folder=folder, resume=True, progress=context.progress)
            student = run.model
        if not isinstance(teacher, Predictor):
            teacher = model
        trainer = Trainer(epochs=self.task_epochs, learning_rate=self.task_learning_rate, seed=context.seed)
        rows = splits.train.with_tasks(model.tasks)
        soft = SoftLabels.of([teacher], rows.texts, temperature=self.temperature, share=self.share)
        folder = None if context.folder is None else context.folder / "tasks"
        fitted = trainer.fit(
            student, splits, objective=soft, folder=folder, resume=folder is not None, progress=context.progress
        )
        return fitted.model
