import codecs
import io
import json
import logging
import os

import pandas
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from goalkit import Dataset, Task
from goalkit.datasets.reading.delimited import MOST_LINES, delimited_rows
from goalkit.datasets.reading.encodings import TextFile
from goalkit.datasets.reading.rejects import Rejects
from goalkit.errors import DatasetError, StorageError

KIND = Task("kind", ("健康", "学习"))
SOUND = "text,kind\n跑步,健康\n读书,学习\n"


def bad_rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


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
    message = str(caught.value)
    assert "has 6 bad rows: line 3: 4 fields, while the header has 3; line 6: 2 fields" in message
    assert "line 8: the text is empty; and 3 more; correct them, or set bad rows aside with rejects=" in message
    assert "\n" not in message


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
            (row.place, row.raw.rstrip("\r\n")) for row in delimited_rows(TextFile(path, "utf-8"), ("text", "kind"), bad, ",")
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
    passed_over = [lines[line].strip() for line in lines.keys() - set(taken)]
    assert not any(line.strip(' ,"') for line in passed_over), "only blank lines and empty fields are passed over"


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
        (9, "the text contains half a surrogate pair, which is not valid Unicode"),
        (10, "unreadable JSON (a number is too long, or the nesting too deep)"),
    ]
    assert [row["raw"] for row in bad_rows(aside)][:2] == [lines[1], lines[3]]


@pytest.mark.parametrize(
    ("encoding", "damage", "message", "raw"),
    [
        ("utf-8", b"\xe8", "byte 0xe8 is not utf-8", "读\\xe8书,学习"),
        ("gb18030", b"\xff", "byte 0xff is not gb18030", "读\\xff书,学习"),
        ("utf-16-le", b"\x01\xd8", "byte 0x01 is not utf-16-le", "读\\x01\\xd8书,学习"),
    ],
)
def test_a_line_that_cannot_be_decoded_is_a_bad_row(tmp_path, encoding, damage, message, raw):
    path, aside = tmp_path / "goals.csv", tmp_path / "bad.jsonl"
    before, after = "text,kind\n跑步,健康\n读", "书,学习\n写字,学习\n"
    path.write_bytes(before.encode(encoding) + damage + after.encode(encoding))
    assert Dataset.read(path, labels=[KIND], encoding=encoding, rejects=aside).texts == ["跑步", "写字"]
    (row,) = bad_rows(aside)
    assert row["line"] == 3
    assert message in row["reason"]
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


def test_a_reading_without_bad_rows_leaves_no_stale_file(tmp_path, caplog):
    path, aside = tmp_path / "goals.csv", tmp_path / "bad.jsonl"
    path.write_text(CSV_WITH_BAD_ROWS, encoding="utf-8")
    Dataset.read(path, labels=[KIND], rejects=aside)
    path.write_text(SOUND, encoding="utf-8")
    caplog.clear()
    Dataset.read(path, labels=[KIND], rejects=aside)
    assert not aside.exists()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_file_of_something_else_is_never_replaced(tmp_path):
    path = tmp_path / "goals.csv"
    path.write_text(SOUND, encoding="utf-8")
    before = path.read_bytes()
    for foreign in (path, tmp_path):
        with pytest.raises(StorageError, match="contains something other than bad rows: choose another file"):
            Dataset.read(path, labels=[KIND], rejects=foreign)
    assert path.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_bad_rows_may_go_to_a_pipe_which_is_never_removed(tmp_path):
    path, aside = tmp_path / "goals.csv", tmp_path / "pipe"
    os.mkfifo(aside)
    reader = os.open(aside, os.O_RDWR | os.O_NONBLOCK)
    path.write_text(SOUND, encoding="utf-8")
    Dataset.read(path, labels=[KIND], rejects=aside)
    assert aside.is_fifo()
    path.write_text(f"{SOUND}写字\n", encoding="utf-8")
    Dataset.read(path, labels=[KIND], rejects=aside)
    assert json.loads(os.read(reader, 999))["raw"] == "写字"
    os.close(reader)


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
