import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from goalkit import CoreMLExporter, GoalModel, Task, UpdatableHeadBuilder
from goalkit.errors import ConfigurationError
from goalkit.evaluation import calibrate
from goalkit.export import NeighboursHeadBuilder
from goalkit.export.package import write_model
from goalkit.export.runtime import load_model
from goalkit.export.runtime.loading import executable
from goalkit.export.updatable import find_violations


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


def test_head_with_a_hidden_layer_starts_with_the_same_probabilities(run, splits):
    embeddings = run.model.embed(splits.test.texts)
    head = UpdatableHeadBuilder(task="category", hidden_size=32, optimizer="adam").build(run.model)
    assert [layer.name for layer in head.spec.neuralNetworkClassifier.layers if layer.isUpdatable] == ["hidden", "classifier"]
    found = executable(head.spec).predict_many({"embedding": embeddings})["probabilities"]
    np.testing.assert_allclose(found, run.model.head_probabilities(embeddings)["category"], atol=1e-6)
    with pytest.raises(ConfigurationError, match="hidden_size is 9: it must be at least 10, twice the labels and slots"):
        UpdatableHeadBuilder(task="category", hidden_size=9).build(run.model)


@pytest.mark.parametrize("hidden_size", [None, 40])
def test_spare_slots_start_with_next_to_no_probability(untrained, hidden_size):
    with torch.no_grad():  # logits far below zero, beside which a bias of -20 alone would not be small
        untrained.heads["category"].bias -= 30
        untrained.heads["category"].weight *= 5
    head = UpdatableHeadBuilder(task="category", spare_slots=4, hidden_size=hidden_size).build(untrained)
    assert head.spare_slots == ("slot_1", "slot_2", "slot_3", "slot_4")
    saved = executable(head.spec)
    assert saved.labels == (*untrained.tasks[0].labels, *head.spare_slots)
    embeddings = np.random.default_rng(0).normal(size=(500, 64)).astype(np.float32)
    found = saved.predict_many({"embedding": embeddings})["probabilities"]
    assert found[:, 5:].sum(1).max() < 1e-7
    np.testing.assert_allclose(found[:, :5], untrained.head_probabilities(embeddings)["category"], atol=2e-6)


def test_slots_that_are_labels_already_are_refused():
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = GoalModel.from_backbone("tiny-bert", tasks=[Task("mood", ("slot_1", "good"))], encoder=sizes)
    with pytest.raises(ConfigurationError, match="mood has labels slot_1, which are names of spare slots: rename these labels"):
        UpdatableHeadBuilder(task="mood", spare_slots=1).build(model)


def test_a_calibrated_model_its_package_and_its_head_agree(run, splits, tmp_path):
    calibrated = calibrate(run.model, splits.validation).model
    heads = [UpdatableHeadBuilder(task="category", spare_slots=2).build(calibrated)]
    bundle = CoreMLExporter(sequence_length=24, precision="float32").export(calibrated, tmp_path / "bundle", heads=heads)
    report = bundle.verify(splits.test.texts[:50])
    assert report.passed
    assert report.heads["category"] < 1e-6


def test_neighbours_vote(run, splits):
    train, test = splits.train, splits.test
    head = NeighboursHeadBuilder(task="category", neighbours=7).build(run.model, train.texts, train.labels["category"])
    saved = executable(head.spec)
    probabilities = saved.predict_many({"embedding": run.model.embed(test.texts)})["probabilities"]
    expected = KNeighborsClassifier(7).fit(run.model.embed(train.texts), train.labels["category"])
    order = [saved.labels.index(label) for label in expected.classes_]
    np.testing.assert_allclose(probabilities[:, order], expected.predict_proba(run.model.embed(test.texts)), atol=1e-6)
    assert find_violations(head.spec) == []


def test_near_neighbours_may_weigh_more(run):
    texts, labels = ["跑步五公里", "背五十个单词", "读完一本书"], ["健康", "学习", "学习"]
    head = NeighboursHeadBuilder(task="category", neighbours=3, weighting="inverse_distance").build(run.model, texts, labels)
    point = run.model.embed(["今晚跑步"])
    distances = ((point - run.model.embed(texts)) ** 2).sum(1)
    votes = 1 / distances
    found = executable(head.spec).predict_many({"embedding": point})["probabilities"][0]
    np.testing.assert_allclose(found, [votes[0] / votes.sum(), votes[1:].sum() / votes.sum()], rtol=1e-5)


def test_neighbours_without_examples_say_the_first_label(run):
    saved = executable(NeighboursHeadBuilder(task="completion").build(run.model).spec)
    assert saved.labels == ("未开始",)
    assert saved.predict({"embedding": np.zeros(64, np.float32)})["probabilities"].tolist() == [1.0]


def test_wrong_neighbours_are_refused(run):
    with pytest.raises(ConfigurationError, match="neighbours is 60, neighbours_range 1 to 50: choose one from the range"):
        NeighboursHeadBuilder(task="category", neighbours=60)
    with pytest.raises(ConfigurationError, match="there are 1 texts and 0 labels"):
        NeighboursHeadBuilder(task="category").build(run.model, ["跑步"])
    with pytest.raises(ConfigurationError, match="has no label '睡觉'"):
        NeighboursHeadBuilder(task="category").build(run.model, ["跑步"], ["睡觉"])
