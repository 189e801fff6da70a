import codecs
import csv
import io
import json
from pathlib import Path

import pandas
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from goalkit import GOAL_TASKS, Dataset, GoalkitError, Task
from goalkit.datasets.reading.encodings import TextFile
from goalkit.errors import ConfigurationError, DatasetError

KIND = Task("kind", ("健康", "学习"))
ROWS = [("跑步五公里", "健康"), ('读书,写"笔记"', "学习"), ("早睡\r\n早起", "健康"), ("喝水💧\t八杯", "健康")]

SIMPLIFIED = "text,category\n每天跑步五公里,健康\n背五十个英语单词,学习\n整理这个月的账单,理财\n"
TRADITIONAL = "text,category\n每天跑步五公里,健康\n背五十個英語單字,學習\n整理這個月的帳單,理財\n"


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
    with pytest.raises(DatasetError, match=r"has the suffix '.docx': give a file with one of .csv, .tsv"):
        Dataset.read(tmp_path / "goals.docx")


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
    mapped = Dataset.from_hub(
        str(folder), subset="short", split="train", labels={"kind": "category"}, rename={"category": {"健康": "a", "学习": "b"}}
    )
    assert mapped.labels == {"category": ["a", "b"]}
    with pytest.raises(DatasetError, match="cannot be loaded .*nope.*: check the name, subset, split"):
        Dataset.from_hub(str(folder), subset="short", split="nope")


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


def test_a_detected_encoding_is_reported(tmp_path, caplog):
    path = tmp_path / "goals.csv"
    path.write_bytes(TRADITIONAL.encode("big5"))
    Dataset.read(path, labels=["category"])
    assert "is not Unicode and is read as big5" in caplog.text


def test_damaged_utf8_is_not_taken_for_another_encoding(tmp_path):
    path = tmp_path / "goals.csv"
    lines = SIMPLIFIED.encode().splitlines(keepends=True)
    lines[2] = lines[2].replace("英语".encode(), "英语".encode()[:-1])
    path.write_bytes(b"".join(lines))
    with pytest.raises(DatasetError, match=r"1 bad row: line 3: byte 0xe8 is not utf-8: the file is damaged"):
        Dataset.read(path, labels=["category"])


@pytest.mark.parametrize("data", ["Café,à midi\nNoël,fête\n".encode("latin-1"), bytes(range(128, 256))])
def test_no_fitting_encoding_is_reported(tmp_path, data):
    path = tmp_path / "goals.csv"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="is not UTF-8, UTF-16 with a byte-order mark, GB18030 or Big5: save it as UTF-8"):
        Dataset.from_csv(path)


def test_a_named_encoding_is_obeyed(tmp_path):
    path = tmp_path / "goals.csv"
    path.write_bytes("text,category\n跑步,健康\n讀書,學習\n".encode("utf-16-le"))
    assert Dataset.from_csv(path, labels=["category"], encoding="utf-16-le").texts == ["跑步", "讀書"]
    path.write_bytes(SIMPLIFIED.encode("gb18030"))
    with pytest.raises(DatasetError, match="3 bad rows: line 2: byte 0xcc is not utf-8: .*or has another encoding; line 3"):
        Dataset.from_csv(path, labels=["category"], encoding="utf-8")


def test_missing_file_and_unknown_encoding(tmp_path, goals_csv):
    for suffix in SUFFIXES:
        with pytest.raises(DatasetError, match="cannot be read"):
            Dataset.read(tmp_path / f"none{suffix}")
    with pytest.raises(DatasetError, match="no encoding 'klingon'"):
        Dataset.from_csv(goals_csv, encoding="klingon")
    with pytest.raises(DatasetError, match="base64 is not an encoding of text"):
        Dataset.from_csv(goals_csv, encoding="base64")


@pytest.mark.parametrize(
    ("content", "message"),
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
def test_a_bad_csv_is_reported_in_one_line(goals_csv, content, message):
    goals_csv.write_text(content, encoding="utf-8")
    with pytest.raises(GoalkitError) as caught:
        Dataset.from_csv(goals_csv, labels=["category"])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


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
    messages = []

    @settings(max_examples=120)
    @given(content=st.one_of(st.binary(max_size=200), damaged(SOUND[suffix])), aside=st.booleans())
    def read(content, aside):
        path = folder / f"goals{suffix}"
        path.write_bytes(content)
        for reading in (
            lambda rejects: Dataset.read(path, labels=["kind"], rejects=rejects),
            lambda rejects: Dataset.from_feedback(path, tasks=[KIND], rejects=rejects),
        ):
            try:
                assert len(reading(folder / "bad.jsonl" if aside else None)) > 0
            except GoalkitError as error:
                messages.append(str(error))

    read()
    assert not any("\n" in message for message in messages)
    assert not any("\n" in message for message in messages)
