"""Stored forms of weights and layers of uneven width: saved, loaded, exported, and what is refused."""

import json

import numpy as np
import pytest
import torch

from goalkit import Bundle, Compressor, CoreMLExporter, GoalModel
from goalkit.compress.quantisation import quantise
from goalkit.errors import ConfigurationError, ExportError, ModelError
from goalkit.export.metadata import PRUNED, translate
from goalkit.weights import (
    AffineForm,
    AffineWeight,
    SparseForm,
    StoredWeight,
    register_form,
    registry,
    set_weight,
    store_as,
    stored_weights,
    weight_of,
)

TEXTS = ["跑步", "每天背50个单词，坚持一个月，谁也别拦我", "戒糖第十二天了"]
DENSE = "encoder.model.encoder.layer.0.intermediate.dense"


class UntranslatedWeight(StoredWeight):
    """A mask, and the weights under it, as floats or in a form of their own; export does not know it."""

    def __init__(self, mask, values=None):
        super().__init__(SparseForm(nonzeros=int(mask.sum()), values=values and values.form))
        self.register_buffer("mask", mask)
        self.values = values

    def forward(self, kept):
        dense = torch.zeros(self.mask.shape, dtype=kept.dtype)
        dense[self.mask] = kept
        return dense if self.values is None else self.values(dense)

    def integers(self, kept):
        return [(self.mask.to(torch.uint8), 1), *(self.values.integers(kept) if self.values else ())]

    @classmethod
    def builds(cls, form):
        return form.values is None or weight_of(form.values) is not None

    @classmethod
    def empty(cls, form, shape):
        kept, values = (torch.zeros(()), None) if form.values is None else weight_of(form.values).empty(form.values, shape)
        storage = cls(torch.zeros(shape, dtype=torch.bool), values)
        storage.form = form
        return torch.zeros(form.nonzeros, dtype=kept.dtype), storage


class MaskedWeight(UntranslatedWeight):
    """One that can be exported."""


@translate.register
def _(storage: MaskedWeight):
    values = {} if storage.values is None else translate(storage.values)
    return {**values, "compression_type": torch.tensor([PRUNED, *values.get("compression_type", ())])}


@pytest.fixture
def sparse(monkeypatch):
    """The sparse form, registered for one test."""
    for name in ("_FORMS", "_WEIGHTS"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    register_form(SparseForm, MaskedWeight)


def prune(model, kind=MaskedWeight, *, quantised=False):
    """A copy with the smaller half of the weights of each layer's feed-forward network left out."""
    copy = model.copy()
    for layer in copy.encoder.model.encoder.layer:
        for module in (layer.intermediate.dense, layer.output.dense):
            weight = module.weight.detach()
            mask = weight.abs() > weight.abs().median()
            if quantised:
                integers, scale = quantise(weight)
                store_as(module, "weight", integers[mask], kind(mask, AffineWeight(scale)))
            else:
                store_as(module, "weight", weight[mask], kind(mask))
    return copy


def configuration(folder):
    return json.loads((folder / "config.json").read_bytes())


def edited(folder, **compression):
    config = configuration(folder)
    config["compression"] |= compression
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(("quantised", "values"), [(False, {}), (True, {"values": {"form": "affine", "bits": 8}})])
def test_another_form_is_saved_and_loaded_once_it_is_registered(run, sparse, tmp_path, quantised, values):
    pruned = prune(run.model, quantised=quantised)
    folder = pruned.save(tmp_path / "model")
    weights = configuration(folder)["compression"]["weights"]
    assert weights[DENSE] == {"form": "sparse", "nonzeros": 64 * 96 // 2, **values}
    again = GoalModel.load(folder)
    assert [type(storage) for _, _, storage in stored_weights(again)] == [MaskedWeight] * 4
    np.testing.assert_array_equal(again.embed(TEXTS), pruned.embed(TEXTS))
    assert again.digest() == pruned.digest() != run.model.digest()


@pytest.mark.parametrize(("target", "quantised"), [("iOS16", False), ("iOS18", False), ("iOS18", True)])
def test_another_form_is_exported_once_it_has_a_translation(run, tmp_path, splits, target, quantised):
    pruned = prune(run.model, quantised=quantised)
    bundle = CoreMLExporter(sequence_length=48, deployment_target=target).export(pruned, tmp_path / "bundle")
    assert bundle.manifest.origin.compression == {"sparse 8-bit affine" if quantised else "sparse": 4}
    report = Bundle.open(bundle.path, source=pruned).verify(splits.train.texts + splits.test.texts)
    assert report.passed, report.failures


def test_a_form_without_a_translation_is_refused(run, tmp_path):
    message = r"stored as sparse \(UntranslatedWeight\) has no translation to Core ML: register one"
    with pytest.raises(ExportError, match=message):
        CoreMLExporter(sequence_length=16).export(prune(run.model, UntranslatedWeight), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_form_of_the_same_name_is_refused(sparse):
    with pytest.raises(ConfigurationError, match="there is already a form called 'sparse'"):
        register_form(SparseForm, UntranslatedWeight)


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
        ({"activations": {DENSE: {"low": 1.0, "high": 1.0}}}, "ranges from 1.0 to 1.0: give two numbers, the lower first"),
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
        {"weights": {DENSE: {"form": "sparse", "nonzeros": 99, "values": {"form": "affine", "bits": 8}}}},
        {"activations": {DENSE: {"low": -3.5, "high": 4.0}}},
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
