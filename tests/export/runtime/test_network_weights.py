"""Weights of neural networks in half precision and in few bits, as coremltools itself writes them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goalkit.errors import RuntimeModelError, UnsupportedOperationError
from goalkit.export.coreml import coremltools, quiet
from goalkit.export.package import write_model
from goalkit.export.runtime import load_model
from goalkit.export.runtime.loading import executable
from goalkit.export.runtime.weights import read_weights

ct = coremltools()
MATRIX = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
BIAS = np.arange(6, dtype=np.float32) / 8
POINT = np.random.default_rng(1).normal(size=8).astype(np.float32)


@pytest.fixture
def spec():
    with quiet():
        builder = ct.models.neural_network.NeuralNetworkBuilder(
            [("x", ct.models.datatypes.Array(8))], [("p", None)], mode="classifier"
        )
        builder.add_inner_product("ip", MATRIX, BIAS, 8, 6, True, "x", "z")
        builder.add_softmax("s", "z", "p")
        builder.set_class_labels(list("abcdef"), predicted_feature_name="label", prediction_blob="p")
    return builder.spec


def inner(spec):
    return spec.neuralNetworkClassifier.layers[0].innerProduct


def probabilities(weight, bias=BIAS):
    exponentials = np.exp(weight @ POINT + bias)
    return exponentials / exponentials.sum()


def quantised(spec, bits, mode):
    """As `coremltools.models.neural_network.quantization_utils.quantize_weights` does, which wants a Mac."""
    from coremltools.models.neural_network.quantization_utils import _quantize_spec_weights

    with quiet():
        return _quantize_spec_weights(spec, bits, getattr(ct.models, f"_QUANTIZATION_MODE_{mode}"))


def restored(spec):
    """A copy whose weights coremltools itself has expanded."""
    from coremltools.models.neural_network.quantization_utils import _dequantize_nn_spec

    copy = type(spec).FromString(spec.SerializeToString())
    with quiet():
        _dequantize_nn_spec(copy.neuralNetworkClassifier)
    return copy


def test_weights_in_half_precision(spec):
    half = quantised(spec, 16, "LINEAR_QUANTIZATION")
    assert inner(half).weights.float16Value
    assert not inner(half).weights.floatValue
    found = executable(half).predict({"x": POINT})["p"]
    np.testing.assert_allclose(found, probabilities(np.float32(np.float16(MATRIX)), np.float32(np.float16(BIAS))), rtol=1e-5)


@pytest.mark.parametrize("mode", ["LINEAR_QUANTIZATION", "LOOKUP_TABLE_LINEAR"])
@pytest.mark.parametrize("bits", [1, 3, 4, 8])
def test_weights_in_few_bits(spec, bits, mode):
    few = quantised(spec, bits, mode)
    assert not inner(few).weights.floatValue
    assert len(inner(few).weights.rawValue) == -(-bits * MATRIX.size // 8)
    expected = np.array(inner(restored(few)).weights.floatValue, np.float32).reshape(MATRIX.shape)
    found = executable(few).predict({"x": POINT})["p"]
    bias = np.array(inner(restored(few)).bias.floatValue, np.float32)
    np.testing.assert_allclose(found, probabilities(expected, bias), rtol=1e-4)


@settings(deadline=None)
@given(st.data(), st.integers(1, 8), st.booleans())
def test_integers_of_any_width_come_back(data, bits, by_row):
    """One scale for all, or one a row, without an offset; the bytes are filled from the most significant bit on."""
    rows, columns = 3, 5
    integers = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=rows * columns, max_size=rows * columns))
    text = "".join(format(each, f"0{bits}b") for each in integers).ljust(-(-bits * rows * columns // 8) * 8, "0")
    weights = coremltools().proto.NeuralNetwork_pb2.WeightParams(rawValue=int(text, 2).to_bytes(len(text) // 8, "big"))
    weights.quantization.numberOfBits = bits
    scale = [0.5, 2.0, -1.0] if by_row else [0.25]
    weights.quantization.linearQuantization.scale.extend(scale)
    expected = np.reshape(integers, (rows, columns)) * np.array(scale)[:, None]
    assert read_weights("they", weights, rows, columns).tolist() == expected.tolist()


def too_few(spec):
    del inner(spec).weights.floatValue[1:]


def none(spec):
    inner(spec).weights.ClearField("floatValue")


def half_a_half(spec):
    none(spec)
    inner(spec).weights.float16Value = b"\0" * (2 * 48 - 1)


def too_few_bytes(spec):
    few = quantised(spec, 4, "LINEAR_QUANTIZATION")
    inner(few).weights.rawValue = inner(few).weights.rawValue[:-1]
    spec.CopyFrom(few)


def no_scales(spec):
    few = quantised(spec, 8, "LINEAR_QUANTIZATION")
    del inner(few).weights.quantization.linearQuantization.scale[:]
    spec.CopyFrom(few)


def no_form(spec):
    few = quantised(spec, 8, "LINEAR_QUANTIZATION")
    inner(few).weights.quantization.ClearField("linearQuantization")
    spec.CopyFrom(few)


def a_short_table(spec):
    few = quantised(spec, 8, "LOOKUP_TABLE_LINEAR")
    del inner(few).weights.quantization.lookupTableQuantization.floatValue[3:]
    spec.CopyFrom(few)


@pytest.mark.parametrize("damages", [too_few, none, half_a_half, too_few_bytes, no_scales, no_form, a_short_table])
def test_weights_that_are_not_all_there_are_reported(spec, tmp_path, damages):
    damages(spec)
    write_model(tmp_path / "head.mlmodel", spec)
    with pytest.raises(RuntimeModelError, match=r"head.mlmodel.*restore (it|the file) or export again"):
        load_model(tmp_path / "head.mlmodel")


def test_quantised_computation_is_refused(spec):
    inner(spec).int8DynamicQuantize = True
    with pytest.raises(UnsupportedOperationError, match=r"layer ip quantises its input \(int8DynamicQuantize\)"):
        executable(spec)
