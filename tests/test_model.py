import json

import numpy as np
import pytest
import torch

from goalkit import GOAL_TASKS, Compressor, GoalModel, Task
from goalkit.errors import ConfigurationError, ModelError
from goalkit.storage import folder_digest

TEXTS = ["跑步", "每天背50个单词，坚持一个月，谁也别拦我", "戒糖第十二天了"]


def test_probabilities_sum_to_one_and_labels_follow_them(run):
    for prediction in run.model.predict(TEXTS):
        for name, shares in prediction.probabilities.items():
            assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
            assert shares[prediction.labels[name]] == max(shares.values())


def test_padding_changes_nothing(run):
    alone = np.concatenate([run.model.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(run.model.embed(TEXTS, length=64), alone, atol=2e-5)


def test_what_a_model_is_asked_is_cleaned(run, exported):
    untidy, clean = ["每天跑步５公里！！！", "戒\u200b糖　第１２天"], ["每天跑步5公里！", "戒糖 第12天"]
    np.testing.assert_array_equal(run.model.embed(untidy), run.model.embed(clean))
    for found, wanted in zip(exported.predict(untidy), exported.predict(clean), strict=True):
        assert found.probabilities == wanted.probabilities


def test_texts_beyond_the_positions_are_cut(run):
    with pytest.raises(ConfigurationError, match="length is 65, the encoder has 64 positions"):
        run.model.embed(["跑步"], length=65)
    assert np.isfinite(run.model.embed(["长" * 500])).all()


def test_saved_model_is_the_same_model(run, tmp_path):
    folder = run.model.save(tmp_path / "model")
    again = GoalModel.load(folder)
    np.testing.assert_array_equal(again.embed(TEXTS), run.model.embed(TEXTS))
    assert again.digest() == run.model.digest() == folder_digest(folder)


def test_saved_compressed_model_is_the_same_and_smaller(run, int8_model, tmp_path):
    again = GoalModel.load(int8_model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.embed(TEXTS), int8_model.embed(TEXTS))
    assert again.digest() == int8_model.digest()
    assert again.size_bytes() < 0.35 * run.model.size_bytes()


def test_copies_are_independent(int8_model):
    before = int8_model.embed(TEXTS)
    twin = int8_model.copy()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(int8_model.embed(TEXTS), before)


def test_same_seed_same_weights():
    def make(seed):
        return GoalModel.from_backbone(
            "tiny-bert", tasks=GOAL_TASKS, encoder={"num_hidden_layers": 1}, weights="random", seed=seed
        ).digest()

    assert make(0) == make(0) != make(1)


def _cut(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def _drop(folder):
    (folder / "model.safetensors").unlink()


def _drop_line(file):
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:99] + lines[100:]), encoding="utf-8")


def _edit(folder, **changes):
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "model.safetensors is missing or damaged"),
        (_drop, "model.safetensors is missing or damaged"),
        (lambda folder: (folder / "vocab.txt").unlink(), "vocab.txt cannot be read"),
        (lambda folder: _drop_line(folder / "vocab.txt"), "vocab.txt is not the vocabulary of this model"),
        (
            lambda folder: _edit(folder, colour="red"),
            "unknown key colour in ModelConfiguration; valid keys are backbone, encoder",
        ),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json is not valid JSON"),
        (lambda folder: _edit(folder, schema=99), "is of schema 99, this goalkit reads schema 3: update goalkit"),
        (lambda folder: _edit(folder, schema=2), "is of schema 2, this goalkit reads schema 3: train or compress again with"),
        (lambda folder: _edit(folder, schema="2"), "is not of a goalkit model: give a folder that GoalModel.save wrote"),
        (lambda folder: _edit(folder, tasks=[{"name": "other", "labels": ["a", "b"]}]), "does not fit config.json"),
    ],
)
def test_damaged_model_is_reported_in_one_line(untrained, tmp_path, damage, message):
    folder = untrained.save(tmp_path / "model")
    damage(folder)
    with pytest.raises(ModelError) as caught:
        GoalModel.load(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_folder_of_half_precision_is_loaded_as_float32(untrained, tmp_path, dtype):
    half = untrained.copy().to(dtype)
    again = GoalModel.load(half.save(tmp_path / "model"))
    assert {each.dtype for each in again.parameters()} == {torch.float32}
    for mine, theirs in zip(again.parameters(), half.parameters(), strict=True):
        assert torch.equal(mine, theirs.float())


def test_edited_tokenizer_settings_are_checked(untrained, tmp_path):
    folder = untrained.save(tmp_path / "model")
    _edit(folder, tokenizer={"lowercase": True, "strip_accent": False})
    with pytest.raises(
        ModelError, match="unknown key strip_accent in TokenizerSettings; valid keys are lowercase, strip_accents"
    ):
        GoalModel.load(folder)
    _edit(folder, tokenizer={"pad_token": "<pad>"})
    with pytest.raises(ModelError, match="the vocabulary lacks <pad>"):
        GoalModel.load(folder)


def test_tasks_may_bear_any_name(tmp_path):
    tasks = [Task(name, ("a", "b")) for name in ("type", "keys", "train", "float")]
    model = GoalModel.from_backbone("tiny-bert", tasks=tasks, encoder={"num_hidden_layers": 1})
    assert list(GoalModel.load(model.save(tmp_path / "model")).predict(["跑步"])[0].labels) == [
        "type",
        "keys",
        "train",
        "float",
    ]


def test_contradicting_arguments_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="a checkpoint brings its own vocabulary"):
        GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, checkpoint=tmp_path, vocabulary_from=["a"])
    with pytest.raises(ConfigurationError, match="no pooling 'max'; choose one of mean, cls"):
        GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, pooling="max")
    with pytest.raises(ConfigurationError, match="give at least one task"):
        GoalModel.from_backbone("tiny-bert", tasks=[])


def test_compressing_twice_is_refused(int8_model):
    with pytest.raises(ConfigurationError, match="is compressed already"):
        Compressor.from_recipe("int8").compress(int8_model)
