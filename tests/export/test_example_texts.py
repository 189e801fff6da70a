"""Which texts a bundle is checked on and ships, and what `export` and `export_package` each write."""

import json

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from goalkit import GOAL_TASKS, Bundle, CoreMLExporter, GoalModel, Task
from goalkit.errors import ConfigurationError, ExportError
from goalkit.export.texts import ExampleTexts, golden_texts, vocabulary_texts
from goalkit.storage import folder_digest
from goalkit.tokenization import WordPieceTokenizer

SETTINGS = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
ENGLISH = ("who won the match", "shares fell after the election", "the striker scored twice", "banks raise their rates")


@pytest.fixture(scope="module")
def topics():
    """A model of English titles, which knows no Chinese character."""
    tasks = [Task("topic", ("sports", "business"))]
    return GoalModel.from_backbone("tiny-bert", tasks=tasks, vocabulary_from=ENGLISH, encoder=SETTINGS)


def test_a_model_of_other_tasks_is_checked_on_its_own_vocabulary_and_ships_it(topics, tmp_path):
    bundle = CoreMLExporter(sequence_length=16).export(topics, tmp_path / "bundle")
    origin = json.loads((bundle.path / "manifest.json").read_bytes())["origin"]
    assert origin["calibration"] == "32 made-up texts"
    texts = bundle.golden.texts
    assert origin["golden"] == f"{len(texts)} made-up texts"
    assert len(set(texts)) == len(texts) > 100
    assert not set(texts) & set(golden_texts())
    assert topics.tokenizer.unknown_share(texts) == 0
    tokens = topics.tokenizer.encode(texts, 16).attention_mask.sum(1)
    assert tokens.min() <= 5 and tokens.max() == 16
    assert "checked for overflow on 32 made-up texts" in (bundle.path / "README.md").read_text(encoding="utf-8")
    tokenizer_golden = json.loads((bundle.path / "tokenizer_golden.json").read_bytes())
    assert {entry["text"] for entry in tokenizer_golden} >= set(texts)
    remarks = Bundle.open(bundle.path).verify(ENGLISH).remarks()
    assert any(remark.endswith(f"golden.json, for {len(texts)} made-up texts") for remark in remarks)
    assert any(remark.startswith("half precision was checked on 32 made-up texts only") for remark in remarks)


def test_texts_of_the_caller_take_the_place_of_made_up_ones(topics, tmp_path):
    bundle = CoreMLExporter(sequence_length=16).export(topics, tmp_path / "bundle", golden=[*ENGLISH, ENGLISH[0]])
    assert sorted(bundle.golden.texts) == sorted(ENGLISH)
    assert bundle.manifest.origin.golden == bundle.manifest.origin.calibration == "4 given texts"
    report = Bundle.open(bundle.path).verify(ENGLISH)
    assert report.passed
    assert not any("made-up" in remark for remark in report.remarks())


def test_calibration_of_the_caller_goes_before_golden_texts(topics, tmp_path):
    batch = topics.tokenizer.encode(ENGLISH[:2], 16)
    bundle = CoreMLExporter(sequence_length=16).export(topics, tmp_path / "bundle", calibration=batch)
    assert bundle.manifest.origin.calibration == "2 given texts"
    exact = CoreMLExporter(sequence_length=16, precision="float32")
    assert exact.export(topics, tmp_path / "exact").manifest.origin.calibration == ""
    with pytest.raises(ConfigurationError, match="precision is 'float32': leave it out"):
        exact.export(topics, tmp_path / "exact", calibration=batch)
    for nothing in ([], "one text"):
        with pytest.raises(ConfigurationError, match="golden must be a list of texts"):
            exact.export(topics, tmp_path / "exact", golden=nothing)


def test_a_text_that_overflows_is_found_if_it_is_given(topics, tmp_path):
    """Half precision holds all that is made up of this vocabulary but for one word, which only the caller's texts have."""
    model = topics.copy()
    pieces = model.tokenizer.vocabulary
    with torch.no_grad():
        words = model.encoder.model.embeddings.word_embeddings.weight
        words[pieces.index("striker"), 0] = 6e4
        model.encoder.model.embeddings.position_embeddings.weight[13:, 0] = 6e4
    safe = model.tokenizer.encode(["who won the match"], 16)
    exporter = CoreMLExporter(sequence_length=16)
    exporter.export(model, tmp_path / "bundle", calibration=safe)
    text = "the striker " * 8
    with pytest.raises(ExportError, match=r"overflows on '(the striker )+', of 1 given texts"):
        exporter.export(model, tmp_path / "bundle", golden=[text])


@pytest.mark.parametrize("tasks", [GOAL_TASKS, GOAL_TASKS[1:2], (Task("category", GOAL_TASKS[0].labels[:0:-1]),)])
def test_models_of_goals_have_the_shipped_goals(tasks):
    model = GoalModel.from_backbone("tiny-bert", tasks=tasks, encoder=SETTINGS)
    assert ExampleTexts.of(model, 16) == ExampleTexts(tuple(golden_texts()), "shipped goals")


def test_texts_of_a_vocabulary_of_special_tokens_alone():
    tokenizer = WordPieceTokenizer(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))
    assert vocabulary_texts(tokenizer, 16)


def test_a_goal_model_can_be_written_as_a_package_alone(topics, tmp_path):
    for settings in ({}, {"precision": "mixed"}):
        exporter = CoreMLExporter(sequence_length=16, **settings)
        path = exporter.export_package(topics, tmp_path / "topics.mlpackage")
        bundle = exporter.export(topics, tmp_path / "bundle")
        assert folder_digest(path) == folder_digest(bundle.path / "GoalAnalyzer.mlpackage")


def test_each_method_names_the_other(topics, tmp_path):
    exporter = CoreMLExporter(sequence_length=16)
    config = BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    bert = BertForSequenceClassification(config)
    with pytest.raises(ExportError, match="BertForSequenceClassification is not one .*: write its package with export_package"):
        exporter.export(bert, tmp_path / "bundle")
    with pytest.raises(ExportError, match=r"x.mlpackage is named like a package: .* export_package"):
        exporter.export(topics, tmp_path / "x.mlpackage")
    with pytest.raises(TypeError):
        exporter.export_package(topics, tmp_path / "x.mlpackage", heads=[])
    assert list(tmp_path.iterdir()) == []


def test_the_card_says_what_a_package_with_derived_mask_takes(topics, tmp_path):
    bundle = CoreMLExporter(sequence_length=16, derive_mask=True).export(topics, tmp_path / "bundle")
    assert list(next(iter(bundle.programs.values())).inputs) == list(bundle.manifest.inputs) == ["input_ids"]
    assert "takes `input_ids`, int32 [1, S]" in (bundle.path / "README.md").read_text(encoding="utf-8")
    np.testing.assert_allclose(
        bundle.run(ENGLISH)["topic_probabilities"], topics.predict_probabilities(ENGLISH)["topic"], atol=2e-3
    )
