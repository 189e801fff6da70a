import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from goalkit import Bundle, Compressor, CoreMLExporter, GoalModel, UpdatableHeadBuilder
from goalkit.classifier import Classifier
from goalkit.errors import ConfigurationError, ExportError
from goalkit.export.conversion import SPEC_VERSIONS
from goalkit.export.runtime.loading import read_spec
from goalkit.export.runtime.operations import OPERATIONS
from goalkit.storage import folder_digest
from goalkit.weights import stored_weights

FILES = {
    "GoalAnalyzer.mlpackage",
    "GoalHead-category.mlmodel",
    "GoalHead-completion.mlmodel",
    "GoalHead-difficulty.mlmodel",
    "README.md",
    "golden.json",
    "hints.json",
    "manifest.json",
    "tokenizer_golden.json",
    "vocab.txt",
}


def test_bundle_holds_every_file(exported):
    assert {each.name for each in exported.path.iterdir()} == FILES


def test_interface_of_the_package(exported):
    description = read_spec(exported.path / "GoalAnalyzer.mlpackage").description
    assert [(each.name, list(each.type.multiArrayType.shape)) for each in description.input] == [
        ("input_ids", [1, 48]),
        ("attention_mask", [1, 48]),
    ]
    names = ["embedding", "category_probabilities", "difficulty_probabilities", "completion_probabilities"]
    assert [each.name for each in description.output] == names
    shapes = {name: array.shape for name, array in exported.run(["跑步"]).items()}
    assert shapes == dict(zip(names, [(1, 64), (1, 5), (1, 3), (1, 3)], strict=True))
    assert "健康" in description.metadata.userDefined["goalkit.tasks"]


def test_float32_export_agrees_with_torch_on_texts_of_all_lengths(run, splits, tmp_path):
    bundle = CoreMLExporter(sequence_length=48, precision="float32").export(run.model, tmp_path / "bundle")
    texts = [*splits.test.texts, "", "跑", "长" * 200, "🏃‍♀️ 5km"]
    report = bundle.verify(texts)
    assert max(each.largest_error for each in report.parity) < 1e-4
    assert report.passed


def test_half_precision_int8_export_agrees_with_torch(exported, run, splits):
    report = exported.verify(splits.train.texts + splits.test.texts, reference=run.model)
    assert report.parity[0].output == "embedding"
    assert report.parity[0].psnr > 50
    assert min(each.agreement for each in report.parity[1:]) >= 0.998
    assert min(each.agreement for each in report.fidelity) >= 0.98
    assert max(report.heads.values()) < 1e-6


def test_compressed_weights_arrive_as_the_integers_decided_in_torch(exported, int8_model, monkeypatch):
    seen = []
    original = OPERATIONS["constexpr_affine_dequantize"]

    def spy(**arguments):
        seen.append((arguments["quantized_data"].numpy().copy(), arguments["scale"].numpy().copy()))
        return original(**arguments)

    monkeypatch.setitem(OPERATIONS, "constexpr_affine_dequantize", spy)
    assert Bundle.open(exported.path).programs
    decided = [
        (module.parametrizations["weight"].original.numpy(), storage.scale.numpy().ravel())
        for _, module, storage in stored_weights(int8_model)
    ]
    assert len(seen) == len(decided)
    for integers, scale in decided:
        assert any(np.array_equal(integers, found) and np.array_equal(scale, other) for found, other in seen)


def test_palettes_are_looked_up_a_few_rows_at_a_time_with_the_same_result(run, splits, tmp_path, monkeypatch):
    small = Compressor.from_recipe("palette4").compress(run.model, splits).model
    exporter = CoreMLExporter(sequence_length=16)
    whole = exporter.export(small, tmp_path / "whole")
    monkeypatch.setattr("goalkit.export.coreml.LOOKUP_WEIGHTS", 1000)
    assert folder_digest(exporter.export(small, tmp_path / "rows").path) == folder_digest(whole.path)


@pytest.mark.parametrize("target", SPEC_VERSIONS)
def test_every_target_writes_its_specification_version(int8_model, tmp_path, target):
    bundle = CoreMLExporter(sequence_length=16, deployment_target=target).export(int8_model, tmp_path / target)
    assert read_spec(bundle.path / "GoalAnalyzer.mlpackage").specificationVersion == SPEC_VERSIONS[target]
    assert bundle.verify(["跑步五公里", "背单词"]).passed


def test_another_process_without_the_compress_package_writes_the_same_bytes(int8_model, tmp_path):
    int8_model.save(tmp_path / "model")
    code = (
        "import sys; sys.modules['goalkit.compress'] = None\n"
        "from goalkit import CoreMLExporter, GoalModel, UpdatableHeadBuilder\n"
        "from goalkit.storage import folder_digest\n"
        "model = GoalModel.load(sys.argv[1]); heads = [UpdatableHeadBuilder(task='category').build(model)]\n"
        "bundle = CoreMLExporter(sequence_length=16).export(model, sys.argv[2], heads=heads)\n"
        "bundle = bundle.record(bundle.verify(['跑步五公里', '背单词']))\n"
        "print(folder_digest(bundle.path))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model"), str(tmp_path / "other")],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    heads = [UpdatableHeadBuilder(task="category").build(int8_model)]
    bundle = CoreMLExporter(sequence_length=16).export(int8_model, tmp_path / "bundle", heads=heads)
    bundle = bundle.record(bundle.verify(["跑步五公里", "背单词"]))
    assert other == folder_digest(bundle.path) + "\n" == folder_digest(tmp_path / "other") + "\n"


def test_refusals_leave_nothing_behind(untrained, tmp_path):
    target = tmp_path / "bundle"
    with pytest.raises(ExportError, match="sequence_length is 65, the encoder has 64 positions"):
        CoreMLExporter(sequence_length=65).export(untrained, target)
    head = UpdatableHeadBuilder(task="category").build(untrained)
    with pytest.raises(ConfigurationError, match="give at most one for each"):
        CoreMLExporter(sequence_length=16).export(untrained, target, heads=[head, head])
    with torch.no_grad():
        untrained.encoder.model.encoder.layer[0].output.dense.bias[3] = float("inf")
    with pytest.raises(ExportError, match=r"encoder.layer.0.output.dense.bias holds NaN or infinity"):
        CoreMLExporter(sequence_length=16).export(untrained, target)
    assert list(tmp_path.iterdir()) == []


def test_a_backbone_that_cannot_be_converted_is_reported(untrained, tmp_path, monkeypatch):
    def embedding(self, ids, mask, length=16):
        return torch.special.i0(mask.float() @ torch.ones(length, 64) / length)

    monkeypatch.setattr(Classifier, "embedding", embedding)
    monkeypatch.setattr(Classifier, "reference_embedding", embedding)
    with pytest.raises(ExportError, match=r"coremltools 9.0 cannot convert this encoder .*give the backbone a simpler graph"):
        CoreMLExporter(sequence_length=16).export(untrained, tmp_path / "bundle")
    monkeypatch.setattr("goalkit.export.conversion.KNOWN_COREMLTOOLS", ("8.3",))
    with pytest.raises(ExportError, match=r"cannot convert .*install coremltools 8.3 \(goalkit's constraints.txt"):
        CoreMLExporter(sequence_length=16).export(untrained, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("backbone", ["bert-base-chinese", "mobilebert"])
def test_other_backbones_export_too(backbone, tiny_checkpoint, splits, tmp_path):
    model = GoalModel.from_backbone(backbone, tasks=splits.train.tasks, checkpoint=tiny_checkpoint(backbone))
    bundle = CoreMLExporter(sequence_length=24).export(model, tmp_path / "bundle")
    assert bundle.verify(splits.test.texts[:64]).parity[0].psnr > 45


def test_several_lengths_share_one_set_of_weights(int8_model, splits, tmp_path):
    exporter = CoreMLExporter(sequence_length=48, shorter_lengths=(16, 32), deployment_target="iOS18")
    several = exporter.export(int8_model, tmp_path / "several")
    single = CoreMLExporter(sequence_length=48, deployment_target="iOS18").export(int8_model, tmp_path / "single")
    weights = "GoalAnalyzer.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    assert (several.path / weights).stat().st_size < 1.05 * (single.path / weights).stat().st_size
    again = Bundle.open(several.path, source=int8_model)
    assert list(again.programs) == [16, 32, 48]
    report = again.verify([*splits.test.texts, "跑", "长" * 60])
    assert report.passed
    assert report.parity[0].psnr > 50


def test_lengths_that_cannot_be_are_refused():
    with pytest.raises(ConfigurationError, match="several lengths in one package need deployment_target='iOS18'"):
        CoreMLExporter(shorter_lengths=(16,))
    with pytest.raises(ConfigurationError, match="give distinct lengths of at least 3, below sequence_length 64"):
        CoreMLExporter(shorter_lengths=(16, 64), deployment_target="iOS18")
