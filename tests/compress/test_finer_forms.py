"""Blocks of columns with a scale each, groups of rows with a table each, and few bits: forms of iOS 18."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from goalkit import Bundle, Compressor, CoreMLExporter, GoalModel
from goalkit.compress import Palettisation, Quantisation
from goalkit.compress.palettes import fit_palette, palettise
from goalkit.compress.quantisation import quantise
from goalkit.errors import ConfigurationError, ModelError
from goalkit.weights import AffineWeight, PaletteWeight

FORMS = [
    Quantisation(bits=4),
    Quantisation(bits=4, block_size=32),
    Quantisation(block_size=16),
    Palettisation(bits=3),
    Palettisation(bits=4, group_size=16),
]

weights = arrays.arrays(np.float32, (4, 6), elements=st.floats(-8, 8, width=32))


@given(weights, st.sampled_from([4, 8]), st.sampled_from([None, 1, 2, 3, 6]))
def test_each_block_is_quantised_on_its_own(array, bits, block_size):
    weight, largest = torch.from_numpy(array), 2 ** (bits - 1) - 1
    integers, scale = quantise(weight, bits=bits, block_size=block_size)
    size = block_size or 6
    assert scale.shape == (4, 6 // size)
    assert int(integers.abs().max()) <= largest
    restored = AffineWeight(scale, bits=bits, block_size=block_size)(integers)
    for start in range(0, 6, size):
        block = weight[:, start : start + size]
        alone, own = quantise(block, bits=bits)
        torch.testing.assert_close(restored[:, start : start + size], alone * own, rtol=0, atol=0)


@given(weights, st.sampled_from([1, 2, 4]), st.sampled_from([None, 1, 2, 4]))
def test_each_group_has_a_table_of_its_own(array, bits, group_size):
    weight = torch.from_numpy(array)
    indices, palette = palettise(weight, bits=bits, group_size=group_size)
    assert int(indices.max()) < 2**bits
    restored = PaletteWeight(palette, group_size=group_size)(indices)
    for start in range(0, 4, group_size or 4):
        rows = weight[start : start + (group_size or 4)]
        table = fit_palette(rows, bits)
        nearest = table[(rows.unsqueeze(2) - table).abs().argmin(2)]
        part = restored[start : start + (group_size or 4)]
        torch.testing.assert_close((part - rows).abs(), (nearest - rows).abs())


def test_more_scales_and_more_tables_are_nearer():
    weight = torch.from_numpy(np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32))
    weight *= torch.linspace(0.1, 2, 64).unsqueeze(1)

    def error(restored):
        return float(((restored - weight).norm(dim=1) / weight.norm(dim=1)).mean())

    by_row, by_block = (quantise(weight, bits=4, block_size=size) for size in (None, 16))
    assert error(AffineWeight(by_block[1], bits=4, block_size=16)(by_block[0])) < 0.9 * error(by_row[0] * by_row[1])
    whole, grouped = (palettise(weight, bits=4, group_size=size) for size in (None, 8))
    assert error(PaletteWeight(grouped[1], group_size=8)(grouped[0])) < 0.9 * error(PaletteWeight(whole[1])(whole[0]))


def test_a_table_is_the_best_for_its_bits():
    """Of a normal distribution: the distortions of Lloyd-Max quantisers with 8 and 16 values are 0.03454 and 0.009497."""
    numbers = torch.from_numpy(np.random.default_rng(0).standard_normal(400_000).astype(np.float32))
    for bits, distortion in ((3, 0.03454), (4, 0.009497)):
        table = fit_palette(numbers, bits)
        middles = (table[1:] + table[:-1]) / 2
        found = float(((numbers - table[torch.bucketize(numbers, middles)]) ** 2).mean())
        assert found == pytest.approx(distortion, rel=0.01)


@pytest.mark.parametrize("technique", FORMS, ids=str)
def test_they_are_saved_and_exported_for_ios_18(run, splits, tmp_path, technique):
    small = Compressor([technique]).compress(run.model).model
    again = GoalModel.load(small.save(tmp_path / "model"))
    assert again.digest() == small.digest()
    bundle = CoreMLExporter(sequence_length=24, deployment_target="iOS18").export(small, tmp_path / "bundle")
    report = Bundle.open(bundle.path, source=again).verify(splits.test.texts[:60])
    assert report.passed, report.failures
    with pytest.raises(ConfigurationError, match=r"iOS17 does not have: choose deployment_target='iOS18', or another"):
        CoreMLExporter(sequence_length=24, deployment_target="iOS17").export(small, tmp_path / "older")


def test_sizes_and_bits_that_do_not_go_are_refused(run):
    for technique, message in (
        (lambda: Quantisation(bits=5), "bits is 5: it must be 4 or 8"),
        (lambda: Quantisation(bits=True), "bits is True: it must be 4 or 8"),
        (lambda: Palettisation(bits=5), "bits is 5: it must be 1, 2, 3, 4, 6 or 8"),
        (lambda: Quantisation(block_size=0), "block_size is 0: it must be a whole number, at least 1"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            technique()
    for technique, message in (
        (Quantisation(block_size=7), "no equal parts of 7"),
        (Palettisation(group_size=7), "no equal parts of 7"),
    ):
        with pytest.raises(ModelError, match=message):
            Compressor([technique]).compress(run.model)
