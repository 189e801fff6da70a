"""Stored forms of weights and layers of uneven width: saved, loaded, exported, and what is refused."""

import json

import attrs
import numpy as np
import pytest
import torch

from goalkit import Bundle, Compressor, CoreMLExporter, GoalModel
from goalkit.errors import ConfigurationError, ExportError, ModelError
from goalkit.export.metadata import QUANTISED, translate
from goalkit.weights import (
    AffineForm,
    Form,
    StoredWeight,
    register_form,
    registry,
    set_weight,
    store_as,
    stored_weights,
)

TEXTS = ["跑步", "每天背50个单词，坚持一个月，谁也别拦我", "戒糖第十二天了"]
DENSE = "encoder.model.encoder.layer.0.intermediate.dense"
TABLE = "encoder.model.embeddings.word_embeddings"


@attrs.frozen(kw_only=True)
class SignForm(Form):
    """Another form than goalkit's own: signs, and a magnitude per row."""

    form = "signs"


class UntranslatedWeight(StoredWeight):
    """Computes weights from signs; export does not know it."""

    def __init__(self, magnitude):
        super().__init__(SignForm())
        self.register_buffer("magnitude", magnitude)

    def forward(self, kept):
        return kept * self.magnitude

    def integers(self, kept):
        return [(kept, 8)]

    @classmethod
    def builds(cls, form):
        return True

    @classmethod
    def empty(cls, form, shape):
        return torch.zeros(shape, dtype=torch.int8), cls(torch.ones(shape[0], 1))


class SignWeight(UntranslatedWeight):
    """One that can be exported."""


@translate.register
def _(storage: SignWeight):
    quantised = {"quantization_n_bits": torch.tensor(8), "quantization_scale": storage.magnitude}
    return {"compression_type": torch.tensor([QUANTISED]), **quantised}


@pytest.fixture
def signs(monkeypatch):
    """The form, registered for one test."""
    for name in ("_FORMS", "_WEIGHTS"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    register_form(SignForm, SignWeight)


def only_signs(model, kind=SignWeight):
    """A copy with the signs of the weights of each layer's feed-forward network."""
    copy = model.copy()
    for layer in copy.encoder.model.encoder.layer:
        for module in (layer.intermediate.dense, layer.output.dense):
            weight = module.weight.detach()
            magnitude = weight.abs().mean(1, keepdim=True).half().float()
            store_as(module, "weight", weight.sign().to(torch.int8), kind(magnitude))
    return copy


def configuration(folder):
    return json.loads((folder / "config.json").read_bytes())


def edited(folder, **compression):
    config = configuration(folder)
    config["compression"] |= compression
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_another_form_is_saved_and_loaded_once_it_is_registered(run, signs, tmp_path):
    changed = only_signs(run.model)
    folder = changed.save(tmp_path / "model")
    assert configuration(folder)["compression"]["weights"][DENSE] == {"form": "signs"}
    again = GoalModel.load(folder)
    assert [type(storage) for _, _, storage in stored_weights(again)] == [SignWeight] * 4
    np.testing.assert_array_equal(again.embed(TEXTS), changed.embed(TEXTS))
    assert again.digest() == changed.digest() != run.model.digest()


def test_another_form_is_exported_once_it_has_a_translation(run, tmp_path, splits):
    changed = only_signs(run.model)
    bundle = CoreMLExporter(sequence_length=48).export(changed, tmp_path / "bundle")
    assert bundle.manifest.origin.compression == {"signs": 4}
    report = Bundle.open(bundle.path, source=changed).verify(splits.train.texts + splits.test.texts)
    assert report.passed, report.failures


def test_a_form_without_a_translation_is_refused(run, tmp_path):
    message = r"stored as signs \(UntranslatedWeight\) has no translation to Core ML: register one"
    with pytest.raises(ExportError, match=message):
        CoreMLExporter(sequence_length=16).export(only_signs(run.model, UntranslatedWeight), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_form_of_the_same_name_is_refused(signs):
    with pytest.raises(ConfigurationError, match="there is already a form called 'signs'"):
        register_form(SignForm, UntranslatedWeight)


@pytest.mark.parametrize(
    ("compression", "message"),
    [
        ({"weights": {DENSE: {"form": "magic"}}}, "there is no form 'magic', only affine, palette, sparse: update goalkit"),
        ({"weights": {DENSE: {"bits": 8}}}, "does not say which form it is: give an object with a form"),
        ({"weights": {DENSE: {"form": "affine", "bits": 1}}}, "bits is 1: it must be a whole number, at least 2 and at most 8"),
        (
            {"weights": {DENSE: {"form": "affine", "blocks": 2}}},
            "unknown key blocks in AffineForm; valid keys are bits, block_size",
        ),
        ({"weights": {"encoder.nowhere": {"form": "affine", "bits": 8}}}, "there is no layer 'encoder.nowhere'"),
        ({"weights": {"encoder": {"form": "affine", "bits": 8}}}, "there is no layer 'encoder'"),
        ({"weights": {DENSE: {"form": "affine", "bits": 8, "block_size": 7}}}, "64 columns has no equal parts of 7"),
        ({"weights": {DENSE: {"form": "palette", "bits": 4, "group_size": 7}}}, "96 rows has no equal parts of 7"),
        ({"shapes": {"encoder": [2, 2]}}, "there is no layer 'encoder'"),
        ({"shapes": {DENSE: [0, 64]}}, "has the shape (0, 64): give rows and columns, at least 1 of each"),
        ({"shapes": {DENSE: [32, 64]}}, "does not fit config.json"),
        ({"activations": {DENSE: {"scale": 0.0}}}, "scale is 0.0: it must be above 0"),
        ({"activations": {DENSE: {"scale": 0.1}}}, "scale is 0.1: it must be a normal number of half precision"),
        ({"activations": {DENSE: {"low": -1.0}}}, "unknown key low in QuantisedInput; valid keys are scale"),
        ({"activations": {"encoder.nowhere": {"scale": 0.5}}}, "there is no layer 'encoder.nowhere'"),
        ({"activations": {TABLE: {"scale": 0.5}}}, f"{TABLE} is no linear layer"),
    ],
)
def test_a_damaged_description_is_reported_in_one_line(untrained, tmp_path, compression, message):
    folder = edited(untrained.save(tmp_path / "model"), **compression)
    with pytest.raises(ModelError) as caught:
        GoalModel.load(folder)
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "compression",
    [
        {"weights": {DENSE: {"form": "affine", "bits": 3}}},
        {"weights": {DENSE: {"form": "sparse", "nonzeros": 99, "values": {"form": "affine", "bits": 3}}}},
    ],
)
def test_what_the_schema_reserves_is_understood_and_refused_with_advice(untrained, tmp_path, compression):
    folder = edited(untrained.save(tmp_path / "model"), **compression)
    with pytest.raises(ModelError, match=f"{DENSE}.* this version of goalkit does not support.*: update goalkit"):
        GoalModel.load(folder)


def test_settings_by_default_are_not_written(int8_model, tmp_path):
    weights = configuration(int8_model.save(tmp_path / "model"))["compression"]["weights"]
    assert weights[DENSE] == {"form": "affine", "bits": 8}
    assert AffineForm(bits=8).block_size is None


def narrow(model, width):
    """A copy whose first feed-forward network is only so wide."""
    copy = model.copy()
    layer = copy.encoder.model.encoder.layer[0]
    inner, outer = layer.intermediate.dense, layer.output.dense
    set_weight(inner, inner.weight.detach()[:width].clone(), inner.bias.detach()[:width].clone())
    set_weight(outer, outer.weight.detach()[:, :width].clone())
    return copy


@pytest.mark.parametrize("recipe", [None, "int8"])
def test_layers_of_uneven_width_are_saved_and_loaded(run, tmp_path, recipe):
    narrower = narrow(run.model, 40)
    assert narrower.size_bytes() < run.model.size_bytes()
    if recipe:
        narrower = Compressor.from_recipe(recipe).compress(narrower).model
    folder = narrower.save(tmp_path / "model")
    outer = DENSE.replace("intermediate", "output")
    assert configuration(folder)["compression"]["shapes"] == {DENSE: [40, 64], outer: [64, 40]}
    again = GoalModel.load(folder)
    np.testing.assert_array_equal(again.embed(TEXTS), narrower.embed(TEXTS))
    assert not np.array_equal(again.embed(TEXTS), run.model.embed(TEXTS))
    assert again.digest() == narrower.digest() == again.copy().digest()


def test_a_narrower_embedding_table_is_saved_and_loaded(untrained, tmp_path):
    embeddings = untrained.encoder.model.embeddings
    set_weight(embeddings.position_embeddings, embeddings.position_embeddings.weight.detach()[:50].clone())
    again = GoalModel.load(untrained.save(tmp_path / "model"))
    assert again.encoder.model.embeddings.position_embeddings.num_embeddings == 50
    np.testing.assert_array_equal(again.embed(TEXTS), untrained.embed(TEXTS))


def test_layers_of_uneven_width_are_exported(run, splits, tmp_path):
    narrower = narrow(run.model, 40)
    bundle = CoreMLExporter(sequence_length=16).export(narrower, tmp_path / "bundle")
    assert bundle.verify(splits.train.texts + splits.test.texts).passed
