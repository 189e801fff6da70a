import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalkit.backbones import default_vocabulary, vocabulary_from_texts
from goalkit.characters import STEPS
from goalkit.errors import ConfigurationError, DatasetError, ModelError
from goalkit.export.golden import tokenizer_golden
from goalkit.export.texts import golden_texts
from goalkit.tokenization import EDGE_CASES, SPECIAL_TOKENS, AddedToken, TokenizerSettings, WordPieceTokenizer

TOKENIZER = WordPieceTokenizer(default_vocabulary())


def test_same_ids_as_transformers_bert_tokenizer(tmp_path):
    from transformers import BertTokenizer

    (tmp_path / "vocab.txt").write_bytes(TOKENIZER.file_bytes())
    theirs = BertTokenizer(str(tmp_path / "vocab.txt"))
    texts = [text for text in (*EDGE_CASES, *golden_texts()) if "[" not in text]  # theirs reads "[UNK]" in a text as the token
    ours = TOKENIZER.encode(texts, 64)
    for text, ids, mask in zip(texts, ours.input_ids, ours.attention_mask, strict=True):
        assert ids[: mask.sum()].tolist() == theirs(text, truncation=True, max_length=64)["input_ids"], text


@given(st.lists(st.text(), min_size=1, max_size=4), st.integers(3, 40))
def test_encoding_is_framed_padded_and_cut(texts, length):
    batch = TOKENIZER.encode(texts, length)
    assert batch.input_ids.shape == batch.attention_mask.shape == (len(texts), length)
    for ids, mask in zip(batch.input_ids, batch.attention_mask, strict=True):
        used = int(mask.sum())
        assert mask.tolist() == [1] * used + [0] * (length - used)
        assert TOKENIZER.vocabulary[ids[0]] == "[CLS]"
        assert TOKENIZER.vocabulary[ids[used - 1]] == "[SEP]"
        assert np.all(ids[used:] == TOKENIZER.padding_id)


def test_shipped_vocabulary_knows_everyday_chinese():
    pieces = default_vocabulary()
    assert pieces[:5] == SPECIAL_TOKENS
    assert len(set(pieces)) == len(pieces)
    assert len(pieces) % 32 == 0
    assert TOKENIZER.unknown_share(golden_texts()) < 0.02
    assert TOKENIZER.pieces("每天跑步5公里") == list("每天跑步5公里")


def test_vocabulary_from_texts_holds_their_words_and_nothing_of_others():
    pieces = vocabulary_from_texts(["背 Duolingo 单词", "背书"])
    own = WordPieceTokenizer(pieces)
    assert len(pieces) % 32 == 0
    assert own.pieces("背Duolingo") == ["背", "duolingo"]
    assert own.pieces("跑") == ["[UNK]"]
    assert own.unknown_share(["背跑"]) == 0.5


def test_windows_line_ends_make_no_other_vocabulary(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(TOKENIZER.file_bytes().replace(b"\n", b"\r\n"))
    assert WordPieceTokenizer.from_file(tmp_path / "vocab.txt").vocabulary == TOKENIZER.vocabulary


def test_texts_and_lengths_that_cannot_be_encoded_are_reported():
    with pytest.raises(DatasetError, match="is not valid Unicode"):
        TOKENIZER.encode(["跑步", "\udcd6"])
    with pytest.raises(ConfigurationError, match="length is 2: it must be at least 3"):
        TOKENIZER.encode(["跑步"], 2)


def test_golden_goals_are_of_every_category_alike():
    from collections import Counter

    from goalkit import Dataset

    goals = Dataset.goals()
    category = dict(zip(goals.texts, goals.labels["category"], strict=True))
    counts = Counter(category[text] for text in golden_texts())
    assert sum(counts.values()) == len(set(golden_texts())) == 500
    for label, count in goals.label_counts()["category"].items():
        assert counts[label] / 500 == pytest.approx(count / len(goals), abs=0.01)


def test_damaged_vocabulary_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"lacks \[CLS\], \[SEP\]: use"):
        WordPieceTokenizer(SPECIAL_TOKENS[:2])
    with pytest.raises(ModelError, match="has repeated pieces"):
        WordPieceTokenizer((*SPECIAL_TOKENS, "的", "的"))
    with pytest.raises(ModelError, match=r"has the piece '的\\r', but vocab.txt has one piece per line"):
        WordPieceTokenizer((*SPECIAL_TOKENS, "的\r"))
    with pytest.raises(ModelError, match="cannot be read"):
        WordPieceTokenizer.from_file(tmp_path / "vocab.txt")
    (tmp_path / "vocab.txt").write_bytes("中".encode("gb18030"))
    with pytest.raises(ModelError, match="is not UTF-8"):
        WordPieceTokenizer.from_file(tmp_path / "vocab.txt")


@pytest.mark.parametrize("added", [(0, "gym"), (6, "gym"), (8, "gym"), (6, "[MASK]"), (5, "gym", 7, "run")])
def test_added_tokens_out_of_their_places_are_refused(added):
    tokens = tuple(AddedToken(id=number, content=content) for number, content in zip(added[::2], added[1::2], strict=True))
    with pytest.raises(ModelError, match=r"added token '.*' has the id \d, but should have \d: list added tokens by id"):
        WordPieceTokenizer(SPECIAL_TOKENS, TokenizerSettings(added_tokens=tokens))


def test_added_tokens_that_look_the_same_are_refused():
    def tokens(*contents, **flags):
        added = tuple(AddedToken(id=5 + number, content=content, **flags) for number, content in enumerate(contents))
        return WordPieceTokenizer(SPECIAL_TOKENS, TokenizerSettings(added_tokens=added))

    assert tokens("gym", "GYM").pieces("GYM gym") == ["GYM", "gym"]
    with pytest.raises(ModelError, match="added tokens 'gym' and 'GYM' are the same once normalized: remove one of them"):
        tokens("gym", "GYM", normalized=True)
    with pytest.raises(ModelError, match=r"added tokens '' and '\\u200b' are the same once normalized"):
        tokens("\u200b", normalized=True)


def test_special_tokens_may_have_other_names_and_ids():
    settings = TokenizerSettings(
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        added_tokens=(AddedToken(id=1, content="<s>"), AddedToken(id=4, content="<pad>")),
    )
    tokenizer = WordPieceTokenizer(("跑", "<s>", "<unk>", "</s>"), settings)
    batch = tokenizer.encode(["跑步<s>", ""], 6)
    assert batch.input_ids.tolist() == [[1, 0, 2, 1, 3, 4], [1, 3, 4, 4, 4, 4]]
    assert (tokenizer.padding_id, tokenizer.size) == (4, 5)


CAPABLE = (
    *(*SPECIAL_TOKENS, *"abcABCdeféø每天跑步", *"gym", "GYM"),
    *(f"{prefix}{piece}" for prefix in ("##", "@@") for piece in "abcABCdeféøgym每天跑步"),
    *("\x00", "##\x07", "\u200b", "##\u200b"),
)
"""A vocabulary that lets every setting show in the ids."""

ADDED = (
    AddedToken(id=len(CAPABLE), content="<goal>"),
    AddedToken(id=len(CAPABLE) + 1, content="aGa", single_word=True),
    AddedToken(id=len(CAPABLE) + 2, content="Gé", normalized=True),
    AddedToken(id=len(CAPABLE) + 3, content="天天", normalized=True),
)

FLIPS = {
    "lowercase": lambda value: not value,
    "strip_accents": lambda value: not value,
    "handle_chinese_chars": lambda value: not value,
    "clean_text": lambda value: not value,
    "continuing_subword_prefix": lambda value: "@@",
    "max_input_chars_per_word": lambda value: value - 1,
    "unk_token": lambda value: "[MASK]",
    "cls_token": lambda value: "[MASK]",
    "sep_token": lambda value: "[MASK]",
    "pad_token": None,  # golden ids are not padded
    "added_tokens": lambda value: (),
    "cleaning": lambda value: tuple(STEPS),
}


def golden_shows(settings: TokenizerSettings, other: TokenizerSettings) -> bool:
    """Whether the golden strings of one tokenizer betray another."""
    golden = tokenizer_golden(WordPieceTokenizer(CAPABLE, settings), golden_texts(), 48)
    batch = WordPieceTokenizer(CAPABLE, other).encode([entry["text"] for entry in golden], 48)
    lengths = batch.attention_mask.sum(1)
    rows = zip(golden, batch.input_ids, lengths, strict=True)
    return any(entry["ids"] != ids[:length].tolist() for entry, ids, length in rows)


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("longest", [100, 7])
@pytest.mark.parametrize("name", [field.name for field in attrs.fields(TokenizerSettings) if FLIPS[field.name]])
def test_golden_strings_show_every_setting(name, longest, on):
    settings = TokenizerSettings(
        lowercase=on,
        strip_accents=on,
        handle_chinese_chars=on,
        clean_text=on,
        max_input_chars_per_word=longest,
        added_tokens=ADDED,
    )
    assert not golden_shows(settings, settings)
    assert golden_shows(settings, attrs.evolve(settings, **{name: FLIPS[name](getattr(settings, name))}))
    if name == "max_input_chars_per_word":
        assert golden_shows(settings, attrs.evolve(settings, max_input_chars_per_word=longest + 1))


@pytest.mark.parametrize("name", ["invisible", "width", "punctuation"])
def test_golden_strings_show_each_step_of_cleaning_that_changes_ids(name):
    settings = TokenizerSettings().with_cleaning()
    assert settings.cleaning == tuple(STEPS)
    assert golden_shows(settings, attrs.evolve(settings, cleaning=tuple(set(STEPS) - {name})))


def test_texts_are_cleaned_unless_an_added_token_needs_what_cleaning_removes():
    plain = WordPieceTokenizer(default_vocabulary())
    cleaned = attrs.evolve(plain, settings=plain.settings.with_cleaning())
    assert cleaned.pieces("跑５公里！！！") == plain.pieces("跑5公里！") != plain.pieces("跑５公里！！！")
    for texts in (["跑５公里！！！"], ["跑5公里！"]):
        np.testing.assert_array_equal(cleaned.encode(texts).input_ids, plain.encode(["跑5公里！"]).input_ids)
    cheer = AddedToken(id=plain.size, content="！！")
    settings = TokenizerSettings(added_tokens=(cheer,)).with_cleaning()
    assert settings.cleaning == ("invisible", "composition", "width", "space")
    assert attrs.evolve(plain, settings=settings).pieces("跑５！！") == ["跑", "5", "！！"]
    with pytest.raises(ConfigurationError, match="there is no cleaning 'html'; choose one of invisible"):
        TokenizerSettings(cleaning=("html",))


@pytest.mark.parametrize("name", ["content", "single_word", "normalized"])
@pytest.mark.parametrize("place", range(len(ADDED)))
def test_golden_strings_show_what_is_said_of_every_added_token(place, name):
    """Less `lstrip` and `rstrip`: the white space that they take in is no token in any case."""
    token = ADDED[place]
    other = attrs.evolve(token, **{name: "another" if name == "content" else not getattr(token, name)})
    settings, changed = (TokenizerSettings(added_tokens=(*ADDED[:place], each, *ADDED[place + 1 :])) for each in (token, other))
    assert golden_shows(settings, changed)
