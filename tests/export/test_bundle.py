import json
import shutil

import attrs
import pytest
import torch

from goalkit import GOAL_TASKS, Bundle, CoreMLExporter, GoalModel, Task, UpdatableHeadBuilder
from goalkit.errors import BundleError, ConfigurationError, VerificationError
from goalkit.export import Gates, VerificationReport
from goalkit.export.comparison import OutputComparison
from goalkit.export.gates import failed_gates
from goalkit.export.hints import Hints, default_hints
from goalkit.model import Prediction


@pytest.fixture
def copy(exported, tmp_path):
    return shutil.copytree(exported.path, tmp_path / "copy")


FLIPPED = [
    "GoalAnalyzer.mlpackage/Data/com.apple.CoreML/model.mlmodel",
    "GoalAnalyzer.mlpackage/Data/com.apple.CoreML/weights/weight.bin",
    "GoalAnalyzer.mlpackage/Manifest.json",
    "GoalHead-category.mlmodel",
    "README.md",
    "golden.json",
    "hints.json",
    "manifest.json",
    "tokenizer_golden.json",
    "vocab.txt",
]


@pytest.mark.parametrize("name", FLIPPED)
def test_one_changed_byte_is_found_and_its_file_named(copy, name):
    original = (copy / name).read_bytes()
    for place in (0, len(original) // 3, len(original) * 2 // 3, len(original) - 1):
        data = bytearray(original)
        data[place] ^= 1
        (copy / name).write_bytes(data)
        with pytest.raises(BundleError) as caught:
            Bundle.open(copy)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_white_space_in_the_manifest_is_a_change_too(copy):
    manifest = copy / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"\n", b" ", 1))
    with pytest.raises(BundleError, match="was altered after the export"):
        Bundle.open(copy)


def test_missing_and_foreign_files_are_found(copy, tmp_path):
    with pytest.raises(BundleError, match="there is no bundle at .*goalkit demo"):
        Bundle.open(tmp_path / "none")
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match=r"holds notes.txt, which the manifest does not list"):
        Bundle.open(copy)
    (copy / "notes.txt").unlink()
    (copy / ".DS_Store").write_text("what a Mac leaves everywhere")
    Bundle.open(copy)
    (copy / "hints.json").unlink()
    with pytest.raises(BundleError, match=r"lacks hints.json"):
        Bundle.open(copy)


def test_reopened_bundle_predicts_and_hints(exported, int8_model):
    opened = Bundle.open(exported.path)
    prediction = opened.predict(["今晚跑五公里"])[0]
    assert prediction.labels == int8_model.predict(["今晚跑五公里"])[0].labels
    assert opened.hints.choose(prediction) in {*opened.hints.templates.values(), opened.hints.fallback}
    assert sum(prediction.probabilities["category"].values()) == pytest.approx(1, abs=2e-3)


def test_without_the_model_parity_is_against_golden_json_and_says_so(exported, splits):
    report = Bundle.open(exported.path).verify(splits.test.texts)
    assert report.passed
    assert report.parity_source == "golden.json"
    assert any("golden.json" in remark for remark in report.remarks())
    assert report.compared_texts == 500
    assert any(remark.endswith("in golden.json, for 500 shipped goals") for remark in report.remarks())
    assert report.parity[0].psnr > 50, "embeddings are compared too"
    assert 0 < max(report.heads.values()) < 1e-6, "and heads"
    assert any("fidelity was not measured" in remark for remark in report.remarks())


def test_a_head_of_another_model_is_refused(int8_model, run, tmp_path):
    other = run.model.copy()
    with torch.no_grad():
        other.heads["category"].weight[0, 0] += 1
    head = UpdatableHeadBuilder(task="category").build(other)
    with pytest.raises(ConfigurationError, match="the head for category was built from another model"):
        CoreMLExporter(sequence_length=16).export(int8_model, tmp_path / "bundle", heads=[head])


def test_a_reference_that_cannot_be_compared_is_refused(exported, splits):
    def reference(tasks, **settings):
        return GoalModel.from_backbone("tiny-bert", tasks=tasks, encoder={"num_hidden_layers": 1, **settings})

    texts, labels = splits.test.texts[:3], {name: column[:3] for name, column in splits.test.labels.items()}
    turned = Task("category", GOAL_TASKS[0].labels[::-1])
    with pytest.raises(BundleError, match="the reference has the labels 理财, .* for category, the bundle 健康"):
        exported.verify(texts, labels, reference=reference([turned]))
    with pytest.raises(BundleError, match="shares no task with the bundle, or is too short"):
        exported.verify(texts, labels, reference=reference(GOAL_TASKS, max_position_embeddings=16))
    partly = exported.verify(texts, labels, reference=reference([GOAL_TASKS[1]]))
    assert "reference" in partly.accuracy["difficulty"]
    assert "reference" not in partly.accuracy["category"]


def test_a_single_text_on_which_models_disagree_fails(exported, untrained):
    report = exported.verify(["今晚跑五公里"], reference=untrained)
    assert min(each.agreement for each in report.fidelity) == 0
    assert not report.passed


def test_source_must_be_the_exported_model(exported, run, int8_model):
    assert Bundle.open(exported.path, source=int8_model).source is int8_model
    with pytest.raises(BundleError, match="was not exported from the given model"):
        Bundle.open(exported.path, source=run.model)


def test_accuracy_is_measured_on_the_saved_files(exported, run, splits):
    report = exported.verify(splits.test.texts, splits.test.labels, reference=run.model)
    right = [
        prediction.labels["category"] == label
        for prediction, label in zip(exported.predict(splits.test.texts), splits.test.labels["category"], strict=True)
    ]
    assert report.accuracy["category"]["bundle"] == pytest.approx(sum(right) / len(right))
    assert set(report.accuracy["category"]) == {"bundle", "reference"}


def test_a_failed_gate_names_the_output_and_the_worst_text(exported, int8_model, splits):
    other = int8_model.copy()
    with torch.no_grad():
        other.heads["difficulty"].bias[0] += 3.0
    report = attrs.evolve(exported, source=other).verify(splits.test.texts, reference=other)
    assert not report.passed
    failure = next(each for each in report.failures if each.startswith("fidelity of difficulty_probabilities"))
    worst = next(each for each in report.fidelity if each.output == "difficulty_probabilities").disagreeing_text
    assert repr(worst) in failure
    assert any(each.startswith("head difficulty: largest error") for each in report.failures)
    with pytest.raises(
        VerificationError, match="fidelity of difficulty_probabilities: agreement .* is below 99.0%, worst on .*do not ship"
    ):
        report.raise_if_failed()


def test_a_bar_out_of_reach_fails(exported, splits):
    report = exported.verify(splits.test.texts, gates=Gates(half_psnr=200.0))
    assert [each.split(":")[0] for each in report.failures] == ["parity of embedding"]


def test_texts_and_labels_must_fit(exported):
    with pytest.raises(BundleError, match="there are no texts"):
        exported.verify([])
    with pytest.raises(BundleError, match="2 texts and 1 labels for category: give one label per text"):
        exported.verify(["a", "b"], {"category": ["健康"]})
    with pytest.raises(ConfigurationError, match="no label '体育'; its labels are 健康"):
        exported.verify(["a"], {"category": ["体育"]})


def test_recorded_measurements_stand_in_manifest_and_card(exported, copy, splits):
    bundle = attrs.evolve(exported, path=copy)
    report = bundle.verify(splits.test.texts, splits.test.labels)
    bundle.record(report)
    again = Bundle.open(copy)
    assert again.manifest.measured["accuracy"] == json.loads(json.dumps(report.accuracy))
    assert not any(text in (copy / "manifest.json").read_text(encoding="utf-8") for text in splits.test.texts if len(text) > 5)
    card = (copy / "README.md").read_text(encoding="utf-8")
    assert f"executing these files on {len(splits.test)} texts" in card
    assert f"{report.accuracy['category']['bundle']:.2%}" in card


def test_a_hint_for_every_combination_and_a_question_when_unsure():
    hints = default_hints(GOAL_TASKS)
    assert len(set(hints.templates.values())) == 45

    def prediction(share):
        labels = {"category": "健康", "difficulty": "困难", "completion": "未开始"}
        return Prediction("戒烟", labels, {task: {label: share} for task, label in labels.items()})

    assert hints.choose(prediction(0.9)) == hints.templates["健康/困难/未开始"]
    assert hints.choose(prediction(0.3)) == hints.fallback


def test_hints_of_other_tasks(untrained, tmp_path):
    topic = Task("topic", ("体育", "财经"))
    assert default_hints([topic]).choose(Prediction("x", {"topic": "体育"}, {"topic": {"体育": 1.0}}))
    partial = Hints(tasks=("category",), templates={"健康": "好"}, fallback="？")
    with pytest.raises(ConfigurationError, match="no hint for 学习 and 3 more"):
        CoreMLExporter(sequence_length=16).export(untrained, tmp_path / "bundle", hints=partial)
    with pytest.raises(ConfigurationError, match="the hints need the task category"):
        partial.check([topic])


def test_a_hint_for_labels_that_there_are_not_is_refused():
    hints = Hints(tasks=("topic",), templates={"体育": "好", "财经": "好", "娱乐": "好"}, fallback="？")
    with pytest.raises(ConfigurationError, match="the hint for 娱乐 is for no combination of labels of topic"):
        hints.check([Task("topic", ("体育", "财经"))])
    with pytest.raises(ConfigurationError, match="of no task: correct its key or leave it out"):
        Hints(tasks=(), templates={"健康": "好"}, fallback="？").check(GOAL_TASKS)


def test_model_with_one_other_task_makes_the_whole_road(tmp_path):
    model = GoalModel.from_backbone("tiny-bert", tasks=[Task("topic", ("体育", "财经"))], encoder={"num_hidden_layers": 1})
    bundle = CoreMLExporter(sequence_length=16).export(model, tmp_path / "bundle")
    assert set(bundle.predict(["球赛"])[0].labels) == {"topic"}


@pytest.mark.parametrize(
    ("texts", "differing", "passes"), [(40, 1, False), (300, 1, True), (300, 3, False), (2000, 2, True), (2000, 3, False)]
)
def test_few_texts_may_differ_by_chance_and_many_may_not(texts, differing, passes):
    agreement = OutputComparison(
        output="kind_probabilities",
        largest_error=0.001,
        worst_text="",
        psnr=80,
        agreement=1 - differing / texts,
        largest_share=0.3,
    )
    report = VerificationReport(
        identity="",
        calibration="",
        golden="",
        texts=texts,
        compared_texts=texts,
        package_bytes=0,
        bundle_bytes=0,
        precision="float16",
        parity_source="",
        parity=(agreement,),
    )
    assert (failed_gates(report, Gates()) == ()) == passes


def test_the_manifest_says_all_of_the_tokenizer(checkpoint, tmp_path):
    from transformers import BertTokenizer

    folder = checkpoint(rows=520)
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), do_lower_case=False, tokenize_chinese_chars=False)
    tokenizer.add_tokens(["五公里"])
    tokenizer.save_pretrained(folder)
    model = GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)
    CoreMLExporter(sequence_length=16, precision="float32").export(model, tmp_path / "bundle")
    bundle = Bundle.open(tmp_path / "bundle")
    said = json.loads((bundle.path / "manifest.json").read_bytes())["tokenizer"]
    flags = dict.fromkeys(["single_word", "lstrip", "rstrip"], False)
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert said == {
        "lowercase": False,
        "strip_accents": False,
        "handle_chinese_chars": False,
        "clean_text": True,
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "added_tokens": [
            *({"id": number, "content": name, **flags, "normalized": False} for number, name in enumerate(names)),
            {"id": 512, "content": "五公里", **flags, "normalized": True},
        ],
        "cleaning": ["invisible", "composition", "width", "punctuation", "space"],
    }
    golden = json.loads((bundle.path / "tokenizer_golden.json").read_bytes())
    assert sum(512 in entry["ids"] for entry in golden) >= 3
    texts = ["今晚跑五公里", "五公里五公里a", "ABC é [MASK]"]
    for ours, theirs in zip(bundle.predict(texts), model.predict(texts), strict=True):
        assert ours.probabilities["category"] == pytest.approx(theirs.probabilities["category"], abs=1e-5)


def test_a_manifest_of_an_older_schema_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_bytes())
    del manifest["identity"]
    (copy / "manifest.json").write_text(json.dumps({**manifest, "schema": 2}))
    with pytest.raises(
        BundleError, match=r"manifest.json is not of schema 3: use the goalkit that made the bundle, or export again"
    ):
        Bundle.open(copy)
