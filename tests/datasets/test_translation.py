"""Augmentation by models: translation there and back, and a masked language model."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch

from goalkit import Dataset
from goalkit.datasets.augmentation import (
    Augmentation,
    BackTranslation,
    MarianTranslator,
    MaskedLanguageModel,
    augment,
)
from goalkit.datasets.augmentation.protected import protected_words
from goalkit.errors import ConfigurationError, DatasetError, ModelError, StorageError


def variants(augmentation: Augmentation, text: str, seed: int = 0) -> list[str]:
    return list(augmentation.variants(text, np.random.default_rng(seed)))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Models this tiny only wait for a second one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def some() -> Dataset:
    return Dataset.goals().take(range(0, 11_400, 95))


@attrs.define
class Dictionary:
    """A translator that marks what it translated, and may break down."""

    identity: str = "dictionary"
    batch_size: int = 2
    asked: list[str] = attrs.field(factory=list)
    breaks_at: int = 10**9

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        if len(self.asked) >= self.breaks_at:
            raise KeyboardInterrupt
        self.asked.extend(texts)
        if target == "en":
            return [f"<{text}>" for text in texts]
        return [text.strip("<>").replace("跑步", "慢跑").replace("走完了", "走完") for text in texts]


def test_back_translation_keeps_the_signs_of_the_labels():
    translation = BackTranslation(translator=Dictionary())
    assert variants(translation, "每天跑步5公里") == ["每天慢跑5公里"]
    assert variants(translation, "操场走完了") == []
    assert variants(translation, "看书") == []


def test_an_interrupted_back_translation_goes_on_where_it_stopped(tmp_path, some):
    path = tmp_path / "made" / "translations.jsonl"
    with pytest.raises(KeyboardInterrupt):
        augment(some, [BackTranslation(translator=Dictionary(breaks_at=20), cache=path)])
    with path.open("ab") as file:
        file.write(b'{"translator": "dictionary", "source": "z')
    second = Dictionary()
    resumed = augment(some, [BackTranslation(translator=second, cache=path)])
    assert len(second.asked) == 2 * len(some) - 20
    third = Dictionary()
    again = augment(some, [BackTranslation(translator=third, cache=path)])
    assert (third.asked, again.texts) == ([], resumed.texts)
    assert again.texts == augment(some, [BackTranslation(translator=Dictionary())]).texts


def test_translations_of_another_translator_are_not_taken(tmp_path):
    path = tmp_path / "translations.jsonl"
    BackTranslation(translator=Dictionary(), cache=path).prepare(["跑步"])
    other = Dictionary(identity="another")
    BackTranslation(translator=other, cache=path).prepare(["跑步"])
    assert other.asked == ["跑步", "<跑步>"]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 4


@pytest.mark.parametrize(
    "line", ["{}", "[]", "half", json.dumps({"translator": 1, "source": "", "target": "", "text": "", "translation": ""})]
)
def test_a_damaged_translation_is_reported(tmp_path, line):
    path = tmp_path / "translations.jsonl"
    BackTranslation(translator=Dictionary(), cache=path).prepare(["跑步"])
    path.write_text(f"{path.read_text(encoding='utf-8')}{line}\n", encoding="utf-8")
    with pytest.raises(StorageError, match="line 3 is not a translation: remove the line"):
        BackTranslation(translator=Dictionary(), cache=path)


def test_a_cache_that_cannot_be_written_and_a_translator_that_drops_texts(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write"):
        BackTranslation(translator=Dictionary(), cache=tmp_path / "file" / "translations.jsonl").prepare(["跑步"])

    class Lazy(Dictionary):
        def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
            return []

    with pytest.raises(DatasetError, match="dictionary gave 0 translations of 1 texts"):
        BackTranslation(translator=Lazy()).prepare(["跑步"])


@pytest.fixture(scope="module")
def marian(tmp_path_factory) -> Path:
    """A tiny random Marian model with a vocabulary of characters."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("marian")
    pieces = ["<pad>", "</s>", "<unk>", ">>cmn_Hans<<", *"跑步看书背单词五公里每天abcdefg "]
    tokenizer = Tokenizer(models.WordLevel({piece: number for number, piece in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=[">>cmn_Hans<<"],
        model_max_length=32,
    ).save_pretrained(folder)
    torch.manual_seed(3)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 64}
    ends = {
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
        "forced_eos_token_id": 1,
        "tie_word_embeddings": False,
    }
    MarianMTModel(MarianConfig(vocab_size=len(pieces), init_std=0.3, **sizes, **heads, **ends)).save_pretrained(folder)
    return folder


def test_marian_translates_each_text_as_if_it_were_alone(marian):
    translator = MarianTranslator(zh_en=marian, en_zh=marian, longest=8)
    several = ["跑步", "每天看书", "背单词五公里"]
    for source, target in (("zh", "en"), ("en", "zh")):
        together = translator.translate(several, source, target)
        assert together == [translator.translate([text], source, target)[0] for text in several]
        assert len(set(together)) > 1
        assert not any("<" in text for text in together)
    assert translator.translate(["跑步"], "en", "zh") == translator.translate([">>cmn_Hans<< 跑步"], "zh", "en"), (
        "a model into several languages is given its target language"
    )


def test_marian_is_known_by_its_files(marian, tmp_path):
    one = MarianTranslator(zh_en=marian, en_zh=marian)
    assert one.identity == MarianTranslator(zh_en=str(marian), en_zh=marian).identity
    assert one.identity != MarianTranslator(zh_en=marian, en_zh=marian, longest=9).identity
    with pytest.raises(ConfigurationError, match="there is no model from 'zh' to 'fr'"):
        one.translate(["跑步"], "zh", "fr")
    with pytest.raises(ModelError, match="has no model"):
        _ = MarianTranslator(zh_en=tmp_path, en_zh=marian).identity
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="has no usable Marian model"):
        MarianTranslator(zh_en=tmp_path, en_zh=marian).translate(["跑步"], "zh", "en")


@pytest.fixture(scope="module")
def masked(tmp_path_factory) -> Path:
    from transformers import BertConfig, BertForMaskedLM, BertTokenizer

    from goalkit.backbones import default_vocabulary

    folder = tmp_path_factory.mktemp("masked")
    vocabulary = [*default_vocabulary()[:1000], *"书跑步每天坚持我做"]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)) + "\n", encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertForMaskedLM(BertConfig(vocab_size=len(dict.fromkeys(vocabulary)), **sizes)).save_pretrained(folder)
    return folder


def test_masked_characters_are_filled_and_protected_ones_stay(masked):
    model = MaskedLanguageModel(folder=masked, strength=0.4, top_k=5)
    for text in ["每天坚持跑步5公里，第12天了", "Emma教我做红烧肉🍖，还没学会", *Dataset.goals().texts[:4]]:
        made = list(itertools.islice(model.variants(text, np.random.default_rng(0)), 4))
        assert made
        for variant in made:
            assert len(variant) == len(text)
            assert protected_words(variant) == protected_words(text)
            assert all(new == old or "一" <= new <= "鿿" for new, old in zip(variant, text, strict=True))
    assert variants(model, "跑步", seed=1) == variants(model, "跑步", seed=1)
    assert variants(model, "50km，100%") == variants(model, "没有") == variants(model, "") == []


def test_masked_language_model_draws_among_the_most_probable(masked):
    assert len(set(variants(MaskedLanguageModel(folder=masked, top_k=1), "书"))) == 1
    assert len(set(variants(MaskedLanguageModel(folder=masked, top_k=3), "书"))) == 3


def test_masked_language_model_has_to_be_allowed_and_whole(masked, some, tmp_path):
    with pytest.raises(ConfigurationError, match="masked-language-model may change the labels for category, difficulty"):
        augment(some, [MaskedLanguageModel(folder=masked)])
    with pytest.raises(ModelError, match="has no usable BertForMaskedLM"):
        variants(MaskedLanguageModel(folder=tmp_path), "看书")
    from transformers import BertConfig, BertModel, BertTokenizer

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    BertModel(BertConfig(**sizes)).save_pretrained(tmp_path)
    BertTokenizer(str(masked / "vocab.txt")).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="lacks the weights"):
        variants(MaskedLanguageModel(folder=tmp_path), "看书")
