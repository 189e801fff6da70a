"""Zeros among the weights: chosen, kept while the rest is trained, and stored so that they take less space."""

import attrs
import numpy as np
import pytest
import torch

from goalkit import Bundle, Compressor, CoreMLExporter, GoalModel
from goalkit.compress import CompressionContext, Palettisation, Pruning, Quantisation, SparseStorage
from goalkit.compress.constrained import train_constrained
from goalkit.compress.layers import large_layers
from goalkit.compress.pruning import smallest
from goalkit.compress.quantisation import Rounded
from goalkit.errors import ConfigurationError, TrainingError
from goalkit.evaluation import evaluate
from goalkit.weights import stored_weights
from goalkit.weights.sparse import LEAST

TEXTS = ["跑步", "每天背50个单词，坚持一个月，谁也别拦我", "戒糖第十二天了"]
HALF = Pruning(amount=0.5, rounds=1, epochs=0)
STORED = {
    "sparse": (SparseStorage(), "sparse", "iOS16", 9),
    "sparse int8": (Quantisation(sparse=True), "sparse 8-bit affine", "iOS18", 5),
    "sparse palette": (Palettisation(bits=4, sparse=True), "sparse 4-bit palette", "iOS18", 3),
}


def right(model, rows):
    """The mean accuracy."""
    return np.mean([score.accuracy for score in evaluate(model, rows)])


def zeros(model):
    return [float((weight == 0).float().mean()) for _, weight in large_layers(model)]


@pytest.fixture(scope="module")
def pruned(run):
    return Compressor([HALF]).compress(run.model).model


@pytest.fixture(scope="module")
def dense_bytes(pruned, tmp_path_factory):
    """The size of a package in half precision."""
    bundle = CoreMLExporter(sequence_length=48).export(pruned, tmp_path_factory.mktemp("dense") / "bundle")
    return bundle.verify(TEXTS).package_bytes


def test_the_smallest_weights_become_zero(run, pruned):
    assert zeros(pruned) == pytest.approx([0.5] * len(zeros(pruned)), abs=0.001)
    for (_, before), (_, after) in zip(large_layers(run.model), large_layers(pruned), strict=True):
        assert before[after == 0].abs().max() <= after[after != 0].abs().min()
        torch.testing.assert_close(after[after != 0], before[after != 0], rtol=0, atol=0)


def test_zeros_stay_zero_while_the_others_learn_and_the_share_rises(run, splits):
    technique = Pruning(amount=0.95, rounds=2, epochs=1, learning_rate=1e-3)
    tuned = Compressor([technique]).compress(run.model, splits, progress=False).model
    assert zeros(tuned) == pytest.approx([0.95] * len(zeros(tuned)), abs=0.001)
    cut = Compressor([attrs.evolve(technique, rounds=1, epochs=0)]).compress(run.model).model
    assert right(tuned, splits.train) > right(cut, splits.train) + 0.05
    assert all(parameter.requires_grad for parameter in tuned.parameters())


def test_of_each_group_the_same_number_is_left_out():
    weight = torch.tensor([[4.0, -1.0, 3.0, 2.0, 0.1, -9.0, 8.0, 0.2]])
    assert smallest(weight, 0.5, group=4).tolist() == [[True, False, True, False, False, True, True, False]]
    with pytest.raises(ConfigurationError, match=r"an amount of 0.9 leaves all or none of 4 weights: change one"):
        Pruning(amount=0.9, group=4)
    with pytest.raises(ConfigurationError, match="8 columns cannot be divided into groups of 3: choose a divisor"):
        smallest(weight, 0.5, group=3)


@pytest.mark.parametrize("kind", STORED)
def test_only_nonzero_weights_are_stored_saved_and_exported(pruned, dense_bytes, splits, tmp_path, kind):
    technique, form, target, bits = STORED[kind]
    small = Compressor([technique]).compress(pruned).model
    for (_, layer, _), (_, before) in zip(stored_weights(small), large_layers(pruned), strict=True):
        assert not layer.weight[before == 0].any()
        kept = layer.weight[layer.weight != 0]
        assert kept.abs().min() > LEAST
    again = GoalModel.load(small.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.embed(TEXTS), small.embed(TEXTS))
    assert again.digest() == small.digest()
    bundle = CoreMLExporter(sequence_length=48, deployment_target=target).export(small, tmp_path / "bundle")
    assert bundle.manifest.origin.compression == {form: len(list(stored_weights(small)))}
    report = Bundle.open(bundle.path, source=small).verify(splits.test.texts)
    assert report.passed, report.failures
    weights = sum(before.numel() for _, before in large_layers(pruned))
    assert 8 * (dense_bytes - report.package_bytes) / weights == pytest.approx(16 - bits, abs=0.6)


def test_joint_forms_need_a_newer_system(pruned, tmp_path):
    small = Compressor([Quantisation(sparse=True)]).compress(pruned).model
    with pytest.raises(ConfigurationError, match="sparse 8-bit affine, which iOS17 does not have"):
        CoreMLExporter(sequence_length=16, deployment_target="iOS17").export(small, tmp_path / "bundle")


def test_fine_tuning_without_rows_says_what_to_give(run):
    with pytest.raises(ConfigurationError, match="the technique 'pruning' needs splits: give splits="):
        Compressor([Pruning(amount=0.3)]).compress(run.model)


def test_training_rounds_weights_as_they_are_stored_afterwards(run, splits):
    context = CompressionContext(splits=splits, progress=False)
    technique = Quantisation(bits=4, epochs=1, learning_rate=1e-3)
    tuned = train_constrained(
        run.model,
        lambda weight: Rounded(weight, 4, None, sparse=False),
        technique,
        context,
        epochs=1,
        learning_rate=1e-3,
        teacher=run.model,
    )
    stored = technique.apply(run.model, context)
    assert {str(storage.form) for _, _, storage in stored_weights(stored)} == {"4-bit affine"}
    np.testing.assert_allclose(stored.embed(TEXTS), tuned.embed(TEXTS), atol=1e-6)
    plain = Compressor([Quantisation(bits=4)]).compress(run.model).model
    assert right(stored, splits.train) > right(plain, splits.train)


def test_zeros_of_a_pruned_model_remain_while_it_learns_to_be_rounded(pruned, splits):
    small = Compressor([Quantisation(sparse=True, epochs=1)]).compress(pruned, splits, progress=False).model
    for (_, layer, _), (_, before) in zip(stored_weights(small), large_layers(pruned), strict=True):
        assert not layer.weight[before == 0].any()


def test_training_with_other_bits_does_not_continue_from_the_same_folder(run, splits, tmp_path):
    few = attrs.evolve(splits, train=splits.train.take(range(64)), validation=splits.validation.take(range(32)))
    compress = {"splits": few, "folder": tmp_path, "progress": False}
    Compressor([Quantisation(bits=8, epochs=1)]).compress(run.model, **compress)
    with pytest.raises(TrainingError, match="does not match this training run"):
        Compressor([Quantisation(bits=4, epochs=1)]).compress(run.model, **compress)


def test_a_matrix_of_zeros_is_stored_in_every_form(untrained):
    weight = untrained.encoder.anatomy().layers[0].intermediate.dense.weight
    torch.nn.init.zeros_(weight)
    for technique, *_ in STORED.values():
        small = Compressor([technique]).compress(untrained).model
        assert not small.encoder.anatomy().layers[0].intermediate.dense.weight.any()
