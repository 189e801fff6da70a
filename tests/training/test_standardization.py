import numpy as np
import pytest
import torch

from goalkit import GoalModel
from goalkit.backbones.huggingface_encoder import HuggingFaceEncoder
from goalkit.errors import ModelError, TrainingError
from goalkit.training import standardize_embeddings


@pytest.mark.parametrize("backbone", ["tiny-bert", "bert-base-chinese", "mobilebert"])
def test_embeddings_are_standardized_and_nothing_else_changes(backbone, splits, tiny_checkpoint):
    model = GoalModel.from_backbone(backbone, tasks=splits.train.tasks, checkpoint=tiny_checkpoint(backbone))
    texts = splits.validation.texts
    made = standardize_embeddings(model, texts)
    before, after = model.embed(texts), made.embed(texts)
    assert np.abs(before.mean(0)).max() > 0.05
    assert after.mean(0) == pytest.approx(np.zeros(after.shape[1]), abs=1e-3)
    assert after.std(0) == pytest.approx(np.ones(after.shape[1]), abs=1e-3)
    old, new = (each.predict_probabilities(splits.test.texts) for each in (model, made))
    for task in old:
        assert new[task] == pytest.approx(old[task], abs=1e-4)


class Bounded(HuggingFaceEncoder):
    def forward(self, input_ids, attention_mask, length):
        return torch.tanh(super().forward(input_ids, attention_mask, length))


def test_an_encoder_that_ends_otherwise_is_refused(untrained, splits):
    model = untrained.copy()
    model.encoder.__class__ = Bounded
    with pytest.raises(ModelError, match="another operation follows"):
        standardize_embeddings(model, splits.test.texts[:8])
    with pytest.raises(TrainingError, match="1 texts"):
        standardize_embeddings(untrained, splits.test.texts[:1])
