import numpy as np
import pytest
import torch

from goalkit import UpdatableHeadBuilder
from goalkit.errors import ConfigurationError, RuntimeModelError, StorageError, TrainingError, UpdatableModelError
from goalkit.export import NeighboursHeadBuilder, load_model, rehearse_update
from goalkit.export.package import write_model
from goalkit.export.runtime.loading import read_spec
from goalkit.export.runtime.network import InnerProduct, read_layers
from goalkit.export.updatable.rehearsal import loss_and_gradients

LABELS = ("健康", "学习", "工作", "生活", "理财")


@pytest.fixture(scope="module")
def lesson(run, splits):
    """Forty goals that this user calls 生活, whatever they are."""
    return run.model.embed(splits.test.texts[:40]), ["生活"] * 40


def test_gradients_are_those_of_torch(run, splits):
    embeddings = run.model.embed(splits.test.texts[:20])
    targets = splits.test.label_ids(run.model.tasks[0])[:20]
    spec = UpdatableHeadBuilder(task="category", hidden_size=24).build(run.model).spec
    layers = read_layers(spec.neuralNetworkClassifier, ["embedding"])
    parameters = []
    x = torch.from_numpy(embeddings)
    for layer in layers:
        if isinstance(layer, InnerProduct):
            weight, bias = (torch.from_numpy(each.copy()).requires_grad_() for each in (layer.weight, layer.bias))
            parameters += [weight, bias]
            x = torch.nn.functional.linear(x, weight, bias)
        elif layer.name == "hidden_relu":
            x = torch.relu(x)
    expected = torch.nn.functional.cross_entropy(x, torch.from_numpy(targets))
    expected.backward()
    loss, gradients = loss_and_gradients(layers, embeddings, targets)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert len(gradients) == len(parameters) == 4
    for found, parameter in zip(gradients, parameters, strict=True):
        np.testing.assert_allclose(found, parameter.grad.numpy(), atol=1e-6)


@pytest.mark.parametrize("hidden_size", [None, 16])
@pytest.mark.parametrize(
    ("optimizer", "twin"),
    [
        ("sgd", lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9)),
        ("adam", lambda parameters: torch.optim.Adam(parameters, lr=0.05)),
    ],
)
def test_a_whole_training_is_that_of_torch(run, lesson, optimizer, twin, hidden_size):
    embeddings, labels = lesson
    builder = UpdatableHeadBuilder(
        task="category", optimizer=optimizer, learning_rate=0.05, batch_size=32, epochs=5, hidden_size=hidden_size
    )
    spec = builder.build(run.model).spec
    spec.neuralNetworkClassifier.updateParams.shuffle.defaultValue = False
    rehearsal = rehearse_update(spec, embeddings, labels, seeds=1)

    modules = []
    for layer in read_layers(spec.neuralNetworkClassifier, ["embedding"])[:-1]:
        if isinstance(layer, InnerProduct):
            linear = torch.nn.Linear(*layer.weight.shape[::-1])
            linear.load_state_dict({"weight": torch.from_numpy(layer.weight), "bias": torch.from_numpy(layer.bias)})
            modules.append(linear)
        else:
            modules.append(torch.nn.ReLU())
    network = torch.nn.Sequential(*modules)
    stepper = twin(network.parameters())
    targets = torch.full((40,), LABELS.index("生活"))
    losses = []
    for _ in range(5):
        batches = []
        for rows in (slice(0, 32), slice(32, 40)):
            loss = torch.nn.functional.cross_entropy(network(torch.from_numpy(embeddings[rows])), targets[rows])
            stepper.zero_grad()
            loss.backward()
            stepper.step()
            batches.append(loss.item())
        losses.append(np.mean(batches))
    np.testing.assert_allclose(rehearsal.losses[0], losses, rtol=1e-4)
    layers = read_layers(rehearsal.updates[0].spec.neuralNetworkClassifier, ["embedding"])
    found = [each for layer in layers if isinstance(layer, InnerProduct) for each in (layer.weight, layer.bias)]
    for array, parameter in zip(found, network.parameters(), strict=True):
        np.testing.assert_allclose(array, parameter.detach().numpy(), atol=2e-5)


def test_the_updated_head_has_learnt_and_is_a_head_still(exported, lesson, tmp_path):
    embeddings, labels = lesson
    path = exported.path / "GoalHead-category.mlmodel"
    before = path.read_bytes()
    rehearsal = rehearse_update(path, embeddings, labels)
    assert rehearsal.losses.shape == (10, 10)
    assert (rehearsal.losses[:, -1] < 0.5 * rehearsal.losses[:, 0]).all()
    assert len(np.unique(rehearsal.losses[:, 0])) > 1, "seeds shuffle differently"
    assert (rehearsal.accuracies(embeddings, labels) > 0.9).all()
    saved = rehearsal.save(tmp_path / "updated.mlmodel", update=3)
    found = load_model(saved).predict_many({"embedding": embeddings})["probabilities"]
    assert (found.argmax(1) == LABELS.index("生活")).mean() > 0.9
    assert rehearse_update(saved, embeddings, labels, seeds=1).losses[0, 0] < rehearsal.losses[:, 0].min()
    assert path.read_bytes() == before


def test_the_same_seed_gives_the_same_bytes(exported, lesson, tmp_path):
    first, second = (
        rehearse_update(exported.path / "GoalHead-category.mlmodel", *lesson, seeds=2).save(tmp_path / name, update=1)
        for name in ("a.mlmodel", "b.mlmodel")
    )
    assert first.read_bytes() == second.read_bytes()


def test_an_app_may_choose_what_the_file_allows(exported, lesson):
    path = exported.path / "GoalHead-category.mlmodel"
    parameters = {"epochs": 2, "learningRate": 0.1, "miniBatchSize": 16, "momentum": 0.5}
    assert rehearse_update(path, *lesson, parameters=parameters).losses.shape == (10, 2)
    with pytest.raises(ConfigurationError, match="epochs is 3, the head allows 1, 2, 5, 10, 20, 50: choose one of these"):
        rehearse_update(path, *lesson, parameters={"epochs": 3})
    with pytest.raises(ConfigurationError, match="learningRate is 2, the head allows 1e-05 to 1"):
        rehearse_update(path, *lesson, parameters={"learningRate": 2})
    with pytest.raises(ConfigurationError, match="no parameter beta1; it has epochs, miniBatchSize, learningRate, momentum"):
        rehearse_update(path, *lesson, parameters={"beta1": 0.5})


def test_a_spare_slot_learns_a_new_label(run, splits):
    spec = UpdatableHeadBuilder(task="category", spare_slots=2).build(run.model).spec
    embeddings = run.model.embed(splits.test.texts)
    mine = np.array(splits.test.labels["difficulty"]) == "困难"
    rows = np.concatenate([np.flatnonzero(mine)[:10], np.flatnonzero(~mine)[:20]])
    known = splits.test.labels["category"]
    labels = ["slot_1" if mine[row] else known[row] for row in rows]
    rehearsal = rehearse_update(spec, embeddings[rows], labels, parameters={"epochs": 50, "learningRate": 0.1})
    assert rehearsal.accuracies(embeddings[rows[:10]], ["slot_1"] * 10).min() > 0.5


def test_neighbours_learn_a_new_label_from_one_example(run):
    head = NeighboursHeadBuilder(task="category", neighbours=1).build(run.model, ["跑步五公里", "读完一本书"], ["健康", "学习"])
    point = run.model.embed(["遛狗半小时"])
    rehearsal = rehearse_update(head.spec, point, ["宠物"])
    assert rehearsal.accuracies(point, ["宠物"]).tolist() == [1.0]
    assert rehearsal.losses.shape == (1, 0)
    assert len(head.spec.kNearestNeighborsClassifier.nearestNeighborsIndex.floatSamples) == 2, "the old head stays"
    with pytest.raises(ConfigurationError, match="no parameter epochs; it has numberOfNeighbors"):
        rehearse_update(head.spec, point, ["宠物"], parameters={"epochs": 5})


def test_bad_lessons_are_refused(exported, lesson):
    path, (embeddings, labels) = exported.path / "GoalHead-category.mlmodel", lesson
    with pytest.raises(TrainingError, match="no examples to learn from"):
        rehearse_update(path, embeddings[:0], [])
    with pytest.raises(TrainingError, match="40 embeddings and 39 labels"):
        rehearse_update(path, embeddings, labels[:-1])
    with pytest.raises(TrainingError, match=r"the embeddings have the shape \[63\], the head takes \[64\]"):
        rehearse_update(path, embeddings[:, :-1], labels)
    broken = embeddings.copy()
    broken[7, 3] = np.nan
    with pytest.raises(TrainingError, match="embedding 7 holds NaN or infinity"):
        rehearse_update(path, broken, labels)
    with pytest.raises(TrainingError, match="no label '宠物'; its labels are 健康, .*: export it with a spare slot"):
        rehearse_update(path, embeddings, ["宠物"] * 40)
    with pytest.raises(TrainingError, match="training diverged in epoch 1: lower the learning rate"):
        rehearse_update(path, embeddings * np.float32(1e30), labels, parameters={"learningRate": 1.0})


def test_heads_that_cannot_be_trained_are_refused_by_their_rule(exported, lesson, tmp_path):
    spec = read_spec(exported.path / "GoalHead-category.mlmodel")
    del spec.neuralNetworkClassifier.updateParams.lossLayers[:]
    spec.neuralNetworkClassifier.updateParams.ClearField("optimizer")
    write_model(tmp_path / "head.mlmodel", spec)
    with pytest.raises(UpdatableModelError, match="one-loss: there are 0 losses.*optimizer: there is no optimizer"):
        rehearse_update(tmp_path / "head.mlmodel", *lesson)
    whole = (exported.path / "GoalHead-category.mlmodel").read_bytes()
    (tmp_path / "head.mlmodel").write_bytes(whole[:100])
    with pytest.raises(RuntimeModelError, match="truncated or damaged"):
        rehearse_update(tmp_path / "head.mlmodel", *lesson)


def test_a_head_that_cannot_be_written_leaves_the_old_one(exported, lesson, tmp_path, monkeypatch):
    path = tmp_path / "head.mlmodel"
    path.write_bytes(b"old")
    rehearsal = rehearse_update(exported.path / "GoalHead-category.mlmodel", *lesson, seeds=1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device.*the previous content is unchanged"):
        rehearsal.save(path)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("head.mlmodel", b"old")]
