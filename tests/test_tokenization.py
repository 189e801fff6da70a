import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalkit.backbones import default_vocabulary, vocabulary_from_texts
from goalkit.errors import ConfigurationError, DatasetError, ModelError
from goalkit.export.golden import golden_texts
from goalkit.tokenization import EDGE_CASES, SPECIAL_TOKENS, WordPieceTokenizer

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


def test_texts_and_lengths_that_cannot_be_encoded_are_told():
    with pytest.raises(DatasetError, match="is not valid Unicode"):
        TOKENIZER.encode(["跑步", "\udcd6"])
    with pytest.raises(ConfigurationError, match="length is 2: it must hold"):
        TOKENIZER.encode(["跑步"], 2)


def test_golden_goals_are_of_every_category_alike():
    from collections import Counter

    from goalkit import Dataset

    goals = Dataset.goals()
    category = dict(zip(goals.texts, goals.labels["category"], strict=True))
    counts = Counter(category[text] for text in golden_texts())
    assert sum(counts.values()) == len(set(golden_texts())) == 500
    assert min(counts.values()) >= 95


def test_damaged_vocabulary_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"lacks \[MASK\]"):
        WordPieceTokenizer(SPECIAL_TOKENS[:4])
    with pytest.raises(ModelError, match="holds a piece twice"):
        WordPieceTokenizer((*SPECIAL_TOKENS, "的", "的"))
    with pytest.raises(ModelError, match="cannot be read"):
        WordPieceTokenizer.from_file(tmp_path / "vocab.txt")
    (tmp_path / "vocab.txt").write_bytes("中".encode("gb18030"))
    with pytest.raises(ModelError, match="is not UTF-8"):
        WordPieceTokenizer.from_file(tmp_path / "vocab.txt")
