import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from goalkit import Compressor
from goalkit.compress.quantisation import quantise
from goalkit.errors import ConfigurationError
from goalkit.weights import stored_weights

weights = arrays.arrays(np.float32, (3, 5), elements=st.floats(-8, 8, width=32))


def test_integers_and_scales_of_a_known_row():
    integers, scale = quantise(torch.tensor([[127.0, -63.5, 0.4, 0.6], [0.0, 0.0, 0.0, 0.0]]))
    assert integers.tolist() == [[127, -64, 0, 1], [0, 0, 0, 0]]
    assert scale.tolist() == [[1.0], [1.0]], "a row of zeros gets scale 1"


@given(weights)
def test_quantised_weight_is_nearest_and_its_scale_fits_half_precision(array):
    weight = torch.from_numpy(array)
    integers, scale = quantise(weight)
    assert integers.dtype == torch.int8
    assert int(integers.abs().max()) <= 127
    assert torch.equal(scale, scale.half().float())
    # half a step, and what rounding the scale to half precision can cut off at the row's end
    slack = scale / 2 + weight.abs().amax(1, keepdim=True) * 2**-11 + 1e-6
    assert bool(((integers * scale - weight).abs() <= slack).all())


def test_every_large_matrix_of_the_encoder_is_compressed(run, int8_model):
    stored = {name for name, _, _ in stored_weights(int8_model)}
    large = {
        name.removesuffix(".weight")
        for name, parameter in run.model.encoder.named_parameters(prefix="encoder")
        if parameter.ndim == 2 and parameter.numel() >= 2048
    }
    assert stored == large


def test_report_tells_size_and_agreement(run, splits):
    made = Compressor.from_recipe("int8").compress(run.model, splits)
    assert made.bytes_after < made.bytes_before / 2.5
    assert set(made.agreement) == {"category", "difficulty", "completion"}
    assert min(made.agreement.values()) > 0.97
    assert not list(stored_weights(run.model)), "the model that was given stays as it was"


def test_unknown_recipe_and_unsound_weights_are_refused(untrained):
    message = (
        "no recipe 'zip'; the recipes are int8, int8-gptq, palette4, palette6, w8a8, the techniques .*palettisation, pruning"
    )
    with pytest.raises(ConfigurationError, match=message):
        Compressor.from_recipe("zip")
    with torch.no_grad():
        untrained.encoder.model.embeddings.word_embeddings.weight[7, 0] = float("nan")
    with pytest.raises(ConfigurationError, match=r"encoder.model.embeddings.word_embeddings.weight holds NaN"):
        Compressor.from_recipe("int8").compress(untrained)
