"""Activations in 8 bits: measured on texts, saved with the model, exported as they are, and executed."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn

from goalkit import Bundle, Compressor, CoreMLExporter, GoalModel, Splits
from goalkit.compress import RECIPES, ActivationQuantisation, Quantisation, VocabularyTrimming
from goalkit.compress.activations import Magnitudes
from goalkit.errors import ConfigurationError, ExportError, ModelError
from goalkit.export.runtime.loading import read_spec
from goalkit.student import student_of
from goalkit.weights import QuantisedInput, half_scale, quantise_input, quantised_inputs, restore_inputs

TEXTS = ["跑步", "每天背50个单词，坚持一个月，谁也别拦我", "戒糖第十二天了"]
DENSE = "encoder.model.encoder.layer.0.intermediate.dense"
W8A8 = RECIPES["w8a8"].techniques


@pytest.fixture(scope="module")
def w8a8(run, splits):
    return Compressor(W8A8).compress(run.model, splits).model


@pytest.fixture(scope="module")
def bundle(w8a8, tmp_path_factory):
    folder = tmp_path_factory.mktemp("w8a8") / "bundle"
    return CoreMLExporter(sequence_length=48, deployment_target="iOS17").export(w8a8, folder)


def inputs_of(model, texts):
    """What each layer with a quantised input reads, before it is rounded."""
    read, original = {}, model.copy()
    restore_inputs(original)
    for name, _, _ in quantised_inputs(model):
        hook = lambda layer, arguments, name=name: read.setdefault(name, []).append(arguments[0].flatten())  # noqa: E731
        original.get_submodule(name).register_forward_pre_hook(hook)
    original.embed(texts)
    return {name: torch.cat(each) for name, each in read.items()}


@given(arrays.arrays(np.float32, st.integers(1, 50), elements=st.floats(-1e4, 1e4, width=32)), st.floats(50, 100))
def test_a_percentile_of_magnitudes_is_exact_to_a_thousandth(array, percentile):
    counted, exact = Magnitudes(), np.percentile(np.abs(array), percentile, method="inverted_cdf")
    counted(nn.Identity(), (torch.from_numpy(array),))
    assert exact <= counted.percentile(percentile) <= exact * 1.001 + 1e-37


def test_each_large_linear_layer_gets_the_scale_of_its_range(run, splits):
    whole = Compressor([ActivationQuantisation(percentile=100, float_share=0)]).compress(run.model, splits, texts=TEXTS).model
    clipped = Compressor([ActivationQuantisation(percentile=99, float_share=0)]).compress(run.model, texts=TEXTS).model
    scales = {name: quantised.scale for name, _, quantised in quantised_inputs(whole)}
    assert set(scales) == {
        f"encoder.{name}" for name, module in run.model.encoder.named_modules() if isinstance(module, nn.Linear)
    }
    for name, read in inputs_of(whole, TEXTS).items():
        assert scales[name] * 127 == pytest.approx(float(read.abs().max()), rel=2e-3)
    assert all(quantised.scale < scales[name] for name, _, quantised in quantised_inputs(clipped))
    assert not list(quantised_inputs(run.model)), "the model that was given stays as it was"


def test_a_layer_computes_with_rounded_and_clipped_inputs():
    layer = nn.Linear(5, 1, bias=False)
    layer.weight.data.fill_(1)
    quantise_input(layer, QuantisedInput(scale=0.5))
    x = torch.tensor([[0.25, 0.75, -0.3, 90.0, -90.0]], requires_grad=True)
    found = layer(x)
    found.sum().backward()
    assert found.tolist()[0][0] == 0.0 + 1.0 - 0.5 + 63.5 - 64.0, "halves go to even, and numbers beyond the range to its ends"
    assert x.grad.tolist() == [[1, 1, 1, 0, 0]]


def test_embeddings_change_by_the_rounding_and_survive_saving(run, w8a8, int8_model, tmp_path):
    before, after = int8_model.embed(TEXTS), w8a8.embed(TEXTS)
    assert 0 < np.abs(after - before).max() < 0.5 * np.abs(before).max()
    folder = w8a8.save(tmp_path / "model")
    saved = json.loads((folder / "config.json").read_bytes())["compression"]["activations"]
    assert saved == {name: {"scale": quantised.scale} for name, _, quantised in quantised_inputs(w8a8)}
    again = GoalModel.load(folder)
    np.testing.assert_array_equal(again.embed(TEXTS), after)
    assert again.digest() == w8a8.digest() != int8_model.digest()


def test_the_most_sensitive_layers_are_left_out(run, splits):
    whole = Compressor([ActivationQuantisation(float_share=0)]).compress(run.model, splits).model
    scales = {name: quantised for name, _, quantised in quantised_inputs(whole)}
    partial = Compressor([ActivationQuantisation(float_share=0.24)]).compress(run.model, splits).model
    left = scales.keys() - {name for name, _, _ in quantised_inputs(partial)}
    errors, texts, exact = {}, splits.train.texts[:64], run.model.embed(splits.train.texts[:64])
    for name, quantised in scales.items():
        alone = run.model.copy()
        quantise_input(alone.get_submodule(name), quantised)
        errors[name] = np.square(alone.embed(texts) - exact).mean()
    assert len(left) == 2
    assert max(errors, key=errors.get) in left


def test_weights_and_activations_are_quantised_in_any_order(run, splits):
    steps = [ActivationQuantisation(float_share=0), Quantisation()]
    made = [Compressor(order).compress(run.model, splits).model for order in (steps, steps[::-1])]
    ours, theirs = ({name: each.scale for name, _, each in quantised_inputs(model)} for model in made)
    assert ours.keys() == theirs.keys()
    assert list(ours.values()) == pytest.approx(list(theirs.values()), rel=0.1)


def test_labels_stay_after_weights_and_activations_are_quantised(run, splits):
    made = Compressor(W8A8).compress(run.model, splits)
    assert min(made.agreement.values()) > 0.95
    assert made.bytes_after < made.bytes_before / 2.5


def test_training_with_both_roundings_follows(run, splits, tmp_path):
    few = splits.validation.take(range(60))
    parts = Splits(train=few, validation=few, test=few)
    made = Compressor([ActivationQuantisation(), Quantisation(epochs=1)]).compress(run.model, parts, progress=False)
    plain = Compressor(W8A8).compress(run.model, parts).model
    assert len(list(quantised_inputs(made.model))) == len(list(quantised_inputs(plain)))
    assert not np.array_equal(made.model.embed(TEXTS), plain.embed(TEXTS))


def test_the_saved_program_has_a_pair_with_the_scale_of_each_layer(bundle, w8a8):
    spec = read_spec(bundle.path / "GoalAnalyzer.mlpackage")
    main = spec.mlProgram.functions["main"]
    operations = main.block_specializations[main.opset].operations
    made = {output.name: each for each in operations for output in each.outputs}

    def argument(each, name):
        return made[each.inputs[name].arguments[0].name]

    def scale(each):
        (value,) = np.frombuffer(argument(each, "scale").attributes["val"].immediateValue.tensor.bytes.values, np.float16)
        return float(value)

    found = []
    for each in operations:
        if each.type != "linear":
            continue
        if (dequantize := argument(each, "x")).type == "dequantize":
            quantize = argument(dequantize, "input")
            assert quantize.type == "quantize"
            assert set(quantize.inputs) == {"input", "scale", "output_dtype"}, "no zero point"
            assert scale(quantize) == scale(dequantize)
            found.append(scale(dequantize))
    assert found == [quantised.scale for _, _, quantised in quantised_inputs(w8a8)], "in the order in which layers run"


def test_the_bundle_agrees_with_torch(bundle, w8a8, run, splits):
    report = Bundle.open(bundle.path, source=w8a8).verify(splits.train.texts + splits.test.texts, reference=run.model)
    assert report.parity[0].psnr > 40
    assert report.passed, report.failures
    assert bundle.manifest.origin.compression["8-bit inputs"] == 10
    assert "8-bit inputs (10 layers)" in (bundle.path / "README.md").read_text(encoding="utf-8")


def test_an_older_target_and_float32_are_refused(w8a8, tmp_path):
    message = rf"the input of {DENSE.replace('intermediate', 'attention.self').replace('dense', 'query')} is quantised, which "
    with pytest.raises(ConfigurationError, match=message + r"iOS16 does not have: choose deployment_target='iOS17'"):
        CoreMLExporter(sequence_length=16).export(w8a8, tmp_path / "bundle")
    with pytest.raises(ConfigurationError, match="quantised activations, which only half precision makes use of"):
        CoreMLExporter(sequence_length=16, deployment_target="iOS17", precision="float32").export(w8a8, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_lost_scale_and_another_rounding_are_refused(untrained, tmp_path, monkeypatch):
    exporter = CoreMLExporter(sequence_length=16, deployment_target="iOS17")
    layer = untrained.get_submodule(DENSE)
    quantise_input(layer, QuantisedInput(scale=0.5))
    monkeypatch.setattr("goalkit.export.conversion.trace", lambda model, *_, **options: _trace_without(model, **options))
    with pytest.raises(ExportError, match=f"did not keep the scale of the input of {DENSE}"):
        exporter.export(untrained, tmp_path / "bundle")
    monkeypatch.undo()
    restore_inputs(untrained)
    layer.register_forward_pre_hook(lambda layer, x: torch.fake_quantize_per_tensor_affine(x[0], 0.5, 3, -128, 127))
    with pytest.raises(ExportError, match=r"zero point and range \(3, -128, 127\)"):
        exporter.export(untrained, tmp_path / "bundle")


def _trace_without(model, **options):
    from goalkit.export.graph import trace

    changed = model.copy()
    restore_inputs(changed)
    return trace(changed, 16, **options)


def test_what_cannot_be_measured_is_refused(run, splits, untrained):
    with pytest.raises(ConfigurationError, match="measures the model on texts: give texts= or splits="):
        Compressor.from_recipe("activation-quantisation").compress(run.model)
    with pytest.raises(ConfigurationError, match="percentile is 101: it must be at least 50 and at most 100"):
        ActivationQuantisation(percentile=101)
    with torch.no_grad():
        untrained.encoder.model.embeddings.word_embeddings.weight.fill_(float("inf"))
    with pytest.raises(ConfigurationError, match="the input of encoder.* holds NaN or infinity"):
        Compressor([ActivationQuantisation()]).compress(untrained, texts=TEXTS)


def test_quantised_activations_are_not_lost_unnoticed(w8a8, run, splits, tmp_path):
    with pytest.raises(ConfigurationError, match="quantised already: start from the original model"):
        Compressor([ActivationQuantisation()]).compress(w8a8, splits)
    only = Compressor([ActivationQuantisation()]).compress(run.model, splits).model
    with pytest.raises(ConfigurationError, match="already compressed: trim its vocabulary first"):
        Compressor([VocabularyTrimming()]).compress(only)
    with pytest.raises(ModelError, match="make the student first"):
        student_of(only, [0])
    checkpoint = GoalModel.from_backbone("tiny-bert", tasks=run.model.tasks, checkpoint=only.save(tmp_path / "model"))
    assert not list(quantised_inputs(checkpoint)), "training starts from float weights and activations"


@given(st.floats(0, 1e6, width=32))
def test_scales_are_normal_numbers_of_half_precision(number):
    scale = float(half_scale(torch.tensor(number)))
    assert QuantisedInput(scale=scale).scale == scale
    assert scale == float(np.float16(scale))
    if 6.2e-5 < number < 65504:
        assert scale == pytest.approx(number, rel=2**-11)
