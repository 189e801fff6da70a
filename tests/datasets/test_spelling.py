"""Labels that look the same, and labels that look alike."""

import json
import logging
import unicodedata

import pandas
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from goalkit import Dataset, Task
from goalkit.cli import goalkit
from goalkit.datasets import quality_report
from goalkit.datasets.spelling import alike, bare, label_of
from goalkit.errors import DatasetError

STRAY = [
    " 健康",
    "健康 ",
    "健康\u3000",
    "健康\xa0",
    "\u2003健康\t",
    "健康\r\n",
    "\u200b健康",
    "健\u200c康",
    "健康\ufeff",
    "健康\u200e",
    "健\u00ad康",
    "健康\x00",
    "健康\u2800",
    "健康\u3164",
    "健康\U000e0101",
    "健康\u2065",
    "\u2060 健康\u2060 ",
]
SAME = [
    ("Café", "Cafe\u0301"),
    ("工作", "⼯作"),
    ("金", "\uf90a"),
    ("in progress", "in\u3000 progress"),
    ("Å", "\u212b"),
]
ALIKE = [
    ("Work", "work"),
    ("Ａ类", "A类"),
    ("学习（课）", "学习(课)"),
    ("健康", "健 康"),
    ("①", "1"),
    ("ｶﾞ", "ガ"),
    ("STRASSE", "straße"),
    ("ﬁt", "fit"),
    ("❤", "❤\ufe0f"),
]


def dataset(labels, **options):
    return Dataset.from_columns([f"跑步{number}公里" for number in range(len(labels))], {"kind": labels}, **options)


@pytest.mark.parametrize("stray", STRAY)
def test_what_nobody_sees_makes_no_label(stray, caplog):
    goals = dataset(["健康", stray, "健康", "学习"])
    assert goals.tasks == (Task("kind", ("健康", "学习")),)
    assert goals.labels["kind"] == ["健康", "健康", "健康", "学习"]
    assert (
        f"kind: spellings with only invisible differences are read as one label: 健康 ('健康' 2 rows, {stray!r} 1 row)"
        in caplog.text
    )


@pytest.mark.parametrize(("one", "other"), SAME)
def test_other_codes_for_the_same_character_make_no_label(one, other):
    assert dataset([one, other, "学习"]).tasks == (Task("kind", sorted({bare(one), "学习"})),)


def test_a_label_that_is_always_written_with_space_is_tidied_silently(caplog):
    assert dataset([" 健康", " 健康", "学习\u3000"]).tasks == (Task("kind", ("健康", "学习")),)
    assert not caplog.records


def test_the_goal_tasks_are_known_by_labels_with_space():
    goals = Dataset.from_columns(["跑步", "读书", "算账"], {"category": ["健康 ", "学习", " 理财"]})
    assert goals.tasks[0].labels == ("健康", "学习", "理财"), "in the order of the goal task"


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_labels_that_look_alike_stay_and_are_reported_or_merged_into_the_commonest(one, other, caplog):
    labels = [other, one, one, "其他"]
    assert len(dataset(labels).tasks[0].labels) == 3
    message = f"kind: labels differ only by case, width or spaces: {one} ({one!r} 2 rows, {other!r} 1 row)"
    assert message in caplog.text and "merge_labels=True (--merge-labels on the command line)" in caplog.text
    caplog.clear()
    merged = dataset(labels, merge_labels=True)
    assert merged.labels["kind"] == [one, one, one, "其他"]
    assert not caplog.records, "what was asked for is no warning"


def test_of_equally_common_labels_the_first_in_order_stays(caplog):
    caplog.set_level(logging.INFO)
    assert dataset(["work", "Work", "WORK ", "学习"], merge_labels=True).tasks[0].labels == ("WORK", "学习")
    assert (
        "kind: labels that differ only by case, width or spaces are merged: WORK ('WORK' 1 row, 'Work' 1 row, 'work' 1 row)"
        in caplog.text
    )


def test_many_groups_are_counted(caplog):
    dataset([label for number in range(8) for label in (f"a{number}", f"A{number}")])
    assert "; and 3 more; if they mean the same" in caplog.text


def test_a_task_says_how_its_labels_are_spelled():
    task = Task("kind", ("Health ", "work", "Work"))
    goals = dataset(["Health", "\u200bHealth", "Health ", "work", "Work "], tasks=[task])
    assert goals.tasks == (task,)
    assert goals.labels["kind"] == ["Health ", "Health ", "Health ", "work", "Work"]
    with pytest.raises(DatasetError, match="has the kind 'HEALTH', which is not one of Health , work, Work"):
        dataset(["HEALTH", "work"], tasks=[task])
    assert dataset(["HEALTH", "work"], tasks=[task], merge_labels=True).labels["kind"] == ["Health ", "work"]


def csv_file(folder, labels):
    path = folder / "goals.csv"
    path.write_text("".join(f'{text},"{label}"\n' for text, label in [("text", "kind"), *rows(labels)]), encoding="utf-8")
    return path


def lines_file(folder, labels):
    path = folder / "goals.jsonl"
    path.write_text("\n".join(json.dumps({"text": text, "kind": label}) for text, label in rows(labels)), encoding="utf-8")
    return path


def parquet_file(folder, labels):
    path = folder / "goals.parquet"
    pa.parquet.write_table(pa.table({"text": [text for text, _ in rows(labels)], "kind": labels}), path)
    return path


def workbook(folder, labels):
    import openpyxl

    book = openpyxl.Workbook()
    for row in [("text", "kind"), *rows(labels)]:
        book.active.append(row)
    book.save(folder / "goals.xlsx")
    return folder / "goals.xlsx"


def frame(folder, labels):
    return pandas.DataFrame(rows(labels), columns=["text", "kind"]).astype({"kind": "category"})


def hugging_face(folder, labels):
    import datasets

    classes = datasets.ClassLabel(names=list(dict.fromkeys(labels)))
    features = datasets.Features({"text": datasets.Value("string"), "kind": classes})
    columns = {"text": [text for text, _ in rows(labels)], "kind": [classes.str2int(label) for label in labels]}
    return datasets.Dataset.from_dict(columns, features=features)


def rows(labels):
    return [(f"跑步{number}公里", label) for number, label in enumerate(labels)]


SOURCES = [csv_file, lines_file, parquet_file, workbook, frame, hugging_face]


@pytest.mark.parametrize("source", SOURCES)
def test_every_way_in_behaves_the_same(source, tmp_path, caplog):
    labels = ["Health", " Health", "Health\u3000", "Health\u200b", "health", "学习", "学习\xa0"]
    found = source(tmp_path, labels)
    goals = Dataset.read(found, labels=["kind"])
    assert goals.label_counts() == {"kind": {"Health": 4, "health": 1, "学习": 2}}
    spellings = r"Health (' Health' 1 row, 'Health' 1 row, 'Health\u200b' 1 row, 'Health\u3000' 1 row); 学习 ("
    assert spellings in caplog.text
    assert "labels differ only by case, width or spaces: Health ('Health' 4 rows, 'health' 1 row)" in caplog.text
    assert Dataset.read(found, labels=["kind"], merge_labels=True).label_counts() == {"kind": {"Health": 5, "学习": 2}}
    task = Task("kind", ("health", "学习"))
    with pytest.raises(DatasetError, match="4 bad rows: .* the kind is 'Health', not one of health, 学习"):
        Dataset.read(found, labels=[task])
    assert Dataset.read(found, labels=[task], merge_labels=True).label_counts() == {"kind": {"health": 5, "学习": 2}}


@pytest.mark.parametrize("source", SOURCES[:-2])
def test_a_label_of_invisible_characters_is_empty(source, tmp_path):
    with pytest.raises(DatasetError, match="1 bad row: (line|row) [123]: the kind is empty"):
        Dataset.read(source(tmp_path, ["健康", "\u200b\u2060", "学习"]), labels=["kind"])


def test_feedback_is_matched_by_what_is_seen(tmp_path):
    path = tmp_path / "feedback.jsonl"
    entry = {"predicted": {}, "bundle": "4f3a", "time": "2026-03-01T07:30:00Z"}
    labels = ["健康 ", "学习\u200b", "健康"]
    path.write_text("\n".join(json.dumps({**entry, "text": text, "label": {"kind": label}}) for text, label in rows(labels)))
    task = Task("kind", ("健康", "学习"))
    feedback = Dataset.from_feedback(path, tasks=[task])
    assert feedback.labels["kind"] == ["健康", "学习", "健康"]
    assert len(dataset(["健康", "学习 "]).extend(feedback)) == 5, "rows of several sources go together"


@pytest.mark.parametrize(
    ("labels", "message"), [([0, 1], "has values other than strings"), (["健康", None], "has no value in row 2")]
)
def test_columns_that_are_not_strings_are_reported(labels, message):
    with pytest.raises(DatasetError, match=f"the column kind {message}"):
        dataset(labels)


def test_quality_counts_labels_that_look_alike():
    labels = ["Work", "work", "Work", "学习", "健 康", "健康"]
    report = quality_report(dataset(labels))
    (check,) = [check for check in report.checks if check.name == "alike labels of kind"]
    assert (check.value, check.state) == (2, "failed")
    assert [example.line for example in check.examples] == ["Work  2 rows", "work  1 rows", "健 康  1 rows", "健康  1 rows"]
    merged = quality_report(dataset(labels, merge_labels=True))
    assert next(check for check in merged.checks if check.name == "alike labels of kind").state == "passed"


def test_commands_tell_and_merge(tmp_path):
    path, output = csv_file(tmp_path, ["Work", "work ", "Work", "学习"]), tmp_path / "clean.csv"
    clean = ["clean", str(path), "--label", "kind", "--output", str(output)]
    assert CliRunner().invoke(goalkit, clean).exit_code == 0
    assert Dataset.read(output, labels=["kind"]).tasks[0].labels == ("Work", "work", "学习")
    assert CliRunner().invoke(goalkit, [*clean, "--merge-labels"]).exit_code == 0
    assert Dataset.read(output, labels=["kind"]).tasks[0].labels == ("Work", "学习")


invisible = st.sampled_from(
    [" ", "\u3000", "\xa0", "\t", "\n", "\u200b", "\u200c", "\ufeff", "\u2060", "\u00ad", "\x01", "\u2800"]
)
visible = st.text(st.characters(categories=["L", "N"], max_codepoint=0xFFFF), min_size=1, max_size=6).filter(bare)


@given(label=visible, before=st.lists(invisible), after=st.lists(invisible), inside=st.integers(0, 6))
def test_stray_characters_never_make_a_label(label, before, after, inside):
    other = f"{''.join(before)}{label[:inside]}\u200b{label[inside:]}{''.join(after)}"
    assert bare(other) == bare(label)
    goals = dataset([label, other, f"{bare(label)}x", other])
    assert set(goals.tasks[0].labels) == {bare(label), f"{bare(label)}x"}
    assert goals.labels["kind"][0] == goals.labels["kind"][1] == goals.labels["kind"][3]


@given(st.text())
@example("e\u200b\u0301")
@example("\u1100 \u1161")
@example("e \u200b\u0301")
def test_a_bare_label_stays_as_it_is_and_forms_of_unicode_are_one(label):
    assert bare(bare(label)) == bare(label)
    for form in ("NFC", "NFD"):
        assert bare(unicodedata.normalize(form, label)) == bare(label)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert alike(unicodedata.normalize(form, bare(label))) == alike(label)
    assert alike(bare(label)) == alike(label)


@given(st.lists(visible, min_size=2, max_size=5, unique=True))
def test_every_label_of_a_task_is_its_own_spelling(labels):
    for merge in (False, True):
        assert [label_of(label, tuple(labels), merge=merge) for label in labels] == labels


@given(st.lists(st.sampled_from(["Work", "work", "ｗork", "wo rk", "学习", " 学习", "其他"]), min_size=2, max_size=12))
def test_merging_is_the_same_in_any_order_and_done_once(labels):
    if len(set(map(alike, labels))) > 1:
        merged = dataset(labels, merge_labels=True)
        assert dataset(labels[::-1], merge_labels=True).labels["kind"] == merged.labels["kind"][::-1]
        assert dataset(merged.labels["kind"], merge_labels=True).labels == merged.labels
        assert len(merged.tasks[0].labels) == len(set(map(alike, labels)))
