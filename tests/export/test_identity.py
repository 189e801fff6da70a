"""The identity of a bundle: the same as long as it gives the same answers, another as soon as it may not."""

import hashlib
import json
import shutil

import attrs
import pytest
import torch

from goalkit import Bundle, CoreMLExporter, GoalModel, Task, UpdatableHeadBuilder
from goalkit.errors import BundleError
from goalkit.export import Replay
from goalkit.export.hints import Hints
from goalkit.tokenization import WordPieceTokenizer

EXPORTER = CoreMLExporter(sequence_length=16)
SETTINGS = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def made():
    model = GoalModel.from_backbone("tiny-bert", tasks=[Task("topic", ("体育", "财经"))], encoder=SETTINGS)
    return model, UpdatableHeadBuilder(task="topic", spare_slots=1)


def export(path, *, model=None, head=None, exporter=EXPORTER, heads=True, **settings):
    ready, builder = made()
    model = model or ready
    heads = [(head or builder).build(model)] if heads else []
    return exporter.export(model, path, heads=heads, **settings)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return export(tmp_path_factory.mktemp("identity") / "bundle")


def test_what_is_recorded_about_a_bundle_leaves_its_identity(bundle, tmp_path):
    shutil.copytree(bundle.path, tmp_path / "copy")
    copy = Bundle.open(tmp_path / "copy")
    report = copy.verify(["球赛", "股票涨了"], {"topic": ["体育", "财经"]})
    recorded = copy.record(report)
    assert recorded.manifest.digest != bundle.manifest.digest
    named = recorded.name_slot("topic", "slot_1", "娱乐")
    card = (copy.path / "README.md").read_text(encoding="utf-8")
    assert "executing these files on 2 texts" in card
    again = Bundle.open(copy.path)
    for each in (recorded, named, again):
        assert each.manifest.identity == bundle.manifest.identity
    assert report.identity == bundle.manifest.identity
    assert f"`{bundle.manifest.identity}`" in card
    named.record(report)  # still about the same answers


def test_the_identity_can_be_computed_as_the_docs_say(bundle):
    """By anybody: from the manifest and the files alone, with SHA-256 and JSON."""
    manifest = json.loads((bundle.path / "manifest.json").read_bytes())
    names = [
        name
        for name in manifest["files"]
        if name.startswith("GoalAnalyzer.mlpackage/") or name.endswith((".mlmodel", "vocab.txt"))
    ]
    settings = {key: manifest[key] for key in ("tasks", "sequence_length", "shorter_lengths", "tokenizer", "heads")}
    contents = {name: (bundle.path / name).read_bytes() for name in names}
    contents["settings"] = (json.dumps(settings, ensure_ascii=False, indent=2) + "\n").encode()
    lines = [f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents)]
    assert manifest["identity"] == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_what_goes_with_the_answers_leaves_the_identity(bundle, tmp_path):
    other = export(
        tmp_path / "bundle",
        hints=Hints(tasks=("topic",), templates={"体育": "加油", "财经": "小心"}, fallback="？"),
        replay=Replay(texts=("球赛",), labels={"topic": ("体育",)}),
        golden=["球赛", "股票"],
    )
    assert other.manifest.identity == bundle.manifest.identity


def weight(model):
    with torch.no_grad():
        model.encoder.model.encoder.layer[0].output.dense.weight[0, 0] += 0.5


def head_bias(model):
    with torch.no_grad():
        model.heads["topic"].bias[1] += 0.5


def rebuilt(model, configuration, tokenizer):
    """The same weights with other tasks or another tokenizer."""
    other = GoalModel(configuration, model.encoder, tokenizer)
    other.head_layers = model.head_layers
    return other


def with_tasks(*labels):
    def change(model):
        return rebuilt(model, attrs.evolve(model.configuration, tasks=(Task("topic", labels),)), model.tokenizer)

    return change


def with_piece(model):
    pieces = (*model.tokenizer.vocabulary[:-1], "新词")
    return rebuilt(model, model.configuration, WordPieceTokenizer(pieces, model.tokenizer.settings))


def with_case(model):
    settings = attrs.evolve(model.tokenizer.settings, lowercase=False)
    configuration = attrs.evolve(model.configuration, tokenizer=settings)
    return rebuilt(model, configuration, WordPieceTokenizer(model.tokenizer.vocabulary, settings))


@pytest.mark.parametrize(
    "change", [weight, head_bias, with_tasks("体育", "理财"), with_tasks("财经", "体育"), with_piece, with_case]
)
def test_a_model_that_may_answer_otherwise_has_another_identity(bundle, tmp_path, change):
    model, _ = made()
    model = change(model) or model
    other = export(tmp_path / "bundle", model=model)
    assert other.manifest.identity != bundle.manifest.identity


@pytest.mark.parametrize(
    "settings",
    [
        {"exporter": CoreMLExporter(sequence_length=17)},
        {"exporter": CoreMLExporter(sequence_length=16, precision="float32")},
        {"head": UpdatableHeadBuilder(task="topic", spare_slots=1, epochs=20)},
        {"head": UpdatableHeadBuilder(task="topic", spare_slots=2)},
        {"heads": False},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_another_export_of_the_model_has_another_identity(bundle, tmp_path, settings):
    assert export(tmp_path / "bundle", **settings).manifest.identity != bundle.manifest.identity


def test_an_altered_identity_and_a_report_on_another_bundle_are_refused(bundle, tmp_path):
    report = export(tmp_path / "other", heads=False).verify(["球赛"])
    with pytest.raises(BundleError, match="the report is about another bundle than .*: verify this one"):
        bundle.record(report)
    copy = shutil.copytree(bundle.path, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_bytes())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "identity": "0" * 64}, ensure_ascii=False, indent=2) + "\n")
    with pytest.raises(BundleError, match="manifest.json was altered after the export"):
        Bundle.open(copy)
