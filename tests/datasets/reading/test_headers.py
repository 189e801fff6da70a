"""Where the header of a table is, and what stands between its fields."""

import csv
import io

import pandas
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from goalkit import Dataset, Task
from goalkit.datasets.reading.delimited import DELIMITERS, MOST_LINES
from goalkit.datasets.reading.headers import HEADER_LIMIT
from goalkit.errors import DatasetError

KIND = Task("kind", ("健康", "学习"))
ROWS = [("1", "跑步，五公里", "健康"), ("2", "读书", "学习")]


def delimited(rows, delimiter, *, quoting=csv.QUOTE_MINIMAL, end="\n"):
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(rows)
    return file.getvalue()


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".CSV"])
def test_the_delimiter_is_found_whatever_the_suffix(tmp_path, suffix, delimiter):
    path = tmp_path / f"goals{suffix}"
    path.write_text(delimited([("id", "text", "kind"), *ROWS], delimiter), encoding="utf-8")
    goals = Dataset.read(path, labels=["kind"])
    assert goals.texts == ["跑步，五公里", "读书"]
    assert Dataset.from_csv(path, labels=["kind"]).texts == goals.texts


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=12)  # csv leaves \r unquoted
words = cells.filter(str.strip)


@settings(max_examples=200, deadline=None)
@given(
    texts=st.lists(words, min_size=2, max_size=5),
    others=st.lists(cells, min_size=2, max_size=5),
    preamble=st.lists(st.lists(cells, min_size=1, max_size=4), max_size=4),
    delimiter=st.sampled_from(DELIMITERS),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    suffix=st.sampled_from([".csv", ".tsv", ".txt"]),
    mark=st.booleans(),
)
@example(
    texts=["甲;乙|丙,丁\t戊", '"'],
    others=["", "sep=,"],
    preamble=[["Status: \n0 Normal\n1 Completed"], ["text", "x"]],
    delimiter=";",
    quoting=csv.QUOTE_ALL,
    end="\r\n",
    encoding="utf-8-sig",
    suffix=".csv",
    mark=True,
)
def test_what_is_written_with_any_delimiter_and_preamble_is_read(
    tmp_path_factory, texts, others, preamble, delimiter, quoting, end, encoding, suffix, mark
):
    path = tmp_path_factory.mktemp("round", numbered=True) / f"goals{suffix}"
    rows = [(other, text, KIND.labels[row % 2]) for row, (text, other) in enumerate(zip(texts, others, strict=False))]
    table = delimited([*preamble, ("other", "text", "kind"), *rows], delimiter, quoting=quoting, end=end)
    declared = f"sep={delimiter}{end}" if mark else ""
    path.write_bytes((declared + table).encode(encoding))
    assert Dataset.read(path, labels=[KIND]).texts == [text for _, text, _ in rows]


@pytest.mark.parametrize(
    "before",
    [
        '"Date: 2026"\n"Status: \n0 Normal\n1 Completed"\n',
        "我的目标\n\n导出时间：2026-11-25,,\n",
        ",,\n",
        'an "odd" line\n"never closed\n',
        '"a"b\n',
        "text,category\n",
        "text\nkind\n",
        "id,text\n" * 3,
        "# " + "x," * 50 + "\n",
    ],
)
def test_anything_may_stand_before_the_header(tmp_path, before):
    path = tmp_path / "goals.csv"
    path.write_text(before + delimited([("id", "text", "kind"), *ROWS], ","), encoding="utf-8")
    assert Dataset.read(path, labels=[KIND]).texts == ["跑步，五公里", "读书"]


def test_bytes_that_are_not_text_before_the_header_do_no_harm(tmp_path):
    path = tmp_path / "goals.csv"
    path.write_bytes(b"\xff\xfe\xfa\n" + delimited([("id", "text", "kind"), *ROWS], ",").encode())
    assert len(Dataset.read(path, labels=[KIND], encoding="utf-8")) == 2


def test_a_delimiter_of_another_kind_has_to_be_declared(tmp_path):
    path = tmp_path / "goals.csv"
    table = delimited([("id", "text", "kind"), *ROWS], "^")
    path.write_text(table, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"has no column text, kind; its columns are id\^text\^kind"):
        Dataset.read(path, labels=[KIND])
    path.write_text(f"sep=^\n{table}", encoding="utf-8")
    assert len(Dataset.read(path, labels=[KIND])) == 2


def test_a_header_too_far_down_is_not_found(tmp_path):
    path = tmp_path / "goals.csv"
    table = delimited([("id", "text", "kind"), *ROWS], ",")
    path.write_text("x\n" * (HEADER_LIMIT - 1) + table, encoding="utf-8")
    assert len(Dataset.read(path, labels=[KIND])) == 2
    path.write_text("x\n" * HEADER_LIMIT + table, encoding="utf-8")
    with pytest.raises(DatasetError, match="has no column text, kind"):
        Dataset.read(path, labels=[KIND])


def test_a_quoted_field_of_the_preamble_may_have_many_lines(tmp_path):
    path = tmp_path / "goals.csv"
    legend = '"' + "\n".join(["legend"] * (MOST_LINES - 1)) + '"\n'
    path.write_text(legend + delimited([("id", "text", "kind"), *ROWS], ","), encoding="utf-8")
    assert len(Dataset.read(path, labels=[KIND])) == 2


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,Text,kind", "has no column text; its columns are id, Text, kind: did you mean Text?"),
        ("id,text,Kind", "has no column kind; its columns are id, text, Kind: did you mean Kind?"),
        ("id,texts,kind", "has no column text; its columns are id, texts, kind: did you mean texts?"),
        ("id;TEXT;kind", "has no column text; its columns are id, TEXT, kind: did you mean TEXT?"),
        ("a note on it,,,\nid,Ｔext,kind", "has no column text; its columns are id, Ｔext, kind: did you mean Ｔext?"),
        ("id,类别,标题", "has no column text, kind; its columns are id, 类别, 标题: name the right ones"),
        ("id,text ,\u200btext,kind", "has several columns text: give each column its own name"),
    ],
)
def test_columns_that_are_not_there_are_reported_with_those_that_are(tmp_path, header, message):
    path = tmp_path / "goals.csv"
    path.write_text(f"{header}\n1,跑步,健康\n2,读书,学习\n", encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        Dataset.read(path, labels=["kind"])
    assert message in str(caught.value)


@pytest.mark.parametrize("header", [" text ,kind", "text\u3000,\u200bkind", '"te\u00adxt","kind\n"', "text ,kind,text  x"])
def test_stray_space_in_a_header_does_not_count(tmp_path, header):
    path = tmp_path / "goals.csv"
    more = ",x" * (header.count(",") - 1)
    path.write_text(f"{header}\n跑步,健康{more}\n读书,学习{more}\n", encoding="utf-8")
    assert Dataset.read(path, labels=["kind"]).texts == ["跑步", "读书"]


def test_frames_and_parquet_files_find_columns_alike(tmp_path):
    frame = pandas.DataFrame({"text ": ["跑步", "读书"], "Kind\u200b": ["健康", "学习"], 5: [1, 2]})
    path = tmp_path / "goals.parquet"
    pa.parquet.write_table(pa.table({"text ": ["跑步", "读书"], "Kind\u200b": ["健康", "学习"]}), path)
    for source in (frame, path):
        assert Dataset.read(source, labels={"Kind": "kind"}).texts == ["跑步", "读书"]
        with pytest.raises(DatasetError, match="has no column kind; .*: did you mean Kind?"):
            Dataset.read(source, labels=["kind"])


def test_the_exact_name_goes_before_one_that_looks_the_same(tmp_path):
    path = tmp_path / "goals.csv"
    path.write_text("text,text ,kind\n跑步,x,健康\n读书,x,学习\n", encoding="utf-8")
    assert Dataset.read(path, labels=["kind"]).texts == ["跑步", "读书"]
    assert Dataset.read(path, text="text ", labels=["kind"]).texts == ["x", "x"]


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", "sep=;\n"])
def test_an_empty_file_is_reported(tmp_path, content):
    path = tmp_path / "goals.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match="is empty: give a file with a header line and the columns text, kind"):
        Dataset.read(path, labels=["kind"])
