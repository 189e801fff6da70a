import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalkit import GOAL_TASKS, Compressor, CoreMLExporter, GoalModel
from goalkit.backbones import default_vocabulary, find_backbone
from goalkit.compress import Distillation, Quantisation, VocabularyTrimming
from goalkit.errors import ConfigurationError
from goalkit.tokenization import EDGE_CASES, SPECIAL_TOKENS, AddedToken, TokenizerSettings, WordPieceTokenizer

TEXTS = ["每天跑步5公里", "背50个单词 gym", "补足 Java、Python、ES6", "", *EDGE_CASES]
USELESS = ["[unused1]", "##汉", "##，", "##跑a", "Gym", "café", "...", "５", "\u2028"]


def trim(model, *others, coverage=None, **context):
    return Compressor([VocabularyTrimming(coverage=coverage), *others]).compress(model, progress=False, **context).model


@pytest.fixture(scope="module")
def wide():
    """A model with pieces among its own that no text needs."""
    model = GoalModel.from_backbone(
        "tiny-bert", tasks=GOAL_TASKS, encoder={"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1}
    )
    pieces = dict.fromkeys([*SPECIAL_TOKENS, *USELESS, *default_vocabulary()])
    tokenizer = WordPieceTokenizer(tuple(pieces), model.tokenizer.settings)
    settings = {key: value for key, value in model.configuration.encoder.items() if key not in ("vocab_size", "model_type")}
    backbone = find_backbone("tiny-bert")
    encoder = backbone.configuration(tokenizer.size, settings)
    return GoalModel(attrs.evolve(model.configuration, encoder=encoder), backbone.encoder(encoder), tokenizer)


def test_pieces_that_no_text_needs_go_and_nothing_else_changes(wide, tmp_path):
    small = trim(wide)
    gone = set(wide.tokenizer.vocabulary) - set(small.tokenizer.vocabulary)
    assert {*USELESS} <= gone
    assert "[unused0]" in gone
    np.testing.assert_array_equal(small.embed(TEXTS), wide.embed(TEXTS))
    rows = small.encoder.anatomy().words.weight
    assert len(rows) % 32 == 0
    assert not rows[small.tokenizer.size :].any()
    small.save(tmp_path / "small")
    again = GoalModel.load(tmp_path / "small")
    np.testing.assert_array_equal(again.embed(TEXTS), wide.embed(TEXTS))
    assert trim(again).digest() == again.digest(), "nothing is left to trim"


def test_rare_pieces_go_by_coverage(run, splits):
    texts = splits.train.texts
    half, most, every = (trim(run.model, coverage=share, texts=texts) for share in (0.5, 0.99, 1.0))
    assert half.tokenizer.size < most.tokenizer.size < every.tokenizer.size < run.model.tokenizer.size
    assert every.tokenizer.unknown_share(texts) == pytest.approx(run.model.tokenizer.unknown_share(texts))
    np.testing.assert_array_equal(every.embed(texts[:50]), run.model.embed(texts[:50]))
    assert 0 < most.tokenizer.unknown_share(texts) < 0.02
    by_splits = trim(run.model, coverage=0.99, splits=splits)
    assert by_splits.tokenizer == most.tokenizer


def test_a_trimmed_model_is_compressed_further_and_exported(run, splits, tmp_path):
    small = trim(run.model, Quantisation(), coverage=0.99, splits=splits)
    assert small.size_bytes() < Compressor.from_recipe("int8").compress(run.model).model.size_bytes()
    bundle = CoreMLExporter(sequence_length=48, precision="float32").export(small, tmp_path / "bundle")
    texts = [text for text in splits.test.texts if len(text) < 30][:8]
    for found, wanted in zip(bundle.predict(texts), small.predict(texts), strict=True):
        assert found.probabilities["category"] == pytest.approx(wanted.probabilities["category"], abs=1e-4)


def test_fewer_layers_after_a_trimmed_vocabulary(run, splits):
    few = attrs.evolve(splits, train=splits.train.take(range(60)), validation=splits.validation.take(range(20)))
    small = trim(run.model, Distillation(layers=(0,), task_epochs=1), splits=few)
    assert small.tokenizer == trim(run.model).tokenizer
    assert len(small.encoder.anatomy().layers) == 1


def test_what_cannot_be_trimmed_is_refused(run):
    with pytest.raises(ConfigurationError, match="the model is already compressed: trim its vocabulary first"):
        trim(Compressor.from_recipe("int8").compress(run.model).model)
    with pytest.raises(ConfigurationError, match="'vocabulary-trimming' needs splits"):
        trim(run.model, coverage=0.9)
    for coverage in (0, 1.5):
        with pytest.raises(ConfigurationError, match="coverage"):
            VocabularyTrimming(coverage=coverage)


def test_special_and_added_tokens_are_kept_with_new_ids():
    added = (AddedToken(id=7, content="[MASK]"), AddedToken(id=9, content="Gym"), AddedToken(id=10, content="！！"))
    special = ("<pad>", "##汉", "<unk>", "<s>", "</s>", "[PAD]", "跑", "[MASK]", "步")
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    tokenizer = WordPieceTokenizer(special, TokenizerSettings(added_tokens=added, **names))
    small = tokenizer.with_pieces(tokenizer.reachable())
    assert small.vocabulary == tuple(piece for piece in special if piece != "##汉")
    assert [(token.id, token.content) for token in small.settings.added_tokens] == [(6, "[MASK]"), (8, "Gym"), (9, "！！")]
    for text in ("跑步Gym！！[MASK]", "Gym 汉"):
        assert small.pieces(text) == tokenizer.pieces(text)


CONTINUING = ("a", "b", "ab", "A", "1", "é", "跑", "，", "✅", "\ufe0f")
PIECES = (*SPECIAL_TOKENS, *"abA1é跑，#✅", "ab", *(f"##{each}" for each in CONTINUING))


@given(
    st.lists(st.text("abA1éE\u0301跑，#✅\ufe0f\u200d５ !", max_size=12), min_size=1),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_no_text_is_split_otherwise(texts, lowercase, chinese, clean):
    settings = TokenizerSettings(lowercase=lowercase, handle_chinese_chars=chinese)
    tokenizer = WordPieceTokenizer(PIECES, settings.with_cleaning() if clean else settings)
    small = tokenizer.with_pieces(tokenizer.reachable())
    assert len(small.vocabulary) < len(PIECES)
    for text in texts:
        assert small.pieces(text) == tokenizer.pieces(text)
