import numpy as np
import pytest

from goalkit import UpdatableHeadBuilder
from goalkit.errors import ConfigurationError
from goalkit.export.package import write_model
from goalkit.export.runtime import load_model


def test_saved_head_gives_the_torch_heads_probabilities(run, splits, tmp_path):
    embeddings = run.model.embed(splits.test.texts)
    expected = run.model.head_probabilities(embeddings)
    for task in run.model.tasks:
        head = UpdatableHeadBuilder(task=task.name).build(run.model)
        write_model(tmp_path / head.file_name, head.spec)
        saved = load_model(tmp_path / f"GoalHead-{task.name}.mlmodel")
        assert saved.labels == task.labels
        found = saved.predict_many({"embedding": embeddings})["probabilities"]
        np.testing.assert_allclose(found, expected[task.name], atol=1e-6)


def test_head_carries_all_that_training_on_the_phone_needs(run):
    spec = UpdatableHeadBuilder(task="category", epochs=5, batch_size=4, seed=7).build(run.model).spec
    assert spec.isUpdatable
    assert spec.specificationVersion == 4
    assert [(each.name, each.type.WhichOneof("Type")) for each in spec.description.trainingInput] == [
        ("embedding", "multiArrayType"),
        ("label", "stringType"),
    ]
    assert spec.description.predictedFeatureName == "label"
    network = spec.neuralNetworkClassifier
    assert [layer.name for layer in network.layers if layer.isUpdatable] == ["classifier"]
    update = network.updateParams
    assert update.lossLayers[0].categoricalCrossEntropyLossLayer.input == "probabilities"
    assert update.epochs.defaultValue == 5
    assert list(update.epochs.set.values) == [1, 2, 5, 10, 20, 50]
    sgd = update.optimizer.sgdOptimizer
    assert sgd.miniBatchSize.defaultValue == 4
    assert list(sgd.miniBatchSize.set.values) == [1, 2, 4, 8, 16, 32]
    assert (sgd.learningRate.range.minValue, sgd.learningRate.range.maxValue) == (1e-5, 1.0)
    assert (sgd.momentum.defaultValue, sgd.momentum.range.maxValue) == (0.9, 0.99)
    assert update.shuffle.defaultValue
    assert update.seed.defaultValue == 7


def test_adam_head(run):
    update = UpdatableHeadBuilder(task="difficulty", optimizer="adam", learning_rate=0.001).build(run.model).spec
    adam = update.neuralNetworkClassifier.updateParams.optimizer.adamOptimizer
    assert adam.learningRate.defaultValue == 0.001
    assert (adam.beta1.defaultValue, adam.beta2.defaultValue, adam.eps.defaultValue) == (0.9, 0.999, 1e-8)


def test_head_of_a_task_the_model_lacks_is_refused(run):
    with pytest.raises(ConfigurationError, match="no task 'mood'; the tasks are category, difficulty, completion"):
        UpdatableHeadBuilder(task="mood").build(run.model)
