"""Bits chosen per layer, so that a size is met."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from goalkit import Compressor, CoreMLExporter, Splits
from goalkit.compress import CompressionContext, MixedPrecision, Palettisation
from goalkit.compress.mixed import allocate, divergence
from goalkit.errors import ConfigurationError
from goalkit.weights import stored_weights

SIZE = 0.21
"""MB: between those of 2 bits in all layers of the small model, 0.13, and of 4 bits, 0.25."""


@pytest.fixture(scope="module")
def texts(splits):
    return splits.train.texts[:50]


@pytest.fixture(scope="module")
def mixed(run, texts):
    return Compressor([MixedPrecision(size_mb=SIZE)]).compress(run.model, texts=texts, progress=False).model


def test_the_package_meets_the_size_and_uses_it(mixed, tmp_path):
    bundle = CoreMLExporter(sequence_length=24).export(mixed, tmp_path / "bundle")
    weights = next(bundle.path.rglob("weight.bin")).stat().st_size
    assert 0.8 * SIZE < weights / 1e6 < SIZE + 0.01, "a file has a few bytes between weights"
    assert len({storage.form.bits for _, _, storage in stored_weights(mixed)}) > 1


@pytest.mark.parametrize("size", [0.135, SIZE, 0.26])
def test_it_is_no_worse_than_the_same_bits_everywhere(run, texts, size):
    before = run.model.predict_probabilities(texts)
    made = Compressor([MixedPrecision(size_mb=size, bits=(2, 4))]).compress(run.model, texts=texts, progress=False).model
    uniform = Compressor([Palettisation(bits=4 if size > 0.25 else 2)]).compress(run.model).model
    losses = [divergence(before, each.predict_probabilities(texts)) for each in (made, uniform)]
    assert losses[0] <= losses[1]
    if size == SIZE:
        assert losses[0] < 0.7 * losses[1]


def test_the_same_choice_every_time_and_training_keeps_it(run, splits, texts, mixed):
    few = Splits(splits.train.take(range(200)), splits.validation.take(range(50)), splits.test)
    context = CompressionContext(texts=texts, splits=few, progress=False)
    bits = [storage.form.bits for _, _, storage in stored_weights(mixed)]
    assert MixedPrecision(size_mb=SIZE).choose(run.model, context) == bits
    trained = MixedPrecision(size_mb=SIZE, epochs=1).apply(run.model, context)
    assert [storage.form.bits for _, _, storage in stored_weights(trained)] == bits


@given(
    arrays.arrays(np.int64, (3, 3), elements=st.integers(1, 50)),
    arrays.arrays(np.float64, (3, 3), elements=st.floats(0, 10)),
    st.integers(0, 300),
)
def test_an_allocation_fits_and_is_no_worse_than_the_start(steps, losses, extra):
    costs = steps.cumsum(axis=1)
    budget, rows = int(costs[:, 0].sum()) + extra, np.arange(3)
    chosen = allocate(costs, losses, budget)
    assert costs[rows, chosen].sum() <= budget
    assert losses[rows, chosen].sum() <= losses[:, 0].sum()
    if extra == 300:  # everything fits
        assert losses[rows, chosen].sum() == losses.min(axis=1).sum()


def test_bytes_go_where_they_help_most():
    costs, losses = np.array([[10, 20, 40], [10, 20, 40]]), np.array([[9.0, 3.0, 1.0], [4.0, 3.5, 0.0]])
    assert allocate(costs, losses, 20) == [0, 0]
    assert allocate(costs, losses, 30) == [1, 0]
    assert allocate(costs, losses, 60) == [1, 2]


def test_what_cannot_be_is_refused(run, texts, int8_model):
    with pytest.raises(
        ConfigurationError, match=r"size_mb is 0\.05, and with 2 bits in all layers the model has 0\.1\d: raise"
    ):
        Compressor([MixedPrecision(size_mb=0.05)]).compress(run.model, texts=texts)
    with pytest.raises(ConfigurationError, match=r"give texts= or splits="):
        Compressor([MixedPrecision(size_mb=SIZE)]).compress(run.model)
    with pytest.raises(ConfigurationError, match="is compressed already"):
        Compressor([MixedPrecision(size_mb=SIZE)]).compress(int8_model, texts=texts)
    for bits in ((), (4, 2), (4, 4), (5,)):
        with pytest.raises(ConfigurationError, match=r"give at least one of 1, 2, 3, 4, 6, 8, each once"):
            MixedPrecision(size_mb=SIZE, bits=bits)
    with pytest.raises(ConfigurationError, match="size_mb is 0: it must be above 0"):
        MixedPrecision(size_mb=0)
