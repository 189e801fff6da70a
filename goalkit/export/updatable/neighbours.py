"""The k-nearest-neighbours updatable head, which learns a new label from its first example."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from goalkit.configuration import between, one_of
from goalkit.errors import ConfigurationError
from goalkit.export.coreml import coremltools, quiet
from goalkit.export.updatable.head import UpdatableHead
from goalkit.model import GoalModel
from goalkit.tasks import task_named


@attrs.frozen(kw_only=True)
class NeighboursHeadBuilder:
    """Builds a k-nearest-neighbours head (Core ML's `KNearestNeighborsClassifier`).

    It keeps the embeddings of its examples and lets the nearest ones vote. `MLUpdateTask` adds the user's examples; there is no
    gradient descent, and any label may be new.

    Args:
        task: the task whose head to build.
        neighbours, neighbours_range: number of votes; an app may choose another from the range.
        weighting: "uniform", or "inverse_distance" to weight votes by 1 / squared Euclidean distance.
    """

    task: str
    neighbours: int = attrs.field(default=5, validator=between(1, whole=True))
    neighbours_range: tuple[int, int] = attrs.field(default=(1, 50), converter=tuple)
    weighting: str = attrs.field(default="uniform", validator=one_of("uniform", "inverse_distance"))

    def __attrs_post_init__(self) -> None:
        low, high = self.neighbours_range
        if not 1 <= low <= self.neighbours <= high:
            raise ConfigurationError(
                f"neighbours is {self.neighbours}, neighbours_range {low} to {high}: choose one from the range"
            )

    def build(
        self, model: GoalModel, texts: Sequence[str] = (), labels: Sequence[str] = (), *, length: int | None = None
    ) -> UpdatableHead:
        """Build the head, from `embedding`, float32 [H], to `label` and `probabilities`, with N texts as its first examples.

        Args:
            model: the model that computes the embeddings.
            texts: N texts; without any, the head predicts the task's first label until it is updated.
            labels: their N labels.
            length: tokens that texts are padded to, preferably that of the exported program.

        Raises:
            ConfigurationError: the model has no such task, the task lacks a label, or the numbers of texts and labels differ.
        """
        task = task_named(model.tasks, self.task)
        if len(texts) != len(labels):
            raise ConfigurationError(f"there are {len(texts)} texts and {len(labels)} labels: give one label per text")
        task.label_ids(labels)
        low, high = self.neighbours_range
        with quiet():
            builder = coremltools().models.nearest_neighbors.KNearestNeighborsClassifierBuilder(
                input_name="embedding",
                output_name="label",
                number_of_dimensions=model.encoder.hidden_size,
                default_class_label=task.labels[0],
                weighting_scheme=self.weighting,
            )
            builder.set_number_of_neighbors_with_bounds(self.neighbours, allowed_range=(low, high))
            if texts:
                builder.add_samples(model.embed(texts, length=length), list(labels))
        spec = builder.spec
        spec.description.predictedProbabilitiesName = spec.description.output[1].name = "probabilities"
        spec.description.metadata.shortDescription = f"Predicts {task.name} by its nearest neighbours, and learns new ones"
        return UpdatableHead(task.name, spec)
