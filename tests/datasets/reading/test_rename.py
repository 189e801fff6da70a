"""Values of a column, numbers and truth values among them, and the names that they get as labels."""

import json

import pandas
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalkit import Dataset, Task
from goalkit.datasets.reading import Columns
from goalkit.errors import ConfigurationError, DatasetError

COMPLETION = Task("completion", ("未开始", "进行中", "已完成"))
NUMBERS = {"completion": {0: "未开始", 2: "已完成"}}
TRUTH = {"completion": {True: "已完成", False: "未开始"}}
LABELS = {"Status": "completion"}


def written(folder, suffix, values):
    """A file with `values` in the column Status: in delimited text as they are written, elsewhere as they are."""
    texts = [f"跑步{number}公里" for number in range(len(values))]
    path = folder / f"goals{suffix}"
    if suffix == ".csv":
        lines = [f"{text},{value}" for text, value in zip(texts, values, strict=True)]
        path.write_text("\n".join(["text,Status", *lines]) + "\n", encoding="utf-8")
    elif suffix == ".jsonl":
        rows = [{"text": text, "Status": value} for text, value in zip(texts, values, strict=True)]
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    else:
        pa.parquet.write_table(pa.table({"text": texts, "Status": values}), path)
    return path


@pytest.mark.parametrize(
    ("suffix", "values"),
    [
        (".csv", ["0", "2", "2"]),
        (".csv", ["0.0", "2.0", "+2"]),
        (".csv", [" 0", "2\u3000", "\u200b2"]),
        (".jsonl", [0, 2, 2]),
        (".jsonl", [0.0, 2.0, "2"]),
        (".parquet", [0, 2, 2]),
        (".parquet", [0.0, 2.0, 2.0]),
        (".parquet", ["0", "2", "2.00"]),
    ],
)
def test_numbers_get_names_however_they_are_written(tmp_path, suffix, values):
    goals = Dataset.read(written(tmp_path, suffix, values), labels=LABELS, rename=NUMBERS)
    assert goals.labels == {"completion": ["未开始", "已完成", "已完成"]}
    assert Dataset.read(written(tmp_path, suffix, values), labels={"Status": COMPLETION}, rename=NUMBERS).tasks == (COMPLETION,)


@pytest.mark.parametrize(
    ("suffix", "values"),
    [
        (".csv", ["true", "false", "TRUE"]),
        (".csv", ["True", " False", "1"]),
        (".jsonl", [True, False, "true"]),
        (".jsonl", [1, 0, True]),
        (".parquet", [True, False, True]),
        (".parquet", [1, 0, 1]),
    ],
)
@pytest.mark.parametrize(
    "rename", [TRUTH, {"completion": {"1": "已完成", "0": "未开始"}}, {"completion": {"True": "已完成", 0: "未开始"}}]
)
def test_truth_values_get_names_and_true_is_one(tmp_path, suffix, values, rename):
    goals = Dataset.read(written(tmp_path, suffix, values), labels=LABELS, rename=rename)
    assert goals.labels == {"completion": ["已完成", "未开始", "已完成"]}


@pytest.mark.parametrize("kind", ["int64", "int8", "float64", "bool", "boolean", "Int64", "object", "category"])
def test_columns_of_frames_get_names(kind):
    frame = pandas.DataFrame({"text": ["跑步", "读书", "早睡"], "Status": pandas.Series([1, 0, 1]).astype(kind)})
    assert Dataset.read(frame, labels=LABELS, rename=TRUTH).labels == {"completion": ["已完成", "未开始", "已完成"]}


def test_columns_of_hugging_face_datasets_get_names():
    import datasets

    rows = datasets.Dataset.from_dict({"text": ["跑步", "读书", "早睡"], "Status": [2, 0, 2]})
    assert Dataset.read(rows, labels=LABELS, rename=NUMBERS).labels == {"completion": ["已完成", "未开始", "已完成"]}


@pytest.mark.parametrize(
    ("suffix", "values", "shown"),
    [
        (".csv", ["0", "2", "1", "-1", "1"], "'1' (2 rows), '-1' (1 row)"),
        (".csv", ["0", "2", "2.5", "zwei"], "'2.5' (1 row), 'zwei' (1 row)"),
        (".csv", ["0", "2", "02"], "'02' (1 row)"),
        (".jsonl", [0, 2, 1, "1", True], "1 (1 row), '1' (1 row), True (1 row)"),
        (".parquet", [0, 2, 1, 1, None], "1 (2 rows)"),
    ],
)
def test_values_without_a_name_are_listed_with_their_rows(tmp_path, suffix, values, shown):
    path = written(tmp_path, suffix, values)
    with pytest.raises(DatasetError) as caught:
        Dataset.read(path, labels=LABELS, rename=NUMBERS)
    message = str(caught.value)
    assert f"has values in Status without a name as labels of completion: {shown}; name each with rename=" in message
    assert "(--rename completion:" in message and "\n" not in message
    aside = tmp_path / "bad.jsonl"
    assert len(Dataset.read(path, labels=LABELS, rename=NUMBERS, rejects=aside)) == 2
    assert len(aside.read_text(encoding="utf-8").splitlines()) == len(values) - 2


@pytest.mark.parametrize(("suffix", "values"), [(".jsonl", [0, 2, 2]), (".parquet", [True, False]), (".parquet", [0.5, 1.5])])
def test_numbers_without_renaming_are_no_labels_and_the_error_says_what_to_do(tmp_path, suffix, values):
    with pytest.raises(DatasetError, match=r"without a name as labels of completion: .* name each with rename=\{"):
        Dataset.read(written(tmp_path, suffix, values), labels=LABELS)


def test_many_values_without_a_name_are_counted(tmp_path):
    with pytest.raises(DatasetError, match=r"0 \(1 row\), .*9 \(1 row\) and 990 more; name"):
        Dataset.read(written(tmp_path, ".parquet", list(range(1000))), labels=LABELS)


def test_words_get_names_and_new_names_stay(tmp_path):
    path = written(tmp_path, ".csv", ["Yes", "No", "已完成", " Yes\u200b"])
    goals = Dataset.read(path, labels=LABELS, rename={"completion": {"Yes": "已完成", "No": "未开始"}})
    assert goals.labels == {"completion": ["已完成", "未开始", "已完成", "已完成"]}


def test_nothing_may_get_a_name_when_asked(tmp_path):
    rename = {"completion": {"": "未开始", "x": "已完成"}}
    for suffix, values in ((".csv", ["", "x", " "]), (".jsonl", [None, "x", ""]), (".parquet", [None, "x", None])):
        goals = Dataset.read(written(tmp_path, suffix, values), labels=LABELS, rename=rename)
        assert goals.labels == {"completion": ["未开始", "已完成", "未开始"]}


def test_huge_numbers_keep_all_their_digits(tmp_path):
    huge = 2**64
    rename = {"completion": {huge: "未开始", huge + 1: "已完成"}}
    for suffix, values in ((".csv", [huge, huge + 1, f"{huge}.0"]), (".jsonl", [huge, huge + 1, str(huge)])):
        goals = Dataset.read(written(tmp_path, suffix, values), labels=LABELS, rename=rename)
        assert goals.labels == {"completion": ["未开始", "已完成", "未开始"]}


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        (
            {"completion": {0: "未开始", "0.0": "已完成"}},
            "completion '0.0' is renamed to both 未开始 and 已完成: give it one name",
        ),
        ({"completion": {True: "未开始", "1": "已完成"}}, "completion '1' is renamed to both 未开始 and 已完成"),
        ({"completion": {0: " "}}, "completion 0 is renamed to ' ': give it a name"),
        ({"completion": {0: 1}}, "completion 0 is renamed to 1: give it a name, as text"),
        ({"kind": {0: "a"}}, "rename is for kind, but the tasks are completion"),
    ],
)
def test_a_renaming_that_is_not_clear_is_refused(rename, message):
    with pytest.raises(ConfigurationError) as caught:
        Columns.of("text", LABELS, rename)
    assert message in str(caught.value)


def test_a_name_must_be_one_of_the_task_if_it_is_given_in_full(tmp_path):
    path = written(tmp_path, ".csv", ["0", "2", "2"])
    with pytest.raises(DatasetError, match="the Status is 'done', not one of 未开始, 进行中, 已完成"):
        Dataset.read(path, labels={"Status": COMPLETION}, rename={"completion": {0: "未开始", 2: "done"}})


numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans())


@given(value=numbers, other=numbers)
def test_equal_numbers_have_one_name_and_others_none(value, other):
    (column,) = Columns.of("text", LABELS, {"completion": {value: "名"}}).labels
    assert column.named(value) == "名"
    assert column.named(other) == ("名" if other == value else other)
    if not isinstance(value, float) or "e" not in repr(value):
        assert column.named(str(value)) == "名", "what str() writes of a number is that number"
