"""The second stage: what teachers that were fine-tuned on the goals predict, learned without forgetting the first stage.

Two copies of the teacher are fine-tuned on the training part of the goals, `split(seed=0)`. On these goals, on texts related to
them and on everyday texts, the student learns their mean probabilities and, at the same time, the embeddings of the teacher as
it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from goalkit import Dataset, GoalModel, Trainer
from goalkit.training import SameEmbeddings, SoftLabels, SumOfObjectives, cached_embeddings
from goalkit.training.distiller import centre_of
from pretraining.e5 import E5
from pretraining.relatives import like_goals, recombined
from pretraining.texts import normalized, scored_texts, training_texts

TEACHERS = (
    Trainer(epochs=5, learning_rate=2e-4, batch_size=32, max_length=64, seed=0),
    Trainer(epochs=4, learning_rate=1e-4, batch_size=32, max_length=64, seed=1),
)
STUDENT = Trainer(
    epochs=2, learning_rate=3e-4, batch_size=64, max_length=64, dropout=0.0, warmup=0.05, calibrate=False, metric="loss"
)
RECOMBINED = 48_000
EVERYDAY = 40_000


def related_texts(goals: Sequence[str], everyday: Sequence[str], scored: Iterable[str]) -> list[str]:
    """Return the texts without labels of this stage: none of them is one of the scored texts, except those that are `goals`."""
    held_out = {normalized(text) for text in scored} - {normalized(text) for text in goals}
    texts = [*recombined(goals, RECOMBINED), *like_goals(everyday, goals, EVERYDAY)]
    return [text for text in texts if normalized(text) not in held_out]


def learn_goals(model: GoalModel, data: Path, teacher: E5, folder: Path) -> GoalModel:
    """Return the model after the second stage, with heads that have learned the goals.

    Args:
        model: the model after the first stage.
        data: see `training_texts`.
        teacher: the teacher of the first stage.
        folder: where all trainings keep their checkpoints, and `teacher/` the embeddings.
    """
    splits = Dataset.goals().clean().split(seed=0)
    goals = splits.train.texts
    texts = related_texts(goals, training_texts(data), scored_texts(data))
    known = [*goals, *splits.validation.texts, *texts]
    teachers = [
        each.fit(
            teacher.classifier(model.tasks, known, seed=each.seed), splits, folder=folder / f"teacher-{each.seed}", resume=True
        ).model
        for each in TEACHERS
    ]
    embeddings = cached_embeddings(teacher, [*goals, *texts], folder / "teacher")
    objective = SumOfObjectives(
        (
            SoftLabels.of(teachers, goals, unlabelled=texts, share=1.0),
            SameEmbeddings(embeddings=embeddings, centre=centre_of(embeddings)),
        )
    )
    return STUDENT.fit(model, splits, objective=objective, folder=folder / "goals", resume=True, checkpoint_steps=500).model
