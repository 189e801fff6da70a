"""The tokenizer of a checkpoint is taken over exactly, or refused."""

import json
from string import punctuation
from unicodedata import category, normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerFast

from goalkit import GOAL_TASKS, GoalModel
from goalkit.errors import ModelError
from goalkit.tokenization import SPECIAL_TOKENS, probe_texts, wordpiece_from_transformers

WORDS = [*"每天跑步AaBbéøñΣσß1２!がカ", "ab", "Ab", "跑步", "gym"]
CHARACTERS = [
    *"每天跑步背AaBbéÉøŁñ が カガ한1２①，。!_[]#@ΣςσİßⅣ㎏豈𠮷👍🏻",
    *" \t\n\x00\x07\x85\xad\u0301\u200b\u200d\u2028\u3000\u3099\ufe0f\ufeff\ufffd\ue000",
]
CONTENTS = ["跑步", "gym", "GYM", "a b", "<x>", "é", "##a", "_a", "步每", " ab ", "３", "[MASK]"]
NAMES = [SPECIAL_TOKENS[:4], ("<pad>", "<unk>", "<s>", "</s>")]
PARTS_OF_TEXTS = st.sampled_from(CHARACTERS) | st.sampled_from([*CONTENTS, *NAMES[0], *NAMES[1]])
KNOWN_TEXTS = st.lists(PARTS_OF_TEXTS, max_size=16).map("".join)
TEXTS = KNOWN_TEXTS | st.text(max_size=8)
FLAG = st.booleans()


def build(
    *,
    names=SPECIAL_TOKENS[:4],
    pieces=WORDS,
    prefix="##",
    longest=100,
    normalizer=None,
    added=(),
    frame="Template",
) -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer made of the parts of the tokenizers library."""
    ids = {piece: number for number, piece in enumerate(dict.fromkeys([*pieces, *(prefix + each for each in pieces), *names]))}
    backend = Tokenizer(
        models.WordPiece(ids, unk_token=names[1], max_input_chars_per_word=longest, continuing_subword_prefix=prefix)
    )
    backend.normalizer = normalizer or normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    start, end = ((name, ids[name]) for name in names[2:])
    backend.post_processor = {
        "Template": lambda: processors.TemplateProcessing(single=f"{start[0]} $A {end[0]}", special_tokens=[start, end]),
        "Bert": lambda: processors.BertProcessing(end, start),
        "Roberta": lambda: processors.RobertaProcessing(end, start),
    }[frame]()
    backend.add_tokens(list(added))
    roles = zip(("pad_token", "unk_token", "cls_token", "sep_token"), names, strict=True)
    return PreTrainedTokenizerFast(tokenizer_object=backend, **dict(roles))


ADDED = st.builds(
    AddedToken, st.sampled_from(CONTENTS), single_word=FLAG, lstrip=FLAG, rstrip=FLAG, normalized=FLAG, special=FLAG
)
TOKENIZERS = st.builds(
    build,
    names=st.sampled_from(NAMES),
    pieces=st.permutations(WORDS),
    prefix=st.sampled_from(["##", "@@", ""]),
    longest=st.sampled_from([1, 3, 100]),
    normalizer=st.builds(
        normalizers.BertNormalizer,
        clean_text=FLAG,
        handle_chinese_chars=FLAG,
        strip_accents=st.sampled_from([None, True, False]),
        lowercase=FLAG,
    ),
    added=st.lists(ADDED, max_size=4, unique_by=lambda token: token.content.lower()),
    frame=st.sampled_from(["Template", "Bert", "Roberta"]),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TOKENIZERS, st.lists(TEXTS, min_size=8, max_size=24))
def test_same_ids_whatever_the_settings(theirs, texts):
    ours = wordpiece_from_transformers(theirs, "here")
    expected = theirs(texts)["input_ids"]
    ids, lengths = ours.encode_flat(texts, longest=1000)
    assert ids.tolist() == [number for row in expected for number in row]
    assert lengths.tolist() == list(map(len, expected))
    assert [ours.pieces(text) for text in texts] == [theirs.convert_ids_to_tokens(row)[1:-1] for row in expected]
    inner = [number for row in expected for number in row[1:-1]]
    unknown = inner.count(theirs.unk_token_id)
    assert ours.unknown_share(texts) == (unknown / len(inner) if inner else 0)


def found(text, tokens):
    """Stretches of a text, and the added tokens between them; `tokens` by the form in which they stand in it."""
    pieces, start, place = [], 0, 0
    while place < len(text):
        form = max((each for each in tokens if text.startswith(each, place)), key=len, default="")
        first, place = place, place + (len(form) or 1)
        beside = (text[first - 1 : first], text[place : place + 1])
        if not form or (tokens[form].single_word and any(map(word_character, beside))):
            continue
        before, after = text[:first].rstrip(), text[place:].lstrip()
        pieces.append(text[start : max(start, len(before)) if tokens[form].lstrip else first])
        pieces.append(tokens[form])
        start = len(text) - len(after) if tokens[form].rstrip else place
    return [*pieces, text[start:]]


def word_character(character):
    return character and (category(character)[0] in "LM" or category(character) in ("Nd", "Nl", "Pc") or character == "\u200d")


def chinese(character):
    ranges = (
        0x3400,
        0x4DBF,
        0x4E00,
        0x9FFF,
        0xF900,
        0xFAFF,
        0x20000,
        0x2A6DF,
        0x2A700,
        0x2B81F,
        0x2B920,
        0x2CEAF,
        0x2F800,
        0x2FA1F,
    )
    return any(first <= ord(character) <= last for first, last in zip(ranges[::2], ranges[1::2], strict=True))


def normalized(text, settings):
    if settings.clean_text:
        kept = (each for each in text if each in "\t\n\r" or not (category(each) in ("Cc", "Cf", "Co") or each == "\ufffd"))
        text = "".join(" " if each.isspace() else each for each in kept)
    if settings.handle_chinese_chars:
        text = "".join(f" {each} " if chinese(each) else each for each in text)
    if settings.strip_accents:
        text = "".join(each for each in normalize("NFD", text) if category(each) != "Mn")
    return "".join(each.lower() for each in text) if settings.lowercase else text


def split(word, ids, settings):
    """The longest pieces from the left, or the unknown token."""
    pieces, start = [], 0
    while start < len(word) <= settings.max_input_chars_per_word:
        prefix = settings.continuing_subword_prefix if start else ""
        end = next((end for end in range(len(word), start, -1) if prefix + word[start:end] in ids), None)
        if end is None:
            break
        pieces.append(ids[prefix + word[start:end]])
        start = end
    return pieces if start == len(word) else [ids[settings.unk_token]]


def as_documented(tokenizer, text):
    """The ids of a text, by the steps that docs/runtime.md tells to those who write a tokenizer in another language."""
    settings, ids = tokenizer.settings, {piece: number for number, piece in enumerate(tokenizer.vocabulary)}
    raw = {token.content: token for token in settings.added_tokens if not token.normalized}
    later = {normalized(token.content, settings): token for token in settings.added_tokens if token.normalized}
    every = ids | {token.content: token.id for token in settings.added_tokens}
    row = []
    for outer in found(text, raw):
        for inner in found(normalized(outer, settings), later) if isinstance(outer, str) else [outer]:
            if not isinstance(inner, str):
                row.append(inner.id)
                continue
            marks = "".join(f" {each} " if each in punctuation or category(each)[0] == "P" else each for each in inner)
            row += [number for word in marks.split() for number in split(word, ids, settings)]
    return [every[settings.cls_token], *row, every[settings.sep_token]]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TOKENIZERS, st.lists(KNOWN_TEXTS, min_size=8, max_size=24))
def test_the_documented_steps_give_the_same_ids(theirs, texts):
    ours = wordpiece_from_transformers(theirs, "here")
    for text in [*texts, *probe_texts(ours.settings)]:
        assert as_documented(ours, text) == ours.encode([text]).input_ids[0].tolist(), text


def published(folder, **settings) -> None:
    """Write the vocabulary and, if there are settings, tokenizer_config.json, as checkpoints of old have them."""
    pieces = [*SPECIAL_TOKENS, *WORDS, *(f"##{word}" for word in WORDS)]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def fast(**settings):
    """A folder with tokenizer.json, whose tokenizer_config.json does not say what the tokenizer does to case and accents."""

    def write(folder):
        published(folder)
        tokenizer = BertTokenizer(str(folder / "vocab.txt"), **settings)
        tokenizer.add_tokens(["跑步", AddedToken("gym", single_word=True)])
        tokenizer.add_special_tokens({"additional_special_tokens": ["<goal>"]})
        tokenizer.save_pretrained(folder)
        (folder / "vocab.txt").unlink()
        config = json.loads((folder / "tokenizer_config.json").read_bytes())
        for key in ("do_lower_case", "strip_accents", "tokenize_chinese_chars"):
            config.pop(key, None)
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        (folder / "tokenizer_config.json").write_text(json.dumps(config))

    return write


@pytest.mark.parametrize(
    "write",
    [
        published,
        lambda folder: published(folder, tokenizer_class="BertTokenizer", do_lower_case=False),
        lambda folder: published(folder, tokenizer_class="BertTokenizer", strip_accents=False),
        lambda folder: published(folder, do_lower_case=True, tokenize_chinese_chars=False),
        lambda folder: published(folder, tokenizer_class="ElectraTokenizerFast", do_lower_case=False, strip_accents=True),
        lambda folder: published(
            folder, additional_special_tokens=["<goal>"], added_tokens_decoder={"61": {"content": "<goal>", "special": True}}
        ),
        fast(),
        fast(do_lower_case=False),
        fast(strip_accents=False),
        fast(tokenize_chinese_chars=False),
    ],
)
def test_same_ids_as_auto_tokenizer_for_folders_of_every_age(tmp_path, checkpoint, write):
    folder = checkpoint(rows=64)
    write(folder)
    model = GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)
    loaded = GoalModel.load(model.save(tmp_path / "model"))
    theirs = AutoTokenizer.from_pretrained(folder)
    texts = ["每天跑步", "AB ab Abé", "gym gyma 跑步gym", "á Σ ø\u0301 ガ", "[SEP] <goal>[MASK]a", "跑\u200b步\x07a\ufffd"]
    for text in texts:
        expected = theirs(text)["input_ids"]
        assert model.tokenizer.encode([text]).input_ids.tolist() == [expected], text
        assert loaded.tokenizer.encode([text]).input_ids.tolist() == [expected], text
    assert loaded.tokenizer.settings == model.tokenizer.settings
    assert loaded.digest() == model.digest()


def test_a_vocabulary_with_a_line_twice_keeps_its_ids(checkpoint):
    folder = checkpoint(rows=64)
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL_TOKENS, "跑", "步", "跑", "天", ""]) + "\n", encoding="utf-8")
    model = GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)
    expected = AutoTokenizer.from_pretrained(folder)("跑步[no piece 5]天")["input_ids"]
    assert model.tokenizer.encode(["跑步[no piece 5]天"]).input_ids.tolist() == [expected]
    assert {6, 7, 8} < set(expected)


def bpe():
    ids = {piece: number for number, piece in enumerate([*SPECIAL_TOKENS, *"每天跑步", "跑步"])}
    return Tokenizer(models.BPE(ids, [("跑", "步")], unk_token="[UNK]"))


def unigram():
    pieces = [*((name, 0.0) for name in SPECIAL_TOKENS), *((piece, -2.0) for piece in "▁每天跑步"), ("跑步", -1.0)]
    made = Tokenizer(models.Unigram(pieces, 1))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    return made


def word_level():
    made = Tokenizer(
        models.WordLevel({piece: number for number, piece in enumerate([*SPECIAL_TOKENS, "每天", "跑步"])}, "[UNK]")
    )
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


@pytest.mark.parametrize(("make", "kind"), [(bpe, "BPE"), (unigram, "Unigram"), (word_level, "WordLevel")])
def test_other_models_are_refused_by_name(checkpoint, make, kind):
    roles = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL_TOKENS, strict=True))
    folder = checkpoint(PreTrainedTokenizerFast(tokenizer_object=make(), **roles))
    with pytest.raises(ModelError, match=f"whose model is {kind}, not WordPiece: goalkit supports BERT's"):
        GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)


class Jieba:
    """A pre-tokenizer written in Python, as RoFormer's."""

    def pre_tokenize(self, text):
        text.split(lambda number, part: [part])


@pytest.mark.parametrize(
    ("name", "part", "message"),
    [
        ("pre_tokenizer", pre_tokenizers.PreTokenizer.custom(Jieba()), "which splits texts with custom code"),
        ("pre_tokenizer", pre_tokenizers.Whitespace(), "whose pre_tokenizer is Whitespace, not BertPreTokenizer"),
        ("normalizer", None, "whose normalizer is None, not BertNormalizer"),
        ("normalizer", normalizers.NFKC(), "whose normalizer is NFKC, not BertNormalizer"),
        (
            "normalizer",
            normalizers.Sequence([normalizers.BertNormalizer()]),
            "whose normalizer is Sequence, not BertNormalizer",
        ),
    ],
)
def test_other_parts_are_refused_by_name(name, part, message):
    tokenizer = build()
    setattr(tokenizer.backend_tokenizer, name, part)
    with pytest.raises(ModelError, match=f"^here has a .*{message}.*; choose a checkpoint that has one$"):
        wordpiece_from_transformers(tokenizer, "here")


@pytest.mark.parametrize(
    "single",
    ["[CLS] $A", "$A [SEP]", "[CLS] $A [SEP] [SEP]", "[CLS]:2 $A:0 [SEP]:0", "[CLS] $A:1 [SEP]:1", "[CLS] $B [SEP]"],
)
def test_other_frames_are_refused(single):
    tokenizer = build()
    special = [(name, tokenizer.convert_tokens_to_ids(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=special)
    with pytest.raises(ModelError, match="here has a tokenizer that does not encode texts as"):
        wordpiece_from_transformers(tokenizer, "here")


def test_what_tokenizer_json_does_not_say_is_found_out():
    tokenizer = build()
    tokenizer.truncation_side = "left"
    with pytest.raises(ModelError, match=r"encodes '.*' as \[.*\], not \[.*\]: goalkit supports"):
        wordpiece_from_transformers(tokenizer, "here")
    tokenizer = build(added=[AddedToken("[UNK]", special=True)])
    tokenizer.split_special_tokens = True
    with pytest.raises(ModelError, match=r"encodes '\[UNK\] \[CLS\] \[SEP\] \[PAD\] \[MASK\]' as"):
        wordpiece_from_transformers(tokenizer, "here")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tokenizer_class": "BertJapaneseTokenizer"}, "has a BertJapaneseTokenizer, which splits texts with custom code"),
        ({"tokenizer_class": "BertTokenizerLegacy"}, "has a BertTokenizerLegacy, which splits texts with custom code"),
        (
            {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"},
            r"the tokenizer of .* cannot be loaded \(.*\): goalkit supports BERT's WordPiece tokenizers only",
        ),
        ({"tokenizer_class": "NoSuchTokenizer"}, r"cannot be loaded \(.*\): goalkit supports"),
        ({"tokenizer_class": "RoFormerTokenizer"}, "goalkit supports BERT's WordPiece tokenizers only"),
    ],
)
def test_tokenizers_in_python_are_refused_by_name(checkpoint, settings, message):
    folder = checkpoint(rows=64)
    published(folder, **settings)
    with pytest.raises(ModelError, match=message):
        GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)


def test_incomplete_tokenizers_are_reported(checkpoint):
    with pytest.raises(ModelError, match="here has a tokenizer without padding: set its pad_token"):
        wordpiece_from_transformers(PreTrainedTokenizerFast(tokenizer_object=build().backend_tokenizer), "here")
    with pytest.raises(ModelError, match="has a tokenizer with special tokens only: restore its vocab.txt"):
        folder = checkpoint()
        (folder / "vocab.txt").unlink()
        GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)
