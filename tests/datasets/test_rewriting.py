"""A file cleaned into another: all that it has beside texts and labels stays."""

import csv
import datetime
import io
import json

import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from goalkit import Dataset
from goalkit.cli import goalkit
from goalkit.datasets import Cleaner, clean_file
from goalkit.errors import DatasetError

TABLE = """id,text,note,category
1,每天 跑步！！！,"a, ""b""\nc", 健康
2,背单词,,学习
3,每天  跑步！,again,健康
4,晨跑," kept ",健康\u200b
"""
CLEANED = """id,text,note,category
1,每天 跑步！,"a, ""b""\nc",健康
2,背单词,,学习
4,晨跑, kept ,健康
"""


def clean(path, output, *options):
    result = CliRunner().invoke(goalkit, ["clean", str(path), "--label", "category", "--output", str(output), *options])
    assert result.exit_code == 0, result.output + str(result.exception)
    return output


def test_every_column_stays_in_its_place(tmp_path):
    path, output = tmp_path / "goals.csv", tmp_path / "clean.csv"
    path.write_text(TABLE, encoding="utf-8")
    clean(path, output)
    assert output.read_text(encoding="utf-8") == CLEANED
    assert clean(output, tmp_path / "again.csv").read_text(encoding="utf-8") == CLEANED


@pytest.mark.parametrize(
    ("before", "after", "delimiter", "written"),
    [
        ("goals.tsv", "clean.tsv", "\t", "\t"),
        ("goals.csv", "clean.csv", ";", ";"),
        ("goals.csv", "clean.csv", "\t", "\t"),
        ("goals.tsv", "clean.tsv", ",", ","),
        ("goals.txt", "clean.txt", "|", "|"),
        ("goals.CSV", "clean.csv", ";", ";"),
        ("goals.tsv", "clean.csv", "\t", ","),
        ("goals.csv", "clean.tsv", ",", "\t"),
        ("goals.csv", "clean.tsv", ";", "\t"),
    ],
)
def test_a_file_of_the_same_suffix_keeps_its_delimiter(tmp_path, before, after, delimiter, written):
    path, rows = tmp_path / before, list(csv.reader(io.StringIO(TABLE, newline="")))
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    output = clean(path, tmp_path / after)
    with output.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file, delimiter=written)) == list(csv.reader(io.StringIO(CLEANED, newline="")))
    assert clean(output, tmp_path / "again.csv").exists()


def test_a_preamble_goes_and_columns_without_or_with_the_same_name_stay(tmp_path):
    path = tmp_path / "goals.csv"
    path.write_bytes("sep=;\n我的目标\n;text ;;category;x;x\n1;跑步;2;健康;3;4\n5; 读书 ;6;学习;7;8\n".encode("utf-8-sig"))
    output = clean(path, tmp_path / "clean.csv")
    assert output.read_text(encoding="utf-8") == ";text ;;category;x;x\n1;跑步;2;健康;3;4\n5;读书;6;学习;7;8\n"
    with pytest.raises(DatasetError, match="clean.jsonl cannot have several columns , x: write a .csv, or rename them first"):
        clean_file(path, tmp_path / "clean.jsonl", labels=["category"])


def test_json_lines_keep_their_keys_and_types(tmp_path):
    path = tmp_path / "goals.jsonl"
    objects = [
        {"id": 1, "text": " 跑步 ", "tags": ["a", {"b": None}], "category": "健康 ", "done": True},
        {"category": "学习", "text": "读书", "score": 0.5, "更多": "\ud800"},
        {"text": "跑步", "category": "健康"},
    ]
    path.write_text("\n".join(map(json.dumps, objects)), encoding="utf-8")
    lines = clean(path, tmp_path / "clean.jsonl").read_text(encoding="utf-8").splitlines()
    assert [list(json.loads(line).items()) for line in lines] == [
        [("id", 1), ("text", "跑步"), ("tags", ["a", {"b": None}]), ("category", "健康"), ("done", True)],
        [("category", "学习"), ("text", "读书"), ("score", 0.5), ("更多", "\ud800")],
    ]
    table = clean(path, tmp_path / "clean.csv").read_text(encoding="utf-8").splitlines()
    assert table == [
        "id,text,tags,category,done,score,更多",
        '1,跑步,"[""a"", {""b"": null}]",健康,true,,',
        r",读书,,学习,,0.5,\ud800",
    ]


def test_csv_becomes_json_lines_and_parquet(tmp_path):
    path = tmp_path / "goals.csv"
    path.write_text(TABLE, encoding="utf-8")
    lines = clean(path, tmp_path / "clean.ndjson").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[1]) == {"id": "2", "text": "背单词", "note": "", "category": "学习"}
    table = pa.parquet.read_table(clean(path, tmp_path / "clean.parquet"))
    assert table.column_names == ["id", "text", "note", "category"]
    assert table["category"].to_pylist() == ["健康", "学习", "健康"]


def test_parquet_keeps_values_of_all_kinds(tmp_path):
    path = tmp_path / "goals.parquet"
    columns = {
        "id": [2**62, None, 3],
        "day": [datetime.date(2026, 1, day) for day in (1, 2, 3)],
        "category": ["健康 ", "学习", "健康"],
        "tags": [["a"], [], None],
        "text": ["跑步", "读书", "跑步"],
        "ratio": [0.5, 1.5, None],
    }
    pa.parquet.write_table(pa.table(columns), path)
    table = pa.parquet.read_table(clean(path, tmp_path / "clean.parquet"))
    assert table.to_pydict() == {name: values[:2] for name, values in {**columns, "category": ["健康", "学习"]}.items()}
    assert table.schema.field("day").type == pa.date32()
    assert clean(path, tmp_path / "clean.csv").read_text(encoding="utf-8").splitlines() == [
        "id,day,category,tags,text,ratio",
        f'{2**62},2026-01-01,健康,"[""a""]",跑步,0.5',
        ",2026-01-02,学习,[],读书,1.5",
    ]


def test_workbooks_become_tables(tmp_path):
    book = openpyxl.Workbook()
    day = datetime.datetime(2026, 1, 2, 3, 4)
    for row in [
        ["text", "category", "完成", "日期", "序号"],
        ["跑步", " 健康", True, day, 1],
        ["读书", "学习", None, "明天", "二"],
    ]:
        book.active.append(row)
    path = tmp_path / "goals.xlsx"
    book.save(path)
    assert clean(path, tmp_path / "clean.csv").read_text(encoding="utf-8").splitlines() == [
        "text,category,完成,日期,序号",
        "跑步,健康,true,2026-01-02 03:04:00,1",
        "读书,学习,,明天,二",
    ]
    table = pa.parquet.read_table(clean(path, tmp_path / "clean.parquet"))
    assert table["日期"].to_pylist() == ["2026-01-02 03:04:00", "明天"], "a column of several kinds is written as text"


@pytest.mark.parametrize("name", ["clean.xlsx", "clean", "clean.json"])
def test_formats_that_are_not_written_are_reported_before_anything_is_read(tmp_path, name):
    with pytest.raises(DatasetError, match="which cannot be written: use one of .csv, .tsv, .txt, .jsonl, .ndjson, .parquet"):
        clean_file(tmp_path / "none.csv", tmp_path / name)


def test_renamed_and_merged_labels_are_written_and_bad_rows_are_not(tmp_path):
    path, aside = tmp_path / "goals.csv", tmp_path / "bad.jsonl"
    path.write_text("Title,Status,List\n跑步,0,Work\n读书,2,work\n早睡,7,work\n写字,2,学习\n", encoding="utf-8")
    labels = {"Status": "completion", "List": "category"}
    rename = {"completion": {0: "未开始", 2: "已完成"}}
    cleaning = clean_file(
        path, tmp_path / "clean.csv", text="Title", labels=labels, rename=rename, merge_labels=True, rejects=aside
    )
    assert len(cleaning.dataset) == cleaning.rows == 3
    written = (tmp_path / "clean.csv").read_text(encoding="utf-8")
    assert written == "Title,Status,List\n跑步,未开始,Work\n读书,已完成,Work\n写字,已完成,学习\n"


def test_a_cleaner_of_ones_own_is_used(tmp_path):
    path = tmp_path / "goals.csv"
    path.write_text("text,category\n打13800138000,健康\n背單詞,学习\n", encoding="utf-8")
    clean_file(path, tmp_path / "out.csv", labels=["category"], cleaner=Cleaner(mask_personal=False, traditional="simplify"))
    assert Dataset.read(tmp_path / "out.csv", labels=["category"]).texts == ["打13800138000", "背单词"]


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=10)


@settings(max_examples=100, deadline=None)
@example(notes=[("", ""), ("\n", "\r")], suffix=".csv", delimiter=",")
@given(
    notes=st.lists(st.tuples(cells, cells), min_size=2, max_size=6),
    suffix=st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet"]),
    delimiter=st.sampled_from(",;\t|"),
)
def test_what_is_neither_text_nor_label_is_never_touched(tmp_path_factory, notes, suffix, delimiter):
    folder = tmp_path_factory.mktemp("round", numbered=True)
    rows = [(one, f"跑步{number}公里", other, "健康学习"[number % 2 * 2 :][:2]) for number, (one, other) in enumerate(notes)]
    with (folder / "goals.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([("one", "text", "other", "category"), *rows])
    clean_file(folder / "goals.csv", folder / f"there{suffix}", labels=["category"])
    clean_file(folder / f"there{suffix}", folder / "back.jsonl", labels=["category"])
    lines = (folder / "back.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert [tuple(json.loads(line).values()) for line in lines] == rows
