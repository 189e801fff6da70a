import csv
import json
import logging
import re
import sys
import unicodedata

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from goalkit import Dataset
from goalkit.characters import calm_punctuation, drop_invisible, narrow
from goalkit.cli import goalkit
from goalkit.datasets import Cleaner
from goalkit.datasets.cleaning import Change, Dropped
from goalkit.datasets.cleaning.personal import mask_personal
from goalkit.datasets.cleaning.steps import repair_mojibake, simplify, strip_html
from goalkit.errors import ConfigurationError, DatasetError, MissingPackageError, StorageError

CHINESE = re.compile("[\u3007\u3400-\u9fff]")

fragments = st.one_of(
    st.text(max_size=4),
    st.text("跑步读书早睡５五公里", max_size=6),
    st.text("乾著薴麼後裏鐘臺", max_size=3),
    st.text("0123456789０１３８ -.()（）+Xx转@:/[]", max_size=20),
    st.text("！。…—.?~，·", max_size=8),
    st.text("e\u0301\u200b\u200d\ufe0f\u3000 \ufeffé🏃♂❤\ue000\u0300", max_size=6),
    st.text("&amp;ltgt#3x<b>/'\"= ＆；＜", max_size=12),
    st.sampled_from(
        ["&amp;", "&lt;", "&gt;", "&#60;", "&#49;", "&#8203;", "<b>", "</b>", "<br/>", "<!--", "-->", "<script>", "</script>"]
    ),
    st.sampled_from(
        ["13800138000", "ｈｔｔｐ：//t.cn/a", "a@qq.com", "010-", "86", "110101199001011234", "6222 0212 3456 7890"]
    ),
    st.sampled_from([text.encode().decode("latin-1") for text in ("跑步", "é", "“", "５")]),
    st.builds(
        str.format, st.sampled_from(['<img alt="{}">', "<!--{}-->", "<script>{}</script>"]), st.text("跑步>'a", max_size=3)
    ),
)
messy = st.lists(fragments, max_size=8).map("".join)
cleaners = st.builds(Cleaner, traditional=st.sampled_from(["keep", "simplify"]), mask_personal=st.booleans())


@settings(max_examples=400, deadline=None)
@given(messy, cleaners)
def test_cleaning_a_text_is_idempotent(text, cleaner):
    once = cleaner.clean_text(text)
    assert cleaner.clean_text(once) == once


@settings(max_examples=300, deadline=None)
@given(messy, cleaners)
def test_a_text_with_a_chinese_character_is_never_emptied(text, cleaner):
    if CHINESE.search(text):
        assert cleaner.clean_text(text)


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1))
def test_chinese_text_stays_as_it_is(text):
    assert Cleaner().clean_text(text) == text


@pytest.mark.parametrize("encoding", ["latin-1", "sloppy-windows-1252", "macroman", "cp437"])
def test_mojibake_is_repaired(encoding):
    import ftfy.bad_codecs  # noqa: F401  registers the sloppy encodings

    texts = [text for text in Dataset.goals().texts[::97] if len(text) > 5]  # a word or two could be anything
    repaired = [repair_mojibake(text.encode().decode(encoding)) for text in texts]
    assert repaired == texts


@pytest.mark.parametrize("text", ["“跑步”，it’s 5×3…", "５公里ｋｍ", "(•̀ω•́)", "café 30°C", "ﬁt & <b>", "¥30——€5", "a\nb\tc"])
def test_mojibake_repair_does_nothing_else(text):
    assert repair_mojibake(text) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ('<p>跑<b style="color: red">步</b><br/>读书</p>', "跑步 读书"),
        ("跑步&nbsp;5&#20844;&#x91CC;&hellip;", "跑步 5公里…"),
        ("&amp;amp;lt;b&amp;amp;gt;早睡", "早睡"),
        ("早睡<!-- todo --><script>var 跑 = 1</script>", "早睡"),
        ("读完<Python入门>和<Java>，R&D &notaword;", "读完<Python入门>和<Java>，R&D &notaword;"),
        ("步数<5000或a<b且c>d", "步数<5000或a<b且c>d"),
        ('<img alt="跑步">', '<img alt="跑步">'),
        ("http://a.cn?x=1&copy=2", "http://a.cn?x=1&copy=2"),
    ],
)
def test_html(text, cleaned):
    assert Cleaner(mask_personal=False).clean_text(text) == cleaned
    assert strip_html(cleaned) == cleaned


def test_control_and_invisible_characters_go_and_white_space_stays():
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co"} and not character.isspace():
            if character != "\u200d":
                assert drop_invisible(f"跑{character}步") == "跑步", hex(code)
        elif character.isspace():
            assert drop_invisible(character) == character


@pytest.mark.parametrize("text", ["👨‍👩‍👧", "🏃🏽‍♀️跑", "❤️", "5️⃣", "✔︎", "🏳️‍🌈"])
def test_emoji_stay_whole(text):
    assert Cleaner().clean_text(text) == text


@pytest.mark.parametrize("text", ["跑\u200d步", "\u200d跑步", "跑\ufe0f步", "跑\U000e0101步", "跑步\u200d", "跑\ufe00步"])
def test_joiners_and_selectors_go_where_there_is_no_emoji(text):
    assert Cleaner().clean_text(text) == "跑步"


def test_what_cleaning_drops_does_not_hide_what_it_composes():
    assert Cleaner().clean_text("e\u200b\u0301\u3000\u3000x\x07") == "é x"


@pytest.mark.parametrize(
    ("wide", "narrowed"),
    [
        ("跑５．５公里，存３０％（ＯＫ！）", "跑5.5公里，存30%（OK！）"),
        ("早睡３／７：１－３月", "早睡3/7：1-3月"),
        ("撑住（－＿－）zzZ", "撑住（－＿－）zzZ"),
    ],
)
def test_width(wide, narrowed):
    assert narrow(wide) == narrowed


@pytest.mark.parametrize(
    ("text", "calm"),
    [
        ("跑步！！！！", "跑步！"),
        ("真的？？!!", "真的？!"),
        ("困。。。。", "困……"),
        ("困。。", "困。"),
        ("困......", "困……"),
        ("困…………", "困……"),
        ("困……早睡——明天——————再说", "困……早睡——明天——再说"),
        ("💪💪💪 C++ 1.5 ..", "💪💪💪 C++ 1.5 .."),
    ],
)
def test_repeated_punctuation(text, calm):
    assert calm_punctuation(text) == calm


def test_traditional_characters_are_simplified_when_asked():
    assert simplify("乾坤與乾燥，頭髮與發展") == "乾坤与干燥，头发与发展"
    assert Cleaner().clean_text("滴眼藥水") == "滴眼藥水"
    assert Cleaner(traditional="simplify").clean_text("滴眼藥水") == "滴眼药水"


@pytest.mark.parametrize(
    "goal",
    [
        "跑步5公里",
        "2024年11月24日交报告",
        "20241124前交",
        "12:30-13:30午睡",
        "存3000元，已存12345678.90元",
        "走100000步",
        "骑13.5公里，配速5'30\"",
        "每组 1000 2000 3000 4000米",
        "2024-11-24 13:30",
        "学ASP.NET和Node.js，写main.py",
        "打10086或12306",
        "@张三 一起跑",
        "6666666666666666666",
    ],
)
def test_goals_with_numbers_are_not_masked(goal):
    assert Cleaner().clean_text(goal) == goal


@given(st.integers(0, 10**10 - 1), st.sampled_from(["步", "元", "公里", "年", "个", "斤"]))
def test_numbers_of_up_to_ten_digits_are_not_masked(number, unit):
    assert mask_personal(f"今年{number}{unit}") == f"今年{number}{unit}"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("看https://t.cn/a?b=1&c=2#d，再写", "看[网址]，再写"),
        ("(www.example.com/a_(b).html)。", "([网址])。"),
        ("在Example.com.cn刷题", "在[网址]刷题"),
        ("ｈｔｔｐ：//ｔ．ｃｎ/abc 收藏", "[网址] 收藏"),
        ("发给zhang.san+1@mail.qq.com.", "发给[邮箱]."),
        ("ａ＠ｑｑ．ｃｏｍ", "[邮箱]"),
        ("打13800138000给妈妈", "打[电话]给妈妈"),
        ("１３８　００１３　８０００", "[电话]"),
        ("+86 138-0013-8000或8613800138000", "[电话]或[电话]"),
        ("（+86）138·0013·8000", "[电话]"),
        ("打010-88888888转123，(0755) 8888 8888", "打[电话]，[电话]"),
        ("+86 10 8888 8888", "[电话]"),
        ("13\u200b8&#48;0138000", "[电话]"),
        ("补办11010119900101123x", "补办[证件]"),
        ("110101 19900101 123X", "[证件]"),
        ("卡号4539148803436467", "卡号[证件]"),
        ("卡号4539 1488 0343 6467 100元", "卡号[证件] 100元"),
        ("6217 0000 1000 0000 003", "[证件]"),
        ("13800138000 13900139000", "[电话] [电话]"),
    ],
)
def test_personal_data_are_masked(text, masked):
    assert Cleaner().clean_text(text) == masked


digits = st.text("0123456789", min_size=8, max_size=8)
gaps = st.sampled_from(["", " ", "-", " - ", "·"])
wide = str.maketrans("0123456789", "０１２３４５６７８９")


@st.composite
def personal_data(draw):
    number, gap = draw(digits), draw(gaps)
    return draw(
        st.sampled_from(
            [
                f"1{draw(st.integers(30, 99))}{gap}{number[:4]}{gap}{number[4:]}",
                f"0{draw(st.integers(310, 999))}{gap}{draw(st.integers(2, 9))}{number[1:]}",
                f"110101{gap}19900101{gap}{number[:3]}{draw(st.sampled_from('0123456789Xx'))}",
                f"62220212{number}{draw(st.integers(0, 999))}",
                f"{draw(st.text('abz09_.', min_size=1, max_size=9))}@{draw(st.text('abz09', min_size=1, max_size=9))}.com",
                f"https://{draw(st.text('abz09-', min_size=1, max_size=9))}.io/{number}",
            ]
        )
    )


@settings(max_examples=300, deadline=None)
@given(personal_data(), st.booleans(), st.text("每天跑步五公里，。（）！", max_size=6), st.text("给妈妈，。（）！", max_size=6))
def test_masking_leaves_nothing_of_the_datum(datum, full_width, before, after):
    text = before + (datum.translate(wide) if full_width else datum) + after
    cleaned = Cleaner().clean_text(text)
    assert not re.search(r"[0-9a-zA-Z]", cleaned)
    assert re.search(r"\[(网址|邮箱|电话|证件)\]", cleaned)
    assert Cleaner(mask_personal=False).clean_text(datum) == " ".join(datum.split())


def dataset(texts, labels, parents=None):
    return Dataset.from_columns(texts, {"kind": list(labels)}, parents=parents)


def test_dropped_rows_tell_why_and_because_of_which():
    texts = ["跑\u200b步 ", "跑步", "\u3000", "读书", "读书", "读书", "睡觉"]
    cleaning = Cleaner().clean(dataset(texts, "aababab"))
    assert cleaning.dataset.texts == ["跑步", "睡觉"]
    assert cleaning.dataset.labels == {"kind": ["a", "b"]}
    assert cleaning.dropped == (
        Dropped(2, "repeated", 1, "跑步"),
        Dropped(3, "empty", None, "\u3000"),
        Dropped(4, "conflicting", 5, "读书"),
        Dropped(5, "conflicting", 4, "读书"),
        Dropped(6, "conflicting", 5, "读书"),
    )


def test_the_first_of_conflicting_labels_may_be_trusted():
    cleaning = Cleaner(conflicts="first").clean(dataset(["读书", "读书", "睡觉", "读书"], "abba"))
    assert cleaning.dataset.texts == ["读书", "睡觉"]
    assert cleaning.dataset.labels == {"kind": ["a", "b"]}
    assert [(each.row, each.reason, each.other) for each in cleaning.dropped] == [(2, "conflicting", 1), (4, "repeated", 1)]


def test_near_duplicates_are_dropped_when_asked():
    rows = dataset(["跑步5公里", "读书", "跑步3公里！", "骑车5公里", "跑步10公里", "读书"], "abaaab")
    assert len(Cleaner().clean(rows).dataset) == 5
    cleaning = Cleaner(near_duplicates="drop").clean(rows)
    assert cleaning.dataset.texts == ["跑步5公里", "读书", "骑车5公里"]
    assert [(each.row, each.reason, each.other) for each in cleaning.dropped] == [
        (3, "near-duplicate", 1),
        (5, "near-duplicate", 1),
        (6, "repeated", 2),
    ]


def test_each_change_is_reported_with_row_and_step():
    cleaning = Cleaner().clean(dataset(["读书", "跑\u200b步５公里！！", "  早睡&amp;早起"], "aba"))
    assert cleaning.dataset.texts == ["读书", "跑步5公里！", "早睡&早起"]
    assert cleaning.changes == (
        Change(2, "invisible", "跑\u200b步５公里！！", "跑步５公里！！"),
        Change(2, "width", "跑步５公里！！", "跑步5公里！！"),
        Change(2, "punctuation", "跑步5公里！！", "跑步5公里！"),
        Change(3, "html", "  早睡&amp;早起", "  早睡&早起"),
        Change(3, "space", "  早睡&早起", "早睡&早起"),
    )
    assert cleaning.changed_by == {"invisible": 1, "width": 1, "punctuation": 1, "html": 1, "space": 1}


def test_a_step_that_works_twice_on_a_text_counts_once():
    cleaning = Cleaner().clean(dataset(["读书", "跑步，打138\t0013\t8000。&am\u200bp;&lt;"], "ab"))
    assert cleaning.dataset.texts[1] == "跑步，打[电话]。&<"
    assert cleaning.changed_by["html"] == 1
    assert len([each for each in cleaning.changes if each.step == "html"]) == 2


def test_the_log_holds_every_change_and_dropped_row_by_row(tmp_path):
    path = tmp_path / "logs" / "changes.jsonl"
    cleaning = Cleaner().clean(dataset(["读书", "读书！！", "读书 ", "睡觉\u2028觉"], "abab"))
    cleaning.save(path)
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").strip("\n").split("\n")]
    assert records == [
        {"row": 2, "step": "punctuation", "before": "读书！！", "after": "读书！"},
        {"row": 3, "step": "space", "before": "读书 ", "after": "读书"},
        {"row": 3, "reason": "repeated", "other": 1, "text": "读书 "},
        {"row": 4, "step": "space", "before": "睡觉\u2028觉", "after": "睡觉 觉"},
    ]
    assert [each.name for each in path.parent.iterdir()] == ["changes.jsonl"], "nothing temporary is left beside it"


def test_a_log_that_cannot_be_written_is_reported(tmp_path):
    cleaning = Cleaner().clean(dataset(["读书", "睡觉"], "ab"))
    with pytest.raises(StorageError, match="is a folder, not a file"):
        cleaning.save(tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="cannot write"):
        cleaning.save(tmp_path / "file" / "log.jsonl")


def test_parents_are_cleaned_as_texts_are():
    parents = ["", "", "跑步５公里！！", "早睡，打13800138000", "只在这里\u200b"]
    rows = dataset(["跑步５公里！！", "早睡，打13800138000", "5公里跑步", "打电话早睡", "别处"], "ababa", parents)
    cleaned = Cleaner().clean(rows).dataset
    assert cleaned.table["parent"].to_pylist() == ["", "", *cleaned.texts[:2], "只在这里"]
    assert rows.texts[0] == "跑步５公里！！", "the dataset that was cleaned stays as it was"


def test_several_processes_give_the_same(monkeypatch):
    monkeypatch.setattr("goalkit.datasets.cleaning.cleaner.BATCH", 2_500)
    goals = Dataset.goals()
    one, two = Cleaner().clean(goals), Cleaner().clean(goals, workers=2)
    assert (one.dataset.texts, one.changes, one.dropped) == (two.dataset.texts, two.changes, two.dropped)


def test_cleaning_goals_logs_what_it_did(caplog):
    with caplog.at_level(logging.INFO, "goalkit"):
        dataset(["读书！！", "睡觉", " ", "跑步"], "abab").clean()
    message = "3 of 4 rows kept; texts changed: 1 punctuation, 1 space; rows dropped: 1 empty"
    assert message in caplog.text


def test_wrong_options_and_hopeless_data_are_refused():
    with pytest.raises(ConfigurationError, match="there is no traditional 'both'; choose one of keep, simplify"):
        Cleaner(traditional="both")
    with pytest.raises(ConfigurationError, match="there is no conflicts 'last'"):
        Cleaner(conflicts="last")
    with pytest.raises(ConfigurationError, match="workers is 0: it must be at least 1"):
        Cleaner().clean(dataset(["读书", "睡觉"], "ab"), workers=0)
    with pytest.raises(DatasetError, match=r"drops all 2 rows, the first is conflicting \('读书'\): give texts with"):
        dataset(["读书", "读书"], "ab").clean()


def test_simplifying_without_opencc_says_what_to_install(monkeypatch):
    from goalkit.datasets.cleaning import steps

    steps._opencc.cache_clear()
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(MissingPackageError, match=r'needs opencc, which is not installed: pip install "goalkit\[data\]"'):
        Cleaner(traditional="simplify").clean_text("讀書")


def call(*arguments):
    return CliRunner().invoke(goalkit, list(map(str, arguments)))


def test_clean_command(tmp_path):
    data, output, log = tmp_path / "goals.csv", tmp_path / "clean.csv", tmp_path / "log.jsonl"
    data.write_text('goal,kind\n"讀書,寫""筆記""！！",a\n跑步5公里,b\n跑步3公里,a\n\u200b,b\n', encoding="utf-8")
    options = ["--text", "goal", "--label", "kind", "--output", output]
    page = call("clean", data, *options, "--log", log, "--simplify", "--drop-near-duplicates")
    assert page.exit_code == 0, page.output
    assert "2 of 4 rows kept" in page.output
    assert re.search(r"dropped: near-duplicate +1", page.output)
    assert re.search(r"changed: script +1", page.output)
    with output.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["goal", "kind"], ['读书,写"笔记"！', "a"], ["跑步5公里", "b"]]
    assert Dataset.from_csv(output, text="goal", labels=["kind"]).texts == ['读书,写"笔记"！', "跑步5公里"]
    assert len(log.read_text(encoding="utf-8").splitlines()) == 5
    assert call("clean", data, *options).exit_code == 0
    assert Dataset.from_csv(output, text="goal", labels=["kind"]).texts[0] == '讀書,寫"筆記"！', "the rest is kept"
    assert call("clean", data).exit_code == 2
    assert isinstance(call("clean", tmp_path / "none.csv", *options).exception, DatasetError)
