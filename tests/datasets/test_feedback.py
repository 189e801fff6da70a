import json
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goalkit import Dataset, Task
from goalkit.errors import DatasetError

TASKS = (Task("kind", ("健康", "学习")), Task("level", ("易", "难")))
EASY = {"kind": "健康", "level": "易"}
DATA_PAGE = Path(__file__).parents[2] / "docs" / "data.md"


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
    assert "1 texts only rated wrong, 2 without all labels" in caplog.text


def test_the_example_of_the_docs_extends_the_goals(tmp_path):
    _, example = re.findall(r"```json\n(.*?)```", DATA_PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "feedback.jsonl"
    path.write_text(example, encoding="utf-8")
    rows = Dataset.from_feedback(path)
    assert rows.labels == {"category": ["健康"], "difficulty": ["中等"], "completion": ["进行中"]}
    assert len(Dataset.goals().extend(rows)) == len(Dataset.goals()) + 1


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
        (entry("跑步", rating="useful", time="yesterday"), "the time is 'yesterday', not in ISO 8601"),
        (entry("跑步", rating="useful", bundle=None), "no bundle"),
    ],
)
def test_malformed_feedback_is_a_bad_row(tmp_path, line, reason):
    good = entry("读书", rating="useful")
    with pytest.raises(DatasetError, match=f"1 bad row: line 2: {reason}"):
        feedback(tmp_path, good, line)
    assert len(feedback(tmp_path, good, line, rejects=tmp_path / "bad.jsonl")) == 1
    assert json.loads((tmp_path / "bad.jsonl").read_text(encoding="utf-8"))["line"] == 2


def test_a_line_that_a_crash_cut_off_is_distinguished_from_a_damaged_one(tmp_path):
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


def test_feedback_that_teaches_nothing_is_reported(tmp_path):
    with pytest.raises(
        DatasetError, match="has no text with all labels: 1 texts are only rated wrong, 1 lack a label of kind, level"
    ):
        feedback(tmp_path, entry("跑步", rating="wrong"), entry("读书", label={"kind": "学习"}))


def test_any_feedback_is_read_or_refused(tmp_path):
    path = tmp_path / "feedback.jsonl"
    messages = []
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
            messages.append(str(error))

    read()
    assert not any("\n" in message for message in messages)
