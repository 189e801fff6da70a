import codecs
import csv
import io
import json
import logging
from pathlib import Path

import pandas
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from goalkit import GOAL_TASKS, Dataset, GoalkitError, Task
from goalkit.datasets.reading.delimited import MOST_LINES, delimited_rows
from goalkit.datasets.reading.encodings import TextFile
from goalkit.datasets.reading.rejects import Rejects
from goalkit.errors import ConfigurationError, DatasetError, StorageError

KIND = Task("kind", ("健康", "学习"))
ROWS = [("跑步五公里", "健康"), ('读书,写"笔记"', "学习"), ("早睡\r\n早起", "健康"), ("喝水💧\t八杯", "健康")]

SIMPLIFIED = "text,category\n每天跑步五公里,健康\n背五十个英语单词,学习\n整理这个月的账单,理财\n"
TRADITIONAL = "text,category\n每天跑步五公里,健康\n背五十個英語單字,學習\n整理這個月的帳單,理財\n"


def bad_rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, rows, columns=("text", "kind")) -> Path:
    match path.suffix:
        case ".csv" | ".tsv":
            with path.open("w", encoding="utf-8", newline="") as file:
                table = csv.writer(file, delimiter="," if path.suffix == ".csv" else "\t")
                table.writerows([columns, *rows])
        case ".parquet":
            pa.parquet.write_table(pa.table(dict(zip(columns, zip(*rows, strict=True), strict=True))), path)
        case _:
            lines = [json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) for row in rows]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# formats


SUFFIXES = [".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"]
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_back_what_was_written(suffix, tmp_path_factory):
    path = tmp_path_factory.mktemp("formats") / f"goals{suffix}"

    @settings(max_examples=40, deadline=None)
    @given(st.lists(texts, min_size=1, max_size=6))
    @example([text for text, _ in ROWS])
    def round_trip(column):
        rows = [*zip(column, ["健康", "学习"] * 3, strict=False), ("散步", "学习"), ("睡觉", "健康")]
        goals = Dataset.read(write(path, rows), labels=[KIND])
        assert list(zip(goals.texts, goals.labels["kind"], strict=True)) == rows

    round_trip()


def test_suffixes_are_known_in_capitals_and_others_are_refused(tmp_path):
    assert len(Dataset.read(write(tmp_path / "goals.csv", ROWS).rename(tmp_path / "GOALS.CSV"), labels=["kind"])) == 4
    with pytest.raises(DatasetError, match=r"has the suffix '.xlsx': give a file with one of .csv, .tsv"):
        Dataset.read(tmp_path / "goals.xlsx")


def test_from_csv_reads_a_file_of_any_suffix(goals_csv):
    goals = Dataset.from_csv(goals_csv.rename(goals_csv.with_suffix(".txt")), labels=["category"])
    assert goals.texts == ["跑步五公里", "背五十个单词", "读书,写笔记"]
    assert goals.labels == {"category": ["健康", "学习", "学习"]}
    assert goals.tasks == (Task("category", ("健康", "学习")),), "labels come in the order of the goal task"


def test_other_labels_make_their_own_task(tmp_path):
    path = write(tmp_path / "titles.csv", [("一", "体育"), ("二", "财经")], ("title", "topic"))
    assert Dataset.read(path, text="title", labels=["topic"]).tasks == (Task("topic", ("体育", "财经")),)


def test_more_rows_than_are_held_at_once_keep_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr("goalkit.datasets.reading.gathering.BATCH", 7)
    monkeypatch.setattr("goalkit.datasets.reading.sources.BATCH", 5)
    rows = [(f"跑步{number}公里", KIND.labels[number % 2]) for number in range(40)]
    frame = pandas.DataFrame(rows, columns=["text", "kind"])
    for source in (write(tmp_path / "goals.csv", rows), write(tmp_path / "goals.parquet", rows), frame):
        assert Dataset.read(source, labels=["kind"]).texts == [text for text, _ in rows]


def test_reads_frames_with_categories_and_any_index():
    frame = pandas.DataFrame(ROWS, columns=["text", "kind"], index=[5, 5, 1, 0]).astype({"kind": "category"})
    goals = Dataset.read(frame, labels=["kind"])
    assert list(zip(goals.texts, goals.labels["kind"], strict=True)) == ROWS


def test_reads_hugging_face_datasets_with_class_names():
    import datasets

    rows = {"text": [text for text, _ in ROWS], "kind": [KIND.labels.index(label) for _, label in ROWS]}
    features = datasets.Features({"text": datasets.Value("string"), "kind": datasets.ClassLabel(names=list(KIND.labels))})
    dataset = datasets.Dataset.from_dict(rows, features=features)
    assert Dataset.read(dataset, labels=[KIND]).labels == {"kind": [label for _, label in ROWS]}
    assert Dataset.read(dataset.select([3, 1]), labels=[KIND]).texts == [ROWS[3][0], ROWS[1][0]]
    unlabelled = datasets.Dataset.from_dict({"text": ["跑步", "读书"], "kind": [0, -1]}, features=features)
    with pytest.raises(DatasetError, match="the Hugging Face dataset has 1 bad row: row 2: no kind"):
        Dataset.read(unlabelled, labels=[KIND])
    with pytest.raises(DatasetError, match="a DatasetDict cannot be read: .* one split of a Hugging Face dataset"):
        Dataset.read(datasets.DatasetDict(train=dataset))


def test_reads_from_the_hub_by_name_split_and_subset(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "goals"
    folder.mkdir()
    write(folder / "short.csv", [("跑步", "健康"), ("读书", "学习")])
    write(folder / "long.csv", ROWS)
    configs = "".join(f"- config_name: {name}\n  data_files: {name}.csv\n" for name in ("short", "long"))
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n", encoding="utf-8")
    assert Dataset.from_hub(str(folder), subset="short", split="train", labels=["kind"]).texts == ["跑步", "读书"]
    assert len(Dataset.from_hub(str(folder), subset="long", split="train[:3]", labels=["kind"])) == 3
    with pytest.raises(DatasetError, match="cannot be loaded .*nope.*: check its name, subset, split"):
        Dataset.from_hub(str(folder), subset="short", split="nope")


# encodings


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("utf-8", SIMPLIFIED),
        ("utf-8-sig", TRADITIONAL),
        ("utf-16", SIMPLIFIED),
        ("utf-16", TRADITIONAL),
        ("gb18030", SIMPLIFIED),
        ("gb18030", TRADITIONAL),
        ("gb18030", "text,category\n存三百€买基金💰,理财\n学骑车,学习\n"),
        ("gb2312", "text,category\n跑步,健康\n读书,学习\n"),
        ("big5", TRADITIONAL),
        ("big5", "text,category\n跑步,健康\n讀書,學習\n"),
        ("big5hkscs", "text,category\n今日行咗一萬步,健康\n睇完嗰本書,學習\n"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_detects_the_encoding_of_small_files(tmp_path, encoding, content, line_end):
    path = tmp_path / "goals.csv"
    content = content.replace("\n", line_end)
    marks = {"utf-16": [codecs.BOM_UTF16_LE + content.encode("utf-16-le"), codecs.BOM_UTF16_BE + content.encode("utf-16-be")]}
    for data in marks.get(encoding, [content.encode(encoding)]):
        path.write_bytes(data)
        goals = Dataset.from_csv(path, labels=["category"])
        lines = content.split()[1:]
        assert [f"{text},{label}" for text, label in zip(goals.texts, goals.labels["category"], strict=True)] == lines


def test_detects_gb18030_in_files_of_five_goals(tmp_path):
    path = tmp_path / "goals.csv"
    goals = Dataset.goals().texts
    for start in range(0, len(goals) - 5, 100):
        path.write_bytes("\n".join(goals[start : start + 5]).encode("gb18030"))
        assert TextFile.of(path, "auto").encoding == "gb18030", goals[start : start + 5]


def test_a_detected_encoding_is_told(tmp_path, caplog):
    path = tmp_path / "goals.csv"
    path.write_bytes(TRADITIONAL.encode("big5"))
    Dataset.read(path, labels=["category"])
    assert "is not Unicode and is read as big5" in caplog.text


def test_damaged_utf8_is_not_taken_for_another_encoding(tmp_path):
    path = tmp_path / "goals.csv"
    lines = SIMPLIFIED.encode().splitlines(keepends=True)
    lines[2] = lines[2].replace("英语".encode(), "英语".encode()[:-1])
    path.write_bytes(b"".join(lines))
    with pytest.raises(DatasetError, match=r"1 bad row: line 3: byte 0xe8 is not utf-8: it is damaged"):
        Dataset.read(path, labels=["category"])


@pytest.mark.parametrize("data", ["Café,à midi\nNoël,fête\n".encode("latin-1"), bytes(range(128, 256))])
def test_no_fitting_encoding_is_told(tmp_path, data):
    path = tmp_path / "goals.csv"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="is not UTF-8, UTF-16 with a byte-order mark, GB18030 or Big5: save it as UTF-8"):
        Dataset.from_csv(path)


def test_a_named_encoding_is_obeyed(tmp_path):
    path = tmp_path / "goals.csv"
    path.write_bytes("text,category\n跑步,健康\n讀書,學習\n".encode("utf-16-le"))
    assert Dataset.from_csv(path, labels=["category"], encoding="utf-16-le").texts == ["跑步", "讀書"]
    path.write_bytes(SIMPLIFIED.encode("gb18030"))
    with pytest.raises(DatasetError, match="3 bad rows: line 2: byte 0xcc is not utf-8: .*or the encoding is another; line 3"):
        Dataset.from_csv(path, labels=["category"], encoding="utf-8")


def test_missing_file_and_unknown_encoding(tmp_path, goals_csv):
    for suffix in SUFFIXES:
        with pytest.raises(DatasetError, match="cannot be read"):
            Dataset.read(tmp_path / f"none{suffix}")
    with pytest.raises(DatasetError, match="no encoding 'klingon'"):
        Dataset.from_csv(goals_csv, encoding="klingon")
    with pytest.raises(DatasetError, match="base64 is not an encoding of text"):
        Dataset.from_csv(goals_csv, encoding="base64")


# bad files and bad rows


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty: give a file with a header line and the columns text, category"),
        ("text,category\n", "has no rows: add texts with labels"),
        ("goal,category\n跑步,健康\n", "has no column text; its columns are goal, category: name the right ones"),
        ('"a\nb",category\n跑步,健康\n', "has no column text; its columns are a b, category"),
        ("text,category,text\n跑步,健康,a\n", "has several columns text: give each column its own name"),
        ('text,"category\n跑步,健康\n', "has no readable header line (a quotation mark is opened and not closed)"),
        ("text,category\n跑步,健康\n走路,健康\n", "has 1 label(s) ['健康']: a classifier needs at least two"),
    ],
    ids=["empty", "header only", "missing column", "line break in header", "repeated column", "broken header", "one class"],
)
def test_a_bad_csv_is_told_in_one_line(goals_csv, content, told):
    goals_csv.write_text(content, encoding="utf-8")
    with pytest.raises(GoalkitError) as caught:
        Dataset.from_csv(goals_csv, labels=["category"])
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


CSV_WITH_BAD_ROWS = """text,kind,note
跑步,健康,
背书,学习,多,一栏
"两行
的文字",健康,好
走路,健康

,学习,没有文字
睡觉,建康,"错
字"
读书,  ,
"引号"后,学习,
写字,学习,"""


def test_bad_csv_rows_are_set_aside_with_line_and_reason(tmp_path, caplog):
    path, aside = tmp_path / "goals.csv", tmp_path / "new" / "bad.jsonl"
    path.write_text(CSV_WITH_BAD_ROWS, encoding="utf-8")
    goals = Dataset.read(path, labels=[KIND], rejects=aside)
    assert goals.texts == ["跑步", "两行\n的文字", "写字"]
    assert [tuple(row.values()) for row in bad_rows(aside)] == [
        (3, "4 fields, while the header has 3", "背书,学习,多,一栏"),
        (6, "2 fields, while the header has 3", "走路,健康"),
        (8, "the text is empty", ",学习,没有文字"),
        (9, "the kind is '建康', not one of 健康, 学习", '睡觉,建康,"错\n字"'),
        (11, "the kind is empty", "读书,  ,"),
        (12, "',' expected after '\"'", '"引号"后,学习,'),
    ]
    assert list(bad_rows(aside)[0]) == ["line", "reason", "raw"]
    assert "goals.csv has 6 bad rows: line 3: 4 fields" in caplog.text
    assert [file.name for file in aside.parent.iterdir()] == ["bad.jsonl"], "nothing temporary is left beside it"


def test_without_a_file_for_them_bad_rows_are_an_error_that_names_the_first(tmp_path):
    path = tmp_path / "goals.csv"
    path.write_text(CSV_WITH_BAD_ROWS, encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        Dataset.read(path, labels=[KIND])
    told = str(caught.value)
    assert "has 6 bad rows: line 3: 4 fields, while the header has 3; line 6: 2 fields" in told
    assert "line 8: the text is empty; and 3 more; correct them, or set bad rows aside with rejects=" in told
    assert "\n" not in told


def test_lines_are_counted_alike_whatever_ends_them(tmp_path):
    for line_end in ("\n", "\r\n", "\r"):
        path = tmp_path / "goals.csv"
        path.write_bytes(codecs.BOM_UTF8 + CSV_WITH_BAD_ROWS.replace("\n", line_end).encode())
        Dataset.read(path, labels=[KIND], rejects=tmp_path / "bad.jsonl")
        assert [row["line"] for row in bad_rows(tmp_path / "bad.jsonl")] == [3, 6, 8, 9, 11, 12]


@pytest.mark.parametrize("after", [3, 3 * MOST_LINES])
def test_a_quotation_mark_that_is_never_closed_costs_one_line(tmp_path, after):
    path, aside = tmp_path / "goals.csv", tmp_path / "bad.jsonl"
    lines = ["text,kind", "跑步,健康", '"读书,学习', *(f"写{number}字,{KIND.labels[number % 2]}" for number in range(after))]
    path.write_text("\n".join(lines), encoding="utf-8")
    goals = Dataset.read(path, labels=[KIND], rejects=aside)
    assert len(goals) == after + 1
    assert bad_rows(aside) == [{"line": 3, "reason": "a quotation mark is opened and not closed", "raw": '"读书,学习'}]


@settings(max_examples=200, deadline=None)
@given(body=st.text(st.sampled_from('甲,"\n\r '), max_size=60))
@example(body='"甲""甲\n' * 30)
def test_no_line_of_a_csv_is_dropped_or_taken_twice(body: str, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lines", numbered=True)
    path = folder / "goals.csv"
    path.write_bytes(f"text,kind\n{body}".encode())
    with Rejects("goals", "line", folder / "bad.jsonl") as bad:
        found = [
            (line, raw.rstrip("\r\n")) for line, _, raw in delimited_rows(TextFile(path, "utf-8"), ("text", "kind"), bad, ",")
        ]
    if bad.count:
        found += [(row["line"], row["raw"]) for row in bad_rows(folder / "bad.jsonl")]
    lines = dict(enumerate(io.StringIO(body, newline=""), 2))
    taken: list[int] = []
    for first, raw in sorted(found):
        height = len(list(io.StringIO(raw, newline="")))
        assert "".join(lines[first + offset] for offset in range(height)).rstrip("\r\n") == raw
        taken += range(first, first + height)
    assert len(set(taken)) == len(taken)
    assert all(not lines[line].strip("\r\n") for line in lines.keys() - set(taken)), "only blank lines are passed over"


def test_bad_json_lines_are_set_aside_with_line_and_reason(tmp_path):
    path, aside = tmp_path / "goals.jsonl", tmp_path / "bad.jsonl"
    lines = [
        '{"text": "跑步", "kind": "健康", "more": 1}',
        '{"text": "读书", "kind": "学习"',
        "",
        '{"text": null, "kind": "学习"}',
        '{"text": 5, "kind": "学习"}',
        '{"text": "写字", "kind": ""}',
        '{"goal": "写字", "kind": "学习"}',
        '["写字", "学习"]',
        '{"text": "\\ud83d", "kind": "学习"}',
        "[" * 100_000,
        '{"text": "背书", "kind": "学习"}',
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert Dataset.read(path, labels=[KIND], rejects=aside).texts == ["跑步", "背书"]
    assert [(row["line"], row["reason"]) for row in bad_rows(aside)] == [
        (2, "not JSON (Expecting ',' delimiter at character 29)"),
        (4, "no text"),
        (5, "the text is 5, not a string"),
        (6, "the kind is empty"),
        (7, "no text; its keys are goal, kind"),
        (8, "['写字', '学习'] is not a JSON object"),
        (9, "the text has half a surrogate pair in it, which is not valid Unicode"),
        (10, "not JSON that can be read (a number too long, or nested too deeply)"),
    ]
    assert [row["raw"] for row in bad_rows(aside)][:2] == [lines[1], lines[3]]


@pytest.mark.parametrize(
    ("encoding", "damage", "told", "raw"),
    [
        ("utf-8", b"\xe8", "byte 0xe8 is not utf-8", "读\\xe8书,学习"),
        ("gb18030", b"\xff", "byte 0xff is not gb18030", "读\\xff书,学习"),
        ("utf-16-le", b"\x01\xd8", "byte 0x01 is not utf-16-le", "读\\x01\\xd8书,学习"),
    ],
)
def test_a_line_that_cannot_be_decoded_is_a_bad_row(tmp_path, encoding, damage, told, raw):
    path, aside = tmp_path / "goals.csv", tmp_path / "bad.jsonl"
    before, after = "text,kind\n跑步,健康\n读", "书,学习\n写字,学习\n"
    path.write_bytes(before.encode(encoding) + damage + after.encode(encoding))
    assert Dataset.read(path, labels=[KIND], encoding=encoding, rejects=aside).texts == ["跑步", "写字"]
    (row,) = bad_rows(aside)
    assert row["line"] == 3
    assert told in row["reason"]
    assert row["raw"] == raw


def test_bad_rows_of_frames_and_parquet_have_row_numbers(tmp_path):
    columns = {"text": ["跑步", None, "读书", "  "], "kind": ["健康", "学习", "阅读", "学习"]}
    pa.parquet.write_table(pa.table(columns), tmp_path / "goals.parquet")
    for source in (tmp_path / "goals.parquet", pandas.DataFrame(columns)):
        assert Dataset.read(source, labels=[KIND], rejects=tmp_path / "bad.jsonl").texts == ["跑步"]
        assert bad_rows(tmp_path / "bad.jsonl") == [
            {"row": 2, "reason": "no text", "raw": {"text": None, "kind": "学习"}},
            {"row": 3, "reason": "the kind is '阅读', not one of 健康, 学习", "raw": {"text": "读书", "kind": "阅读"}},
            {"row": 4, "reason": "the text is empty", "raw": {"text": "  ", "kind": "学习"}},
        ]
    mixed = pandas.DataFrame({"text": ["跑步", float("nan"), 7.5, b"x"], "kind": ["健康"] * 4})
    with pytest.raises(DatasetError, match=r"row 2: no text; row 3: the text is 7.5, not a string; row 4: the text is b'x'"):
        Dataset.read(mixed, labels=[KIND])
    with pytest.raises(DatasetError, match="the DataFrame has no column kind; its columns are text, 3"):
        Dataset.read(pandas.DataFrame({"text": ["a"], 3: ["b"]}), labels=["kind"])


# the file for bad rows


def test_a_reading_without_bad_rows_leaves_no_stale_file(tmp_path, caplog):
    path, aside = tmp_path / "goals.csv", tmp_path / "bad.jsonl"
    path.write_text(CSV_WITH_BAD_ROWS, encoding="utf-8")
    Dataset.read(path, labels=[KIND], rejects=aside)
    write(path, ROWS)
    caplog.clear()
    Dataset.read(path, labels=[KIND], rejects=aside)
    assert not aside.exists()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_file_of_something_else_is_never_replaced(tmp_path):
    path = write(tmp_path / "goals.jsonl", ROWS)
    before = path.read_bytes()
    for foreign in (path, tmp_path):
        with pytest.raises(StorageError, match="holds other things than bad rows: choose another file"):
            Dataset.read(path, labels=[KIND], rejects=foreign)
    assert path.read_bytes() == before


def test_a_reading_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path, aside = tmp_path / "goals.csv", tmp_path / "bad.jsonl"
    path.write_text(CSV_WITH_BAD_ROWS, encoding="utf-8")
    Dataset.read(path, labels=[KIND], rejects=aside)
    before = aside.read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    path.write_text("text,kind\n跑步\n读书,学习\n写字,健康\n", encoding="utf-8")
    with monkeypatch.context() as patch, pytest.raises(StorageError, match="cannot write .*No space left on device"):
        patch.setattr("os.fsync", full_disk)
        Dataset.read(path, labels=[KIND], rejects=aside)
    assert aside.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bad.jsonl", "goals.csv"]


def test_when_all_rows_are_bad_the_error_says_where_they_are(tmp_path):
    path, aside = tmp_path / "goals.csv", tmp_path / "bad.jsonl"
    path.write_text("text,kind\n跑步\n读书\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"has no rows but the 2 bad one\(s\) in .*bad.jsonl"):
        Dataset.read(path, labels=[KIND], rejects=aside)
    assert len(bad_rows(aside)) == 2


# feedback


TASKS = (KIND, Task("level", ("易", "难")))
EASY = {"kind": "健康", "level": "易"}


def entry(text, *, time="2026-03-01T07:30:00Z", predicted=EASY, **said):
    return json.dumps({"text": text, "predicted": predicted, "time": time, "bundle": "4f3a", **said}, ensure_ascii=False)


def feedback(tmp_path, *lines, end="\n", **options):
    path = tmp_path / "feedback.jsonl"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape") + end.encode())
    return Dataset.from_feedback(path, tasks=TASKS, **options)


def test_feedback_teaches_what_was_confirmed_or_labelled(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    rows = feedback(
        tmp_path,
        entry("跑步", rating="useful"),
        entry("读书", label={"kind": "学习", "level": "难"}),
        entry("写字", label={"kind": "学习"}, rating="useful"),
        entry("爬山", label={"kind": "健康", "level": "难"}, rating="wrong"),
        entry("睡觉", rating="wrong"),
        entry("喝水", label={"level": "易"}),
        entry("散步", predicted={"kind": "健康"}, rating="useful"),
    )
    assert rows.texts == ["跑步", "读书", "写字", "爬山"]
    assert rows.labels == {"kind": ["健康", "学习", "学习", "健康"], "level": ["易", "难", "易", "难"]}
    assert rows.tasks == TASKS
    assert set(rows.table["provenance"].to_pylist()) == {"feedback"}
    assert "labels 4 texts; skipped: 0 entries superseded" in caplog.text
    assert "1 texts only called wrong, 2 without all labels" in caplog.text


def test_feedback_about_some_tasks_is_enough_for_those(tmp_path):
    path = tmp_path / "feedback.jsonl"
    path.write_text(
        entry("喝水", label={"level": "易"}) + "\n" + entry("跑步", label={"level": "难", "mood": 3}), encoding="utf-8"
    )
    assert Dataset.from_feedback(path, tasks=TASKS[1:]).labels == {"level": ["易", "难"]}


def test_the_latest_feedback_on_a_text_counts(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    rows = feedback(
        tmp_path,
        entry("跑步", time="2026-03-02T00:30:00+08:00", label={"kind": "健康", "level": "难"}),
        entry("跑步 ", time="2026-03-01T16:00:00Z", rating="useful"),
        entry("读书", time="2026-03-01", rating="useful"),
        entry("读书", time="2026-03-01T00:00:01", label={"kind": "学习", "level": "难"}),
        entry("写字", time="2026-03-01T08:00:00Z", rating="useful"),
        entry("写字", time="2026-03-01T09:00:00Z", rating="wrong"),
    )
    assert dict(zip(rows.texts, rows.labels["level"], strict=True)) == {"跑步": "难", "读书": "难"}
    assert "3 entries superseded" in caplog.text


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "跑步"', "not JSON"),
        (entry("跑\udcd5步", rating="useful"), "byte 0xd5 is not utf-8"),
        (entry("", rating="useful"), "the text is empty"),
        (entry("跑步", rating="nice"), "the rating is 'nice', not one of useful, wrong"),
        (entry("跑步", rating=[]), r"the rating is \[\], not one of useful, wrong"),
        (entry("跑步"), "neither label nor rating"),
        (entry("跑步", label="健康"), "the label is '健康', not an object with a label for each task"),
        (entry("跑步", label={"kind": "建康"}), "in label, the kind is '建康', not one of 健康, 学习"),
        (entry("跑步", label={"kind": None}), "in label, no kind"),
        (entry("跑步", predicted={"level": "中"}, rating="useful"), "in predicted, the level is '中', not one of 易, 难"),
        (entry("跑步", predicted=None, rating="useful"), "the predicted is None, not an object"),
        (entry("跑步", rating="useful", time="yesterday"), "the time is 'yesterday', not of ISO 8601"),
        (entry("跑步", rating="useful", bundle=None), "no bundle"),
    ],
)
def test_malformed_feedback_is_a_bad_row(tmp_path, line, reason):
    good = entry("读书", rating="useful")
    with pytest.raises(DatasetError, match=f"1 bad row: line 2: {reason}"):
        feedback(tmp_path, good, line)
    assert len(feedback(tmp_path, good, line, rejects=tmp_path / "bad.jsonl")) == 1
    assert [row["line"] for row in bad_rows(tmp_path / "bad.jsonl")] == [2]


def test_a_line_that_a_crash_cut_off_is_told_from_a_damaged_one(tmp_path):
    whole = entry("读书", rating="useful").encode()
    path = tmp_path / "feedback.jsonl"
    for length in range(1, len(whole)):
        path.write_bytes(whole + b"\n" + whole[:length])
        with pytest.raises(DatasetError, match="1 bad row: line 2: cut off: the file ends in the middle of this line"):
            Dataset.from_feedback(path, tasks=TASKS)
    path.write_bytes(whole[:20] + b"\n" + whole)
    with pytest.raises(DatasetError, match="line 1: not JSON"):
        Dataset.from_feedback(path, tasks=TASKS)
    path.write_bytes(whole + b"\n" + whole)
    assert len(Dataset.from_feedback(path, tasks=TASKS)) == 1


def test_labels_that_a_bundle_of_old_predicted_do_not_matter_when_corrected(tmp_path):
    rows = feedback(tmp_path, entry("跑步", predicted={"kind": "运动"}, label=EASY))
    assert rows.labels == {"kind": ["健康"], "level": ["易"]}


def test_feedback_that_teaches_nothing_is_told(tmp_path):
    with pytest.raises(DatasetError, match="teaches nothing: 1 texts are only called wrong, 1 lack a label of kind, level"):
        feedback(tmp_path, entry("跑步", rating="wrong"), entry("读书", label={"kind": "学习"}))


# anything at all


def damaged(content: bytes):
    """Some bytes of `content` replaced, or its end cut off."""
    place = st.integers(0, len(content) - 1)

    def damage(changes: list[tuple[int, int]], length: int) -> bytes:
        changed = bytearray(content)
        for position, value in changes:
            changed[position] = value
        return bytes(changed[: length + 1])

    return st.builds(
        damage, st.lists(st.tuples(place, st.integers(0, 255)), max_size=4), st.one_of(place, st.just(len(content)))
    )


def parquet_bytes() -> bytes:
    buffer = io.BytesIO()
    pa.parquet.write_table(pa.table({"text": ["跑步", "读书"], "kind": ["健康", "学习"]}), buffer, compression="none")
    return buffer.getvalue()


SOUND = {
    ".csv": 'text,kind\n"跑步,五公里",健康\n读书,学习\n'.encode(),
    ".tsv": "text\tkind\n跑步\t健康\n读书\t学习\n".encode("gb18030"),
    ".jsonl": '{"text": "跑步", "kind": "健康"}\n{"text": "读书", "kind": "学习"}\n'.encode(),
    ".ndjson": '{"text": "跑步", "kind": "健康"}\n{"text": "读书", "kind": "学习"}\n'.encode("utf-16"),
    ".parquet": parquet_bytes(),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_bytes_are_read_or_refused(suffix, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    told = []

    @settings(max_examples=120, deadline=10_000, suppress_health_check=[HealthCheck.too_slow])
    @given(content=st.one_of(st.binary(max_size=200), damaged(SOUND[suffix])), aside=st.booleans())
    def read(content, aside):
        path = folder / f"goals{suffix}"
        path.write_bytes(content)
        for reading in (
            lambda rejects: Dataset.read(path, labels=["kind"], rejects=rejects),
            lambda rejects: Dataset.from_feedback(path, tasks=TASKS, rejects=rejects),
        ):
            try:
                assert len(reading(folder / "bad.jsonl" if aside else None)) > 0
            except GoalkitError as error:
                told.append(str(error))

    read()
    assert not any("\n" in message for message in told)
    assert not any("\n" in message for message in told)


def test_any_feedback_is_read_or_refused(tmp_path):
    path = tmp_path / "feedback.jsonl"
    told = []
    value = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["kind", "level", "x"]), inner, max_size=2),
        max_leaves=4,
    )
    said = st.fixed_dictionaries(
        {"text": st.just("跑步") | value, "predicted": st.just(EASY) | value, "time": st.datetimes().map(str) | value},
        optional={"bundle": st.just("4f3a") | value, "label": st.just(EASY) | value, "rating": st.just("useful") | value},
    )

    @settings(max_examples=100, deadline=None)
    @given(st.lists(said, min_size=1, max_size=3))
    def read(entries):
        path.write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
        try:
            assert set(Dataset.from_feedback(path, tasks=TASKS, rejects=tmp_path / "bad.jsonl").tasks) == set(TASKS)
        except DatasetError as error:
            told.append(str(error))

    read()
    assert not any("\n" in message for message in told)


def test_bad_column_names_are_refused_before_anything_is_written(tmp_path):
    path = write(tmp_path / "goals.csv", ROWS)
    with pytest.raises(DatasetError, match="name each column once"):
        Dataset.read(path, labels=["kind", "kind"], rejects=tmp_path / "bad.jsonl")
    with pytest.raises(DatasetError, match="give at least one, and none called text"):
        Dataset.read(path, labels=[], rejects=tmp_path / "bad.jsonl")
    with pytest.raises(ConfigurationError, match="cannot name a Core ML feature"):
        Dataset.read(write(path, ROWS, ("text", "Kind")), labels=["Kind"])
    assert GOAL_TASKS[0].name not in Dataset.read(write(path, ROWS), labels=["kind"]).labels
    assert not (tmp_path / "bad.jsonl").exists()
