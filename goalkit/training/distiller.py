"""Distiller: fits an encoder to a teacher's embeddings of unlabelled texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.configuration import between, to_dict
from goalkit.errors import TrainingError
from goalkit.model import GoalModel
from goalkit.teacher import Embedder
from goalkit.training.distillation import SameEmbeddings
from goalkit.training.encoding import EncodedRows
from goalkit.training.loop import Bookkeeping, train
from goalkit.training.run import TrainingRun
from goalkit.training.settings import TrainingSettings
from goalkit.training.teachers import cached_embeddings, texts_digest
from goalkit.weights import stored_weights

SAMPLE = 100_000
"""Texts whose mean embedding is subtracted from all."""


@attrs.frozen(kw_only=True)
class Distiller(TrainingSettings):
    """Fits an encoder to a teacher's embeddings of unlabelled texts, for any tasks that are trained afterwards.

    The embeddings are centred: an encoder trained by contrast puts all its texts into a narrow cone. The other settings are
    those of `TrainingSettings`; there are no validation rows, so that the epoch with the lowest loss is kept.

    Args:
        direction: weight of the mean cosine distance between the embeddings of model and teacher; it is left out if their
            widths differ.
        likeness: weight of the mean squared difference between the cosines of all pairs of texts in a batch (Tung & Mori,
            2019, arXiv 1907.09682).
    """

    epochs: int = attrs.field(default=2, validator=between(1, whole=True))
    learning_rate: float = attrs.field(default=4e-4, validator=between(0, 1, above=True))
    batch_size: int = attrs.field(default=64, validator=between(2, whole=True))
    warmup: float = attrs.field(default=0.03, validator=between(0, 1))
    dropout: float | None = attrs.field(default=0.0, validator=attrs.validators.optional(between(0, 0.9)))  # type: ignore[arg-type]
    direction: float = attrs.field(default=2.0, validator=between(0))
    likeness: float = attrs.field(default=20.0, validator=between(0))

    def fit(
        self,
        model: GoalModel,
        texts: Sequence[str],
        teacher: Embedder,
        *,
        folder: str | Path,
        resume: bool = False,
        checkpoint_steps: int | None = None,
        tensorboard: bool = False,
        progress: bool = True,
    ) -> TrainingRun:
        """Distil a teacher into a copy of `model`; its heads stay as they are.

        Args:
            model: where to start from; it is not changed.
            texts: N texts, without labels.
            teacher: computes embeddings, float32 [N, K].
            folder: where the teacher's embeddings (`teacher/`), `log.jsonl` and a checkpoint are written. Embeddings that are
                there already are used again.
            resume: continue from the folder's checkpoint; if there is none, start at the beginning.
            checkpoint_steps: number of steps between checkpoints, in addition to the one after each epoch.
            tensorboard: also write TensorBoard's event files into the folder.
            progress: show progress bars.

        Raises:
            TrainingError: there are no texts, the model is compressed, the folder belongs to another distillation or is in
                use, or memory does not suffice.
            DivergedError: the loss is not a number.
            StorageError: the folder cannot be written.
        """
        if any(stored_weights(model)):
            raise TrainingError("the encoder is compressed and cannot be trained: distil into the original model")
        embeddings = cached_embeddings(teacher, texts, Path(folder) / "teacher", progress=progress)
        student = model.copy()
        same_width = embeddings.shape[1] == student.encoder.hidden_size
        objective = SameEmbeddings(
            embeddings=embeddings,
            centre=centre_of(embeddings),
            direction=self.direction if same_width else 0.0,
            likeness=self.likeness,
        )
        digest = texts_digest(texts)
        state = train(
            student,
            EncodedRows.of_texts(texts, model.tokenizer, min(self.max_length, model.encoder.max_length)),
            objective,
            self,
            Bookkeeping(
                folder=folder,
                resume=resume,
                checkpoint_steps=checkpoint_steps,
                tensorboard=tensorboard,
                progress=progress,
            ),
            identity={
                "trainer": to_dict(self),
                "objective": objective.fingerprint(),
                "model_sha256": model.digest(),
                "data_sha256": digest,
            },
            train_heads=False,
        )
        return state.run(student, self, digest)


def centre_of(embeddings: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Return the mean of the first embeddings, float32 [K]."""
    centre: npt.NDArray[np.float32] = embeddings[:SAMPLE].mean(0, dtype=np.float32)
    return centre
