import re
import subprocess
import sys
from collections.abc import Iterator

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goalkit import GOAL_TASKS, Dataset
from goalkit.datasets.augmentation import (
    Augmentation,
    Deletion,
    Notes,
    Numbers,
    Swap,
    Synonyms,
    Typos,
    augment,
    common_homophones,
    goal_synonyms,
    read_homophones,
    read_synonyms,
)
from goalkit.datasets.augmentation.numerals import to_chinese, to_digits
from goalkit.datasets.augmentation.protected import protected_mask, protected_words
from goalkit.errors import ConfigurationError, DatasetError

OFFLINE = [
    Synonyms(strength=0.5),
    Typos(strength=0.3),
    Numbers(),
    Notes(),
    Deletion(strength=0.3),
    Swap(strength=0.3),
]
EDITS = [
    *(Deletion(strength=strength, unit=unit) for strength in (0.1, 1.0) for unit in ("word", "character")),
    *(Swap(strength=strength, unit=unit) for strength in (0.1, 1.0) for unit in ("word", "character")),
]
GOALS = Dataset.goals()

texts = st.one_of(
    st.sampled_from(GOALS.texts),
    st.text("跑步妈妈看书背单词5０两十公里天周三没不了已经要在再的🏃 ,kmA%：", max_size=20),
    st.text(max_size=12),
)


def variants(augmentation: Augmentation, text: str, seed: int = 0) -> list[str]:
    return list(augmentation.variants(text, np.random.default_rng(seed)))


@pytest.fixture(scope="module")
def some() -> Dataset:
    return GOALS.take(range(0, 11_400, 95))


@attrs.frozen
class Echo(Augmentation):
    """Gives what it is asked to."""

    name = "echo"
    said: tuple[str, ...]

    def drafts(self, text: str, random: np.random.Generator) -> Iterator[str]:
        yield from (each.format(text) for each in self.said)


def test_derived_rows_have_labels_parent_and_provenance_of_their_own(some):
    grown = augment(some, OFFLINE, copies=2)
    assert grown.texts[: len(some)] == some.texts
    labels = dict(zip(some.texts, zip(*some.labels.values(), strict=True), strict=True))
    derived = grown.take(range(len(some), len(grown)))
    assert len(derived) > 3 * len(some)
    assert set(derived.table["provenance"].to_pylist()) == {each.name for each in OFFLINE}
    for parent, row in zip(derived.table["parent"].to_pylist(), zip(*derived.labels.values(), strict=True), strict=True):
        assert labels[parent] == row


def test_nothing_derived_is_there_already(some):
    grown = augment(some, [*OFFLINE, Echo(("", " ", "{}", "{} ", some.texts[3], "甲", "甲"))], copies=3)
    assert len(set(grown.texts)) == len(grown)
    assert all(grown.texts)
    assert grown.table["provenance"].to_pylist().count("echo") == 1


def test_nothing_is_derived_that_comes_close_to_another_part():
    train, test = (
        Dataset.from_columns([text], {"category": ["学习"]}, tasks=GOAL_TASKS) for text in ("练琴", "回家练钢琴曲子")
    )
    said = ("回家先练钢琴曲子", "回家先练练钢琴曲子", "下楼练琴")  # near to the test row, near to a near one, apart
    assert augment(train, [Echo(said)], copies=3).texts == ["练琴", *said]
    assert augment(train, [Echo(said)], copies=3, apart_from=[test]).texts == ["练琴", "下楼练琴"]


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 3))
def test_what_is_derived_does_not_depend_on_the_order_of_rows(shuffle, seed):
    rows = list(range(0, 11_400, 285))
    first = augment(GOALS.take(rows), OFFLINE, seed=seed)
    shuffle.shuffle(rows)
    second = augment(GOALS.take(rows), OFFLINE, seed=seed)
    assert second.digest() == first.digest()
    assert second.texts[len(rows) :] == first.texts[len(rows) :]


def test_another_seed_gives_other_variants(some):
    assert augment(some, [Deletion()], seed=1).digest() != augment(some, [Deletion()], seed=2).digest()


def test_only_original_rows_and_feedback_are_derived_from():
    def rows(text: str, provenance: str, parent: str) -> Dataset:
        return Dataset.from_columns([text], {"category": ["健康"]}, tasks=GOAL_TASKS, provenance=provenance, parents=[parent])

    given_rows = rows("跑步", "original", "").extend(rows("跑了", "typos", "跑步")).extend(rows("慢跑", "feedback", "跑"))
    grown = augment(given_rows, [Echo(("去{}",))])
    assert grown.texts[3:] == ["去慢跑", "去跑步"]
    assert grown.table["parent"].to_pylist()[3:] == ["跑", "跑步"], "the root, where the row is itself derived"


def test_derived_rows_stay_with_their_parents_in_a_split(some):
    parts = augment(some, OFFLINE).split()
    for side in (parts.train, parts.validation, parts.test):
        assert {parent for parent in side.table["parent"].to_pylist() if parent} <= set(side.texts)


def test_an_augmentation_that_may_change_a_label_has_to_be_allowed(some):
    with pytest.raises(ConfigurationError, match="numbers may change the labels for difficulty"):
        augment(some, [Numbers(magnitude=0.2)])
    assert len(augment(some, [Numbers(magnitude=0.2)], allow_label_changes=True)) > len(some)
    assert len(augment(GOALS.take(range(60)), [Numbers()])) > 60
    assert augment(Dataset.goals(["category"]).take(range(60)), [Numbers(magnitude=0.2)]).tasks == (GOAL_TASKS[0],)


@pytest.mark.parametrize(
    ("augmentations", "arguments", "message"),
    [
        ([], {}, "give at least one"),
        ([Deletion(), Deletion(strength=0.2)], {}, r"\['deletion', 'deletion'\]: give at least one, each once"),
        ([Deletion()], {"copies": 0}, "copies is 0: it must be at least 1"),
    ],
)
def test_calls_that_make_no_sense_are_refused(some, augmentations, arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        augment(some, augmentations, **arguments)


@pytest.mark.parametrize("kind", [Synonyms, Typos, Numbers, Notes, Deletion, Swap])
def test_strength_is_a_share(kind):
    with pytest.raises(ConfigurationError, match="strength is 1.5: it must be at least 0 and at most 1"):
        kind(strength=1.5)
    assert variants(kind(strength=0), "妈妈每天在家跑步5公里，看书半小时") == []
    assert variants(kind(strength=1), "妈妈每天在家跑步5公里，看书半小时") != []


@settings(max_examples=150, deadline=None)
@given(texts, st.sampled_from(EDITS), st.integers(0, 9))
def test_edits_keep_protected_words_and_invent_no_character(text, augmentation, seed):
    for variant in variants(augmentation, text, seed)[:5]:
        assert protected_words(variant) == protected_words(text)
        spare = list(text)
        for character in variant:
            spare.remove(character)
        assert spare if isinstance(augmentation, Deletion) else not spare


@settings(max_examples=60, deadline=None)
@given(texts, st.sampled_from([Synonyms(strength=1), Typos(strength=1)]))
def test_words_put_in_leave_numbers_and_negations_alone(text, augmentation):
    for variant in variants(augmentation, text)[:5]:
        assert protected_words(variant, augmentation.kept) == protected_words(text, augmentation.kept)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("每天坚持跑步5公里，第12天了", "每天坚持5第12天了"),
        ("已经背完三章还差两章", "已经完三还差两"),
        ("没去健身房，不想动", "没不想"),
        ("打算下周戒糖✅", "打算下周戒✅"),
        ("学日语开会议，成绩中等", "中"),
    ],
)
def test_signs_of_the_labels_are_protected(text, kept):
    assert "".join(character for character, held in zip(text, protected_mask(text), strict=True) if held) == kept


def test_a_goal_of_few_words_loses_none():
    assert variants(Deletion(strength=1), "裸辞开店") == []


def test_neighbouring_characters_change_places():
    assert set(variants(Swap(unit="character"), "看书")) == {"书看"}


def test_synonyms_come_from_the_dictionary():
    dictionary = goal_synonyms()
    assert len(dictionary) > 400
    assert all(word in dictionary[other] for word, others in dictionary.items() for other in others)
    assert not [word for word in dictionary if protected_mask(word).any()], "such a word is never put in or replaced"
    assert set(variants(Synonyms(), "给妈妈买手套")) == {"给老妈买手套", "给母亲买手套"}
    assert set(variants(Synonyms(), "背单词")) == {"记单词"}, "an entry may be several words"
    assert set(variants(Synonyms(dictionary={"跑步": ("慢跑",)}), "没跑步")) == {"没慢跑"}
    assert variants(Synonyms(dictionary={"没": ("不",), "跑步": ("没跑",)}), "没跑步") == []


def test_reads_only_true_synonyms_with_one_sense(tmp_path):
    path = tmp_path / "cilin.txt"
    path.write_text("Aa01A01= 跑步 慢跑 开\nAa01A02# 糖 盐\nAa01A03@ 茶\n\nBa01A01= 开 打开 敞开\n", encoding="utf-8")
    assert read_synonyms(path) == {"跑步": ("慢跑",), "慢跑": ("跑步",), "打开": ("敞开",), "敞开": ("打开",)}


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (read_synonyms, "Aa01A01= 跑步 慢跑\n跑步 慢跑\n".encode(), "line 2 begins with '跑步': add a code"),
        (read_synonyms, "Aa01A01# 跑步 慢跑\n".encode(), "has no group of synonyms"),
        (read_synonyms, "Aa01A01= 跑步 慢跑\n".encode("gb18030"), r"is not UTF-8 \(byte 9\)"),
        (read_homophones, "de 的 地\n".encode(), "line 1 is 'de 的 地': give a sound and single characters, separated by tabs"),
        (read_homophones, "de\t的\t地方\n".encode(), "line 1 is"),
    ],
)
def test_bad_dictionaries_are_reported(tmp_path, read, content, message):
    (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read(tmp_path / "words.txt")
    with pytest.raises(DatasetError, match="cannot be read"):
        read(tmp_path / "none.txt")


def test_typos_are_homophones_a_keyboard_offers(tmp_path):
    path = tmp_path / "sounds.txt"
    path.write_text("de\t的\t地\t得\t德\t嘚\t徳\t锝\nwo\t我\t窝\n", encoding="utf-8")
    homophones = read_homophones(path)
    assert homophones["的"] == ("地", "得", "德", "嘚")
    assert homophones["锝"] == ("的", "地", "得", "德", "嘚")
    assert set(variants(Typos(homophones=homophones), "我家")) == {"窝家"}
    assert common_homophones()["在"] == ("再",)
    assert set(variants(Typos(), "在家")) == {"再家"}


def test_typos_turn_no_number_or_negation_into_another():
    homophones = {"四": ("是",), "没": ("每",), "以": ("一",), "已": ("以",)}
    assert variants(Typos(homophones=homophones, strength=1), "四次没去，可以") == []
    assert set(variants(Typos(homophones=homophones, strength=1), "已去")) == {"以去"}


def test_numerals_round_trip():
    for value in range(100_001):
        assert to_digits(to_chinese(str(value), counting=True)) == str(value)


@given(st.integers(0, 10**12 - 1), st.text("0123456789", max_size=4))
def test_large_and_decimal_numerals_round_trip(whole, decimals):
    digits = f"{whole}.{decimals}" if decimals else str(whole)
    assert to_digits(to_chinese(digits)) == to_digits(to_chinese(digits, counting=True)) == digits


@pytest.mark.parametrize(
    ("digits", "chinese"),
    [
        ("2", "两"),
        ("12", "十二"),
        ("105", "一百零五"),
        ("2200", "两千二百"),
        ("20000", "两万"),
        ("120000", "十二万"),
        ("10.02", "十点零二"),
    ],
)
def test_numerals_are_the_usual_ones(digits, chinese):
    assert to_chinese(digits, counting=True) == chinese


@pytest.mark.parametrize("text", ["", "三四", "二〇二四", "一百五", "十来", "百", "点五", "三点", "万一"])
def test_what_is_no_written_out_number_is_left(text):
    assert to_digits(text) is None


@pytest.mark.parametrize(
    ("text", "among"),
    [
        ("跑步5公里", {"跑步五公里", "跑步５公里", "跑步5km", "跑步5千米"}),
        ("跑步五公里", {"跑步5公里", "跑步5km"}),
        ("减10斤", {"减十斤", "减１０斤"}),
        ("学2个小时", {"学两个小时", "学2小时", "学两个钟头"}),
        ("下周三开会", {"下星期三开会", "下礼拜三开会"}),
        ("礼拜天休息", {"周日休息", "星期天休息"}),
        ("看书半小时", {"看书30分钟", "看书三十分钟"}),
        ("晚上8点跑步", {"20:00跑步", "晚上八点跑步"}),
        ("22:30闭眼", {"晚上10点半闭眼", "晚上十点半闭眼"}),
        ("第三天打卡", {"第3天打卡"}),
        ("跑10.02km", {"跑十点零二公里", "跑10.02公里"}),
    ],
)
def test_numbers_are_written_otherwise(text, among):
    found = set(variants(Numbers(strength=1), text))
    assert among <= found


@pytest.mark.parametrize(
    "text",
    [
        "3.2/5K",
        "16:8轻断食",
        "首马4:30",
        "2025年",
        "一个人去旅行",
        "三四个朋友",
        "考B1",
        "两个半小时",
        "进度3/100",
        "3-5公里",
        "一百多个",
        "大半年",
    ],
)
def test_numbers_that_are_not_understood_are_left_alone(text):
    assert variants(Numbers(strength=1), text) == []


def value_of(text: str) -> int:
    number = re.search(r"[0-9０-９]+|[零一二两三四五六七八九十百千万]+", text).group()
    return int(to_digits(number) or number)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 99_999), st.sampled_from(["公里", "个", "页", "斤", "厘米"]), st.booleans())
def test_a_value_written_otherwise_is_the_same_value(value, unit, chinese):
    written = to_chinese(str(value), counting=True) if chinese else str(value)
    made = variants(Numbers(), f"看{written}{unit}")
    assert made
    assert {value_of(variant) for variant in made} == {value}


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 99_999), st.floats(0.2, 0.5))
def test_magnitude_stays_within_its_share(value, magnitude):
    found = {value_of(variant) for variant in variants(Numbers(magnitude=magnitude), f"看{value}页")}
    assert all(abs(each - value) <= magnitude * value + 1e-6 for each in found)
    assert found - {value}


def test_magnitude_leaves_numbers_that_measure_each_other():
    several = "看了48页，共50页"
    assert variants(Numbers(magnitude=0.5), several)
    for variant in variants(Numbers(magnitude=0.5, strength=1), several):
        plain = (
            variant.translate(str.maketrans("０１２３４５６７８９", "0123456789")).replace("四十八", "48").replace("五十", "50")
        )
        assert plain == several


def test_segmentation_is_silent_and_leaves_no_file(tmp_path):
    code = "from goalkit.datasets.augmentation.words import words_of; words_of('每天跑步')"
    environment = {"TMPDIR": str(tmp_path), "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == (b"", b"", [])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("我今晚去跑步5公里。", "今晚去跑步5km"),
        ("我们把阳台收拾一下吧！", "阳台收拾"),
        ("深蹲100个", "深蹲；100个"),
        ("这周末，带孩子去爬山", "这周末：带孩子去爬山"),
        ("背完单词，洗漱，睡觉", "背完单词 + 洗漱 + 睡觉"),
        ("我妈妈的生日礼物买好了", "我妈妈生日礼物买好了"),
        ("每天练琴30分钟", "每天练琴30min"),
    ],
)
def test_notes(text, wanted):
    assert wanted in {variant for seed in range(20) for variant in variants(Notes(strength=0.8), text, seed)}


@pytest.mark.parametrize("text", ["跑步", "我家装修", "报班学吧台咖啡", "看我不是药神", "戒烟"])
def test_notes_leave_what_is_a_note_already(text):
    assert variants(Notes(strength=1), text) == []


@given(texts)
def test_notes_keep_numbers_and_negations(text):
    for variant in variants(Notes(strength=0.6), text):
        assert re.findall("[0-9]+", variant) == re.findall("[0-9]+", text)
        assert protected_words(variant)["negation"] == protected_words(text)["negation"]
