"""Bundles and pipelines with what an app needs to go on training."""

import shutil

import numpy as np
import pytest

from goalkit import Bundle, CoreMLExporter, UpdatableHeadBuilder
from goalkit.errors import ConfigurationError, UpdatableModelError
from goalkit.export import NeighboursHeadBuilder, Replay, load_model, validate_updatable, write_updatable_pipeline
from goalkit.export.checks import program_inputs
from goalkit.export.runtime.loading import read_spec
from goalkit.storage import folder_digest


@pytest.fixture(scope="module")
def bundle(int8_model, splits, tmp_path_factory):
    train = splits.train
    heads = [
        UpdatableHeadBuilder(task="category", spare_slots=2, hidden_size=32).build(int8_model),
        NeighboursHeadBuilder(task="difficulty").build(int8_model, train.texts[:50], train.labels["difficulty"][:50]),
    ]
    replay = Replay.choose(train.texts, train.labels, per_label=3)
    path = tmp_path_factory.mktemp("learning") / "GoalAnalyzer"
    return CoreMLExporter(sequence_length=32).export(int8_model, path, heads=heads, replay=replay)


def test_every_head_passes_the_rules_of_core_ml(bundle, exported):
    for each in (bundle, exported):
        for name in each.manifest.heads.values():
            validate_updatable(each.path / name)


def test_a_bundle_with_both_kinds_of_heads_verifies_and_reopens(bundle, splits):
    again = Bundle.open(bundle.path)
    report = again.verify(splits.test.texts[:100])
    assert report.passed
    assert set(report.heads) == {"category"}, "neighbours have no counterpart to be compared with"


def test_replay_comes_back(bundle, splits):
    replay = Bundle.open(bundle.path).replay
    labels = dict(zip(splits.train.texts, zip(*splits.train.labels.values(), strict=True), strict=True))
    assert [labels[text] for text in replay.texts] == list(zip(*replay.labels.values(), strict=True))
    for task in bundle.tasks:
        counts = [replay.labels[task.name].count(label) for label in task.labels]
        assert min(counts) >= 3
    assert len(replay.texts) < 30
    assert "replay.json" in (bundle.path / "README.md").read_text(encoding="utf-8")


def test_replay_that_does_not_fit_is_refused(int8_model, tmp_path):
    for replay, message in (
        (Replay(texts=("跑步",), labels={"category": ("睡觉",)}), "has no label '睡觉'"),
        (Replay(texts=("跑步",), labels={"category": ()}), "replay has 1 texts and 0 labels for category"),
        (Replay(texts=("跑步",), labels={"mood": ("好",)}), "no task 'mood'"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            CoreMLExporter().export(int8_model, tmp_path / "bundle", replay=replay)
    replay, head = Replay(texts=("跑步",), labels={"category": ("健康",)}), UpdatableHeadBuilder(task="completion")
    for heads, theirs in (([], "no task"), ([head.build(int8_model)], "completion")):
        with pytest.raises(ConfigurationError, match=f"has labels for category, and there are updatable heads for {theirs}:"):
            CoreMLExporter().export(int8_model, tmp_path / "bundle", heads=heads, replay=replay)
    assert list(tmp_path.iterdir()) == []


def test_a_slot_gets_a_name(bundle, tmp_path):
    shutil.copytree(bundle.path, tmp_path / "mine")
    mine = Bundle.open(tmp_path / "mine")
    assert mine.manifest.spare_slots == {"category": {"slot_1": "", "slot_2": ""}}
    mine.name_slot("category", "slot_1", "宠物")
    assert Bundle.open(tmp_path / "mine").manifest.spare_slots["category"] == {"slot_1": "宠物", "slot_2": ""}
    with pytest.raises(ConfigurationError, match="no spare slot 'slot_9'; it has slot_1, slot_2"):
        mine.name_slot("category", "slot_9", "宠物")


def test_a_head_that_core_ml_would_refuse_is_not_exported(int8_model, tmp_path):
    head = UpdatableHeadBuilder(task="category").build(int8_model)
    head.spec.neuralNetworkClassifier.updateParams.ClearField("optimizer")
    with pytest.raises(UpdatableModelError, match="the head for category cannot be updated on a device: optimizer"):
        CoreMLExporter().export(int8_model, tmp_path / "bundle", heads=[head])
    assert list(tmp_path.iterdir()) == []


def test_a_head_of_another_model_is_refused(int8_model, untrained, tmp_path):
    for builder in (UpdatableHeadBuilder(task="category"), UpdatableHeadBuilder(task="category", hidden_size=16)):
        with pytest.raises(ConfigurationError, match="the head for category was built from another model"):
            CoreMLExporter().export(int8_model, tmp_path / "bundle", heads=[builder.build(untrained)])


def test_pipeline_says_what_its_parts_say(bundle, splits, tmp_path):
    path = write_updatable_pipeline(bundle, "category", tmp_path / "Goal.mlpackage")
    validate_updatable(path)
    assert [each.name for each in (path / "Data/com.apple.CoreML/weights").iterdir()] == ["0-weight.bin"]
    batch = bundle.tokenizer.encode(splits.test.texts[:64], 32)
    pipeline = load_model(path)
    found = pipeline.predict_many(program_inputs(pipeline, batch))
    assert set(found) == {"label", "probabilities"}
    embeddings = bundle.run(splits.test.texts[:64])["embedding"]
    expected = bundle.heads["category"].predict_many({"embedding": embeddings})["probabilities"]
    np.testing.assert_array_equal(found["probabilities"], expected)
    assert found["label"].tolist() == [pipeline.labels[place] for place in expected.argmax(1)]


def test_interface_of_the_pipeline(bundle, tmp_path):
    spec = read_spec(write_updatable_pipeline(bundle, "difficulty", tmp_path / "Goal.mlpackage"))
    assert spec.isUpdatable
    assert spec.specificationVersion == 7, "that of the program, which is newer than the head's"
    description = spec.description
    assert [each.name for each in description.input] == ["input_ids", "attention_mask"]
    assert [each.name for each in description.output] == ["label", "probabilities"]
    assert [each.name for each in description.trainingInput] == ["input_ids", "attention_mask", "label"]
    assert (description.predictedFeatureName, description.predictedProbabilitiesName) == ("label", "probabilities")
    assert list(spec.pipelineClassifier.pipeline.names) == ["encoder", "head"]


def test_pipelines_that_cannot_be_are_refused(bundle, exported, int8_model, tmp_path):
    with pytest.raises(ConfigurationError, match="updatable heads for category, difficulty, not for 'completion'"):
        write_updatable_pipeline(bundle, "completion", tmp_path / "Goal.mlpackage")
    with pytest.raises(ConfigurationError, match="must end in .mlpackage"):
        write_updatable_pipeline(bundle, "category", tmp_path / "Goal")
    head = UpdatableHeadBuilder(task="category").build(int8_model)
    exporter = CoreMLExporter(sequence_length=24, shorter_lengths=(16,), deployment_target="iOS18")
    several = exporter.export(int8_model, tmp_path / "several", heads=[head])
    with pytest.raises(ConfigurationError, match="a package of several lengths cannot be in a pipeline"):
        write_updatable_pipeline(several, "category", tmp_path / "Goal.mlpackage")
    assert not (tmp_path / "Goal.mlpackage").exists()


def test_the_same_pipeline_is_the_same_bytes(bundle, tmp_path):
    paths = [write_updatable_pipeline(bundle, "category", tmp_path / f"{name}.mlpackage") for name in "ab"]
    assert folder_digest(paths[0]) == folder_digest(paths[1])
