import numpy as np
import pytest
import torch
from torch import nn

from goalkit import Dataset, Splits, Trainer
from goalkit.errors import ConfigurationError, TrainingError
from goalkit.training.dropout import ByteDropout, fast_dropout
from goalkit.training.encoding import Batch
from goalkit.training.objective import CrossEntropy
from goalkit.training.optimization import build_optimizer, frozen, rate_factor


def rates(steps, **settings):
    return [rate_factor(Trainer(**settings), step, steps) for step in range(steps)]


def test_the_rate_climbs_and_falls():
    assert rates(10, warmup=0.2) == pytest.approx([0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    assert rates(4, warmup=0, schedule="constant") == [1, 1, 1, 1]
    cosine = rates(101, warmup=0, schedule="cosine")
    assert cosine[51] == pytest.approx(0.5)
    assert cosine == sorted(cosine, reverse=True)


def test_lower_layers_learn_slower_and_only_matrices_decay(run):
    trainer = Trainer(layer_decay=0.5, weight_decay=0.1)
    optimizer = build_optimizer(run.model, trainer)
    scale = {id(parameter): group["scale"] for group in optimizer.param_groups for parameter in group["params"]}
    decay = {id(parameter): group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]}
    named = dict(run.model.named_parameters())
    assert len(scale) == len(named)
    assert scale[id(named["head_layers.0.weight"])] == 1
    assert scale[id(named["encoder.model.embeddings.word_embeddings.weight"])] == 0.5**3
    assert scale[id(named["encoder.model.encoder.layer.1.output.dense.weight"])] == 0.5
    assert {decay[id(parameter)] for parameter in named.values() if parameter.ndim == 1} == {0.0}


def test_frozen_layers_stay_and_learn_again_afterwards(untrained, splits):
    before = {name: tensor.clone() for name, tensor in untrained.state_dict().items()}
    few = Splits(splits.validation, splits.validation, splits.test)
    after = Trainer(epochs=1, learning_rate=1e-2, frozen_layers=1, calibrate=False).fit(untrained, few, progress=False).model
    changed = {name for name, tensor in after.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {f"head_layers.{number}.{part}" for number in range(3) for part in ("weight", "bias")}
    assert all(parameter.requires_grad for parameter in after.parameters())
    with (
        pytest.raises(TrainingError, match="frozen_layers is 2, the maximum for this encoder is 1: lower it"),
        frozen(untrained, 2),
    ):
        pass


def test_sgd_with_momentum_learns_too(untrained, splits):
    few = Splits(splits.validation, splits.validation, splits.test)
    trainer = Trainer(epochs=4, optimizer="sgd", learning_rate=0.1, schedule="cosine", precision="float32")
    epochs = trainer.fit(untrained, few, progress=False).epochs
    assert epochs[-1].loss < epochs[0].loss - 0.1


def test_accumulated_batches_step_like_one(untrained, splits):
    few = Splits(splits.validation.take(range(64)), splits.validation, splits.test)
    whole = Trainer(epochs=1, batch_size=64, dropout=0, precision="float32", calibrate=False)
    parts = Trainer(epochs=1, batch_size=16, accumulation=4, dropout=0, precision="float32", calibrate=False)
    one, four = (trainer.fit(untrained, few, progress=False) for trainer in (whole, parts))
    assert len(one.losses) == len(four.losses) == 1
    assert one.losses[0] == pytest.approx(four.losses[0], rel=1e-5)


def test_rare_classes_weigh_more_and_tasks_as_set():
    rows = Dataset.from_columns(["一", "二", "三", "四"], {"kind": ["a", "a", "a", "b"], "size": ["s", "l", "s", "l"]})
    logits = {"kind": torch.zeros(4, 2), "size": torch.zeros(4, 2)}
    labels = {task.name: torch.from_numpy(rows.label_ids(task)) for task in rows.tasks}
    batch = Batch(np.arange(4), torch.zeros(4, 3), torch.ones(4, 3), labels)
    plain = CrossEntropy.of(rows, Trainer(task_weights={"size": 0.5}))
    assert plain.loss(logits, batch).item() == pytest.approx(4 * np.log(2) * 1.5)
    balanced = CrossEntropy.of(rows, Trainer(class_weights="balanced"))
    assert balanced.class_weights["kind"].tolist() == pytest.approx([2 / 3, 2])
    assert balanced.loss(logits, batch).item() == pytest.approx(8 * np.log(2))  # 1 in the mean


def test_byte_dropout_keeps_the_mean_and_forgets_nothing_in_evaluation():
    torch.manual_seed(0)
    states = torch.ones(400, 400)
    layer = ByteDropout(0.3)
    dropped = layer(states)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert layer.eval()(states) is states
    assert torch.equal(ByteDropout(0.0)(states), states)


def test_dropout_is_as_set_during_training_only(untrained):
    layers = [module for module in untrained.modules() if isinstance(module, nn.Dropout)]
    before = [layer.p for layer in layers]
    with fast_dropout(untrained, 0.4):
        assert {layer.p for layer in layers} == {0.4}
        assert {type(layer) for layer in layers} == {ByteDropout}
    assert [layer.p for layer in layers] == before
    assert {type(layer) for layer in layers} == {nn.Dropout}


def test_settings_that_make_no_sense_are_refused(untrained, splits):
    with pytest.raises(ConfigurationError, match="there is no optimizer 'adam'; choose one of adamw, sgd"):
        Trainer(optimizer="adam")
    with pytest.raises(ConfigurationError, match="layer_decay is 0: it must be above 0"):
        Trainer(layer_decay=0)
    with pytest.raises(
        TrainingError,
        match="task_weights has mood, which the model does not predict: use only category, difficulty, completion",
    ):
        Trainer(task_weights={"mood": 2.0}).fit(untrained, splits)
