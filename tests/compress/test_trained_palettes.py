"""Palettes whose values, and the weights behind them, are trained."""

import pytest
import torch

from goalkit import Compressor, Splits
from goalkit.compress import CompressionContext, Palettisation, Pruning
from goalkit.compress.constrained import train_constrained
from goalkit.compress.layers import large_layers
from goalkit.compress.palettisation import LearnedPalette, palettise_weights
from goalkit.errors import ConfigurationError, ModelError
from goalkit.evaluation import evaluate
from goalkit.weights import stored_weights


def right(model, rows):
    return sum(score.accuracy for score in evaluate(model, rows)) / len(model.tasks)


@pytest.fixture(scope="module")
def few(splits):
    """Enough rows for some steps of training."""
    return Splits(splits.train.take(range(200)), splits.validation.take(range(50)), splits.test)


@pytest.mark.parametrize(("group_size", "sparse"), [(None, False), (32, False), (None, True)])
def test_what_was_trained_is_what_is_stored(run, few, group_size, sparse):
    start = Compressor([Pruning(amount=0.3, rounds=1, epochs=0)]).compress(run.model).model if sparse else run.model
    trained = train_constrained(
        start,
        lambda weight: LearnedPalette(weight, 2, group_size, sparse=sparse),
        Palettisation(),
        CompressionContext(splits=few, progress=False),
        epochs=1,
        learning_rate=1e-3,
        teacher=start,
    )
    before = Compressor([Palettisation(bits=2, group_size=group_size, sparse=sparse)]).compress(start).model
    stored = trained.copy()
    palettise_weights(stored, 2, group_size=group_size, sparse=sparse)
    layers = zip(stored_weights(stored), stored_weights(before), large_layers(trained), large_layers(start), strict=True)
    for (_, layer, _), (_, untrained, _), (_, weight), (_, original) in layers:
        assert torch.equal(layer.weight, weight)
        assert not torch.equal(layer.weight, untrained.weight), "training has an effect"
        if sparse:
            assert bool((weight[original == 0] == 0).all())
    texts = few.test.texts[:100]
    predicted = stored.predict_probabilities(texts)
    for name, probabilities in trained.predict_probabilities(texts).items():
        assert (predicted[name] == probabilities).all()


def test_one_bit_is_better_with_training(run, splits):
    some = Splits(splits.train.take(range(600)), splits.validation.take(range(150)), splits.test)
    technique = Palettisation(bits=1, epochs=2, learning_rate=1e-3)
    trained = Compressor([technique]).compress(run.model, some, progress=False).model
    plain = Compressor([Palettisation(bits=1)]).compress(run.model).model
    assert right(trained, splits.test) > right(plain, splits.test) + 0.02


def test_training_needs_splits_and_an_uncompressed_model(run, splits, int8_model):
    technique = Palettisation(epochs=1)
    with pytest.raises(ConfigurationError, match="'palettisation' needs splits"):
        Compressor([technique]).compress(run.model)
    with pytest.raises(ConfigurationError, match="is compressed already"):
        Compressor([technique]).compress(int8_model, splits)
    with pytest.raises(ModelError, match="no equal parts of 7"):
        Compressor([Palettisation(epochs=1, group_size=7)]).compress(run.model, splits)
