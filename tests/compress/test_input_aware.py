"""Rounding that minds what enters each layer: moments measured on texts, tables that follow them, and error feedback."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn

from goalkit import Compressor
from goalkit.compress import CompressionContext, Palettisation, Pruning, Quantisation
from goalkit.compress.feedback import round_with_feedback
from goalkit.compress.inputs import DAMPING, importance, representative_texts, second_moments
from goalkit.compress.layers import large_layers
from goalkit.compress.mixed import divergence
from goalkit.compress.palettes import fit_palette, nearest, palettise
from goalkit.compress.palettisation import palettise_layer
from goalkit.compress.quantisation import quantise, quantise_with_feedback
from goalkit.errors import ConfigurationError
from goalkit.weights import PaletteWeight

TEXTS = ["跑步", "戒糖", "每天背50个单词，坚持一个月，谁也别拦我", "读完一本书"]


@pytest.fixture(scope="module")
def moments(run, splits):
    return second_moments(run.model, splits.train.texts[:200])


def test_moments_are_those_of_the_inputs_without_padding(run):
    model, entered = run.model.copy(), []
    layer = model.encoder.model.encoder.layer[1].intermediate.dense
    found = second_moments(model, TEXTS)
    hook = layer.register_forward_pre_hook(lambda module, arguments: entered.append(arguments[0][0]))
    for text in TEXTS:
        model.embed([text])
    hook.remove()
    inputs = torch.cat(entered).double()
    expected = inputs.T @ inputs
    expected += DAMPING * expected.diagonal().mean() * torch.eye(len(expected))
    torch.testing.assert_close(
        found[layer] * expected.diagonal().mean() / found[layer].diagonal().mean(), expected, rtol=1e-4, atol=1e-4
    )

    ids = np.concatenate([model.tokenizer.encode([text]).input_ids[0] for text in TEXTS])
    table = model.encoder.model.embeddings.word_embeddings
    counts = np.bincount(ids, minlength=table.num_embeddings)
    damped = torch.from_numpy(counts + DAMPING * counts.mean())
    torch.testing.assert_close(found[table], damped / counts.mean())


def test_a_table_minds_important_weights():
    generator = np.random.default_rng(0)
    sizes = torch.linspace(0.2, 2, 64)
    weight = torch.from_numpy(generator.standard_normal((64, 64)).astype(np.float32)) * sizes
    factors = (sizes**-4).expand_as(weight)

    def error(table):
        return float((factors * (table[nearest(weight, table).long()] - weight) ** 2).sum())

    assert error(fit_palette(weight, 4, factors)) < 0.7 * error(fit_palette(weight, 4))
    torch.testing.assert_close(fit_palette(weight, 4, torch.full_like(weight, 3.0)), fit_palette(weight, 4))


@given(
    arrays.arrays(np.int8, (4, 6), elements=st.integers(0, 7)),
    arrays.arrays(np.float16, (2, 8), elements=st.floats(-8, 8, width=16), unique=True),
)
def test_values_of_a_table_are_found_again(indices, tables):
    palette = torch.from_numpy(np.sort(tables, axis=1)).float()
    weight = PaletteWeight(palette, group_size=2)(torch.from_numpy(indices))
    again, found = palettise(weight, bits=3, group_size=2)
    assert torch.equal(PaletteWeight(found, group_size=2)(again), weight)


@pytest.mark.parametrize("bits", [2, 4])
def test_feedback_lowers_the_error_of_every_layers_outputs(run, moments, bits):
    compared = 0
    for module, weight in large_layers(run.model):
        if isinstance(module, nn.Linear):
            measured = moments[module]

            def error(restored, weight=weight, measured=measured):
                difference = (restored - weight).double()
                return float((difference @ measured * difference).sum())

            indices, palette = palettise_layer(weight, measured, bits=bits)
            _, same = palettise(weight, bits=bits, importance=importance(measured))
            assert torch.equal(palette, same)
            assert error(palette[indices.long()]) < error(palette[nearest(weight, palette).long()])
            if bits == 4:
                (fed, scale), (plain, _) = (
                    quantise_with_feedback(weight, measured, bits=4, block_size=16),
                    quantise(weight, bits=4, block_size=16),
                )
                assert int(fed.abs().max()) <= 7
                steps = scale.repeat_interleave(16, dim=1)
                assert error(fed * steps) < error(plain * steps)
            compared += 1
    assert compared == 12


@given(arrays.arrays(np.float32, (3, 5), elements=st.floats(-8, 8, width=16)))
def test_without_correlations_nothing_is_made_up_for(array):
    weight, diagonal = torch.from_numpy(array), torch.tensor([3.0, 1.0, 2.0, 5.0, 4.0], dtype=torch.float64)
    for moments in (torch.diag(diagonal), diagonal):
        rounded = round_with_feedback(weight, moments, lambda values, columns: values.round())
        assert torch.equal(rounded, weight.round())


@pytest.mark.parametrize(("technique", "share"), [(Palettisation, 0.7), (Quantisation, 0.95)])
def test_probabilities_change_less(run, splits, technique, share):
    texts = splits.test.texts
    before = run.model.predict_probabilities(texts)
    moved = [
        divergence(before, Compressor([each]).compress(run.model, texts=splits.train.texts).model.predict_probabilities(texts))
        for each in (technique(bits=4, input_aware=True), technique(bits=4))
    ]
    assert moved[0] < share * moved[1]


@pytest.mark.parametrize("technique", [Palettisation, Quantisation], ids=lambda each: each.name)
def test_zeros_stay_zero(run, technique):
    pruned = Compressor([Pruning(amount=0.5, rounds=1, epochs=0)]).compress(run.model).model
    small = Compressor([technique(bits=4, sparse=True, input_aware=True)]).compress(pruned, texts=TEXTS).model
    for module, weight in large_layers(pruned):
        name = next(name for name, each in pruned.named_modules() if each is module)
        assert bool((small.get_submodule(name).weight[weight == 0] == 0).all())


def test_texts_are_needed_and_spread_evenly(run, splits):
    technique = Palettisation(input_aware=True)
    with pytest.raises(ConfigurationError, match=r"'palettisation' measures the model on texts: give texts= or splits="):
        Compressor([technique]).compress(run.model)
    assert representative_texts(CompressionContext(texts=tuple("abcdefg")), technique, 3) == ["a", "d", "g"]
    assert representative_texts(CompressionContext(splits=splits), technique, 2)[0] == splits.train.texts[0]
