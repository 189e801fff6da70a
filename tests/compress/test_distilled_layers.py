import json

import attrs
import numpy as np
import pytest

from goalkit import Compressor, Splits
from goalkit.compress import Distillation, Quantisation
from goalkit.errors import ConfigurationError, ModelError
from goalkit.evaluation import evaluate
from goalkit.student import student_of
from goalkit.weights import stored_weights

HALF = Distillation(layers=(1,), epochs=2, learning_rate=3e-3, task_epochs=6, task_learning_rate=3e-3)


@attrs.frozen
class Labels:
    """A teacher that only predicts: always the same."""

    model: object

    def predict_probabilities(self, texts):
        return {task.name: np.eye(len(task.labels), dtype=np.float32)[[0] * len(texts)] for task in self.model.tasks}


def macro_f1(model, rows):
    return np.mean([score.macro_f1 for score in evaluate(model, rows)])


def test_half_of_the_layers_keep_what_the_model_knows(run, splits, tmp_path):
    texts = splits.train.texts[:300]
    found = Compressor([HALF, Quantisation()]).compress(run.model, splits, texts=texts, folder=tmp_path, progress=False)
    assert len(found.model.encoder.anatomy().layers) == 1
    assert any(stored_weights(found.model))
    assert macro_f1(found.model, splits.test) > 0.93 * macro_f1(run.model, splits.test)
    assert {each.name for each in tmp_path.iterdir()} == {"1-distillation"}, "a folder for each technique that needs one"
    again = Compressor([HALF, Quantisation()]).compress(run.model, splits, texts=texts, folder=tmp_path, progress=False)
    assert again.model.digest() == found.model.digest(), "taken from the checkpoints"
    found.save(tmp_path / "small")
    assert json.loads((tmp_path / "small" / "recipe.json").read_bytes())["techniques"][0]["layers"] == [1]
    assert Compressor.from_recipe(tmp_path / "small" / "recipe.json").recipe == found.recipe


def test_the_teacher_that_is_given_teaches(run, splits):
    few = Splits(splits.train.take(range(200)), splits.validation.take(range(40)), splits.test)
    technique = attrs.evolve(HALF, share=1.0, task_epochs=3)
    small = Compressor([technique]).compress(run.model, few, teacher=Labels(run.model), progress=False).model
    predicted = small.predict_probabilities(splits.test.texts)
    assert all((values.argmax(1) == 0).mean() > 0.9 for values in predicted.values())


def test_a_student_of_all_layers_is_the_teacher(run):
    texts = ["每天跑步5公里", "背50个单词"]
    student = student_of(run.model, [0, 1])
    for name, values in run.model.predict_probabilities(texts).items():
        np.testing.assert_array_equal(student.predict_probabilities(texts)[name], values)
    assert student.digest() == run.model.digest()


def test_what_cannot_be_distilled_is_refused(run, splits, int8_model):
    with pytest.raises(ConfigurationError, match="'distillation' needs splits: give splits= to Compressor.compress"):
        Compressor([HALF]).compress(run.model)
    with pytest.raises(ConfigurationError, match="'distillation' needs folder: give folder="):
        Compressor([HALF]).compress(run.model, splits, texts=["跑步"])
    with pytest.raises(ConfigurationError, match="layers is empty"):
        Distillation(layers=())
    with pytest.raises(ModelError, match="from 0 to 1"):
        Compressor([attrs.evolve(HALF, layers=(2,))]).compress(run.model, splits)
    with pytest.raises(ConfigurationError, match="'distillation' cannot be applied to a model that is compressed already"):
        Compressor([HALF]).compress(int8_model, splits)
    with pytest.raises(ConfigurationError, match="the teacher has no embed: leave texts out"):
        Compressor([HALF]).compress(run.model, splits, texts=["跑步"], teacher=Labels(run.model))
