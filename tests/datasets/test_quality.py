import json
import random
import re
import statistics
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from goalkit import Dataset, Splits, Task
from goalkit.backbones import vocabulary_from_texts
from goalkit.cli import goalkit
from goalkit.datasets import GOAL_LIMITS, QualityLimits, quality_report
from goalkit.datasets.quality.texts import garbled
from goalkit.errors import ConfigurationError, DatasetError, StorageError
from goalkit.tokenization import WordPieceTokenizer

DOCS = Path(__file__).parents[2] / "docs"
CATEGORY = Task("category", ("健康", "工作"))
CHINESE_GOALS = [text for text in Dataset.goals().texts if len(re.findall("[一-鿿]", text)) >= 3]


def labelled(texts, labels, task=CATEGORY):
    return Dataset.from_columns(texts, {task.name: labels}, tasks=[task])


@pytest.fixture(scope="module")
def base():
    """800 goals of two categories that n-grams tell apart, as texts and labels, one category after the other."""
    goals = Dataset.goals(["category"])
    rows = zip(goals.texts, goals.labels["category"], strict=True)
    taken = {label: [] for label in CATEGORY.labels}
    for number, (text, label) in enumerate(rows):
        if label in taken and number % 22 < 4:
            taken[label].append(text)
    texts = sum(taken.values(), [])
    return texts, [label for label, chosen in taken.items() for _ in chosen]


def failed(dataset, **options):
    return {check.name for check in quality_report(dataset, **options).failed}


def check_of(report, name):
    return next(check for check in report.checks if check.name == name)


def test_well_made_goals_pass_and_what_was_not_given_is_not_measured(base):
    report = quality_report(labelled(*base))
    assert report.passed
    report.raise_if_failed()
    assert [check.name for check in report.checks if check.state == "not measured"] == [
        "unknown characters",
        "unknown tokens",
        "label drift",
        "length drift",
        "domain drift",
        "leaks",
        "agreement on category",
    ]


def replaced(count, make):
    return lambda texts, labels: ([make(text) if row < count else text for row, text in enumerate(texts)], labels)


def added(count, make, *, mislabelled=False):
    def spoil(texts, labels):
        given = [CATEGORY.labels[mislabelled] for _ in range(count)]  # the first rows are of the first label
        return [*texts, *(make(text, row) for row, text in enumerate(texts[:count]))], [*labels, *given]

    return spoil


def in_latin(text):
    return "".join(chr(ord("a") + ord(character) % 26) for character in text)


FAULTS = {
    "empty texts": replaced(1, lambda text: "\u3000"),
    "garbled texts": replaced(2, lambda text: f"{text[:-1]}\ufffd"),
    "invisible characters": replaced(2, lambda text: f"{text}\u200b"),
    "no Chinese": replaced(60, in_latin),
    "too long": replaced(12, lambda text: f"{text}，" * 60),
    "repeated texts": added(15, lambda text, row: f" {text}"),
    "near-duplicates": added(30, lambda text, row: f"{text}！"),
    "templates": added(12, lambda text, row: f"{row}号前量一次血压"),
    "same text, other label": added(2, lambda text, row: text, mislabelled=True),
    "near-duplicate, other label": added(15, lambda text, row: f"{text}✅", mislabelled=True),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_defect_fails_its_own_check_and_shows_where(base, name):
    report = quality_report(labelled(*FAULTS[name](*base)))
    assert {check.name for check in report.failed} == {name}
    examples = check_of(report, name).examples
    assert examples and all(example.row for example in examples)
    with pytest.raises(DatasetError, match=f"the data miss 1 limits: {name} is .*%, not at most"):
        report.raise_if_failed()


@pytest.mark.parametrize(
    ("counts", "names"),
    [
        ([45, 114, 114, 114, 113], {"balance of kind"}),
        ([280, 55, 55, 55, 55], {"ratio of kind"}),
        ([500, 1], {"balance of kind", "ratio of kind"}),
    ],
)
def test_uneven_labels_fail(counts, names):
    labels = sum([[f"label {number}"] * count for number, count in enumerate(counts)], [])
    report = quality_report(Dataset.from_columns(Dataset.goals().texts[: len(labels)], {"kind": labels}))
    assert {check.name for check in report.failed if "of kind" in check.name and "likely" not in check.name} == names


def test_a_label_and_a_combination_without_rows_fail():
    texts = Dataset.goals().texts[:40]
    absent = quality_report(labelled(texts, ["a", "b"] * 20, Task("kind", ("a", "b", "c"))))
    assert {check.name for check in absent.failed} == {"balance of kind"}
    assert check_of(absent, "ratio of kind").detail == "c has no rows at all"
    tied = Dataset.from_columns(texts, {"one": ["a", "b"] * 20, "two": ["c", "d"] * 20})
    assert failed(tied) == {"balance of combinations"}


@pytest.mark.parametrize(("encoding", "found"), [("latin-1", 0.99), ("gb18030", 0.95)])
def test_chinese_read_with_a_wrong_encoding_is_garbled_and_only_then(encoding, found):
    texts = CHINESE_GOALS[::5]
    assert not any(map(garbled, texts))
    assert statistics.mean(garbled(text.encode().decode(encoding, "replace")) for text in texts) >= found


def test_characters_and_tokens_unknown_to_a_vocabulary_fail(base):
    texts, labels = base
    known = WordPieceTokenizer(vocabulary_from_texts(texts))
    assert failed(labelled(texts, labels), vocabulary_of=known) == set()
    report = quality_report(labelled([text.replace("了", "龘") for text in texts], labels), vocabulary_of=known)
    assert {check.name for check in report.failed} == {"unknown characters", "unknown tokens"}
    example = check_of(report, "unknown characters").examples[0]
    assert example.text == "龘"
    assert example.note == f"{''.join(texts).count('了')} times"


def test_likely_label_errors_are_the_planted_ones(base):
    texts, labels = base
    planted = set(random.Random(0).sample(range(len(texts)), 70))
    flipped = [CATEGORY.labels[label == CATEGORY.labels[0]] if row in planted else label for row, label in enumerate(labels)]
    report = quality_report(labelled(texts, flipped))
    assert {check.name for check in report.failed} == {"likely label errors of category"}
    suspects = [example.row - 1 for example in report.failed[0].examples]
    assert len(suspects) == 20
    assert len(planted & set(suspects)) >= 15
    assert report.failed[0].examples[0].text in texts[suspects[0]]


def test_labels_that_mean_nothing_are_not_learnt(base):
    texts, labels = base
    shuffled = random.Random(0).sample(labels, len(labels))
    names = {"baseline accuracy on category", "baseline macro-F1 on category", "likely label errors of category"}
    assert failed(labelled(texts, shuffled)) == names


@pytest.mark.parametrize(
    "texts", [[chr(0x4E00 + row) for row in range(200)], ["跑步", "读书", "睡觉"]], ids=["nothing alike", "few"]
)
def test_what_cannot_be_learned_from_is_not_measured(texts):
    report = quality_report(labelled(texts, [CATEGORY.labels[row % 2] for row in range(len(texts))]))
    assert check_of(report, "baseline accuracy on category").state == "not measured"


def test_one_label_in_one_group_of_near_duplicates_is_learnt_without_a_crash(base):
    texts = [text for text in base[0] if len(text) > 12][:100]
    report = quality_report(
        labelled(
            [*texts, *(f"每天早上六点起床跑步{row}公里" for row in range(8))],
            [CATEGORY.labels[0]] * 100 + [CATEGORY.labels[1]] * 8,
        )
    )
    assert check_of(report, "baseline accuracy on category").value == pytest.approx(100 / 108)


def test_alike_splits_pass_and_others_fail(base):
    texts, labels = base
    rows = labelled(texts, labels)
    even, odd, rest = (rows.take(range(first, len(texts), 3)) for first in range(3))
    assert failed(rows, splits=Splits(even, odd, rest)) == set()

    half = len(texts) // 2
    one_label = Splits(even, odd, rest.take([*range(len(rest) // 2), *range(len(rest) - 40, len(rest))]))
    assert "label drift" in failed(rows, splits=one_label)
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    long, short = rows.take(order[half:]), rows.take(order[:half])
    assert "length drift" in failed(rows, splits=Splits(long, long, short))
    other = labelled(
        [re.sub("[一-鿿]", lambda each: chr(ord(each[0]) + 1), text) for text in rest.texts], rest.labels["category"]
    )
    assert failed(rows, splits=Splits(even, odd, other)) == {"domain drift"}


def test_a_near_duplicate_or_a_parent_on_another_side_is_a_leak(base):
    texts, labels = base
    rows = labelled(texts, labels)
    train, validation, test = (rows.take(range(first, len(texts), 3)) for first in range(3))
    near = labelled([f"{train.texts[0]}！"], [train.labels["category"][0]])
    report = quality_report(rows, splits=Splits(train, validation.extend(near), test))
    assert {check.name for check in report.failed} == {"leaks"}
    assert {example.text for example in report.failed[0].examples} == {train.texts[0], f"{train.texts[0]}！"}
    derived = Dataset.from_columns(
        ["换个完全不同的说法来讲"],
        {"category": [CATEGORY.labels[0]]},
        tasks=[CATEGORY],
        provenance="paraphrase",
        parents=[train.texts[3]],
    )
    assert failed(rows, splits=Splits(train, validation, test.extend(derived))) == {"leaks"}


def test_agreement_is_cohens_kappa():
    # po = (20 + 15) / 50, pe = 0.5 * 0.6 + 0.5 * 0.4, so kappa = (0.7 - 0.5) / 0.5
    texts = Dataset.goals().texts[:50]
    first, second = ["a"] * 25 + ["b"] * 25, ["a"] * 20 + ["b"] * 5 + ["a"] * 10 + ["b"] * 15
    task = Task("kind", ("a", "b"))
    again = labelled(["不在其中", *reversed(texts)], ["a", *reversed(second)], task)
    report = quality_report(labelled(texts, first, task), relabelled=again)
    assert {check.name for check in report.failed} == {"agreement on kind"}
    (check,) = report.failed
    assert check.value == pytest.approx(0.4)
    assert check.detail == "Cohen's kappa; 15 of 50 texts are labelled differently"
    assert [example.row for example in check.examples] == list(range(21, 36))
    assert check.examples[0].note == "a here, b in the second labelling"
    with pytest.raises(DatasetError, match="has 0 texts and the tasks kind in common"):
        quality_report(labelled(texts, first, task), relabelled=labelled(["甲", "乙"], ["a", "b"], task))


class Page(HTMLParser):
    """Checks that every element is closed, and keeps what a browser would fetch."""

    def __init__(self, text):
        super().__init__()
        self.open, self.fetched, self.tags, self.words = [], [], set(), ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.fetched += [value for name, value in attributes if name in {"src", "href", "srcset", "data"}]
        if tag not in {"meta", "rect", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def test_page_needs_nothing_beside_it_and_escapes_what_it_quotes(base):
    texts, labels = base
    hostile = '<script>alert("跑步")</script>'
    report = quality_report(
        Dataset.from_columns([hostile, f"{hostile}！", *texts], {"category": ["<b>x</b>", "健康", *labels]}),
        remarks=["<i>remark</i>"],
        vocabulary_of="tiny-bert",
    )
    page = Page(report.html())
    assert page.fetched == []
    assert not page.tags & {"script", "link", "img", "iframe", "i>"}
    assert "url(" not in report.html() and "http:" not in report.html() and "https:" not in report.html()
    for quoted in (hostile, "<b>x</b>", "<i>remark</i>"):
        assert quoted in page.words
        assert quoted not in report.html()
    for check in report.checks:
        assert check.name in page.words


def test_invisible_characters_are_spelt_out(base):
    report = quality_report(labelled(["跑步\u202e完\u0007成", *base[0]], ["健康", *base[1]]), limits=QualityLimits(invisible=0))
    assert report.failed[0].examples[0].text == "跑步\\u202e完\\u0007成"
    assert "\u202e" not in report.html()


def test_same_rows_give_the_same_bytes_and_one_bad_path_changes_nothing(base, tmp_path):
    rows = labelled(*base)
    first, second = (quality_report(rows, splits=rows.split(), vocabulary_of="tiny-bert") for _ in range(2))
    for name in ("report.html", "report.json"):
        one = first.save(tmp_path / name).read_bytes()
        assert second.save(tmp_path / "deeper" / name).read_bytes() == one
    saved = json.loads((tmp_path / "report.json").read_bytes())
    assert saved["passed"] == first.passed
    assert saved["sections"][0]["checks"][0]["state"] == "passed"
    with pytest.raises(ConfigurationError, match=r"ends in neither \.html nor \.json"):
        first.save(tmp_path / "report.pdf")
    with pytest.raises(StorageError, match="cannot write"):
        first.save(tmp_path / "report.html" / "inside.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deeper", "report.html", "report.json"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    report = quality_report(labelled(["跑步", "开会"], list(CATEGORY.labels)))
    path = report.save(tmp_path / "report.json")
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        report.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_aligned(base):
    lines = [line for line in quality_report(labelled(*base)).text().split("\n") if line.startswith("  ")]
    assert len({re.search("at (most|least)", line).start() for line in lines}) == 1


def test_bad_settings_and_empty_texts_are_reported():
    with pytest.raises(ConfigurationError, match="garbled is 1.5: it must be at least 0 and at most 1"):
        QualityLimits(garbled=1.5)
    with pytest.raises(DatasetError, match="none of the 2 texts has a visible character"):
        quality_report(labelled([" ", "\u200b"], list(CATEGORY.labels)))


def test_many_rows_are_sampled_and_the_report_says_so(base, monkeypatch):
    monkeypatch.setattr("goalkit.datasets.quality.inspection.SAMPLE", 300)
    report = quality_report(labelled(*base))
    assert report.rows == len(base[0])
    assert report.learned_from == 300
    assert report.remarks == (f"Models learned from 300 of the {len(base[0]):,} rows, drawn at random with seed 0.",)


def test_command_prints_saves_and_exits_with_3(base, tmp_path):
    data, page = tmp_path / "goals.csv", tmp_path / "report.html"
    lines = [f"[b]{text.replace(',', '，').replace(chr(34), '')}[/b],{label}" for text, label in zip(*base, strict=True)]
    data.write_text("\n".join(["text,category", "锟斤拷,健康", "锟斤拷,健康", *lines, ""]), encoding="utf-8")
    arguments = ["quality", "--data", str(data), "--label", "category", "--output", str(page)]
    done = CliRunner().invoke(goalkit, arguments)
    assert done.exit_code == 3, done.output
    assert "FAILED garbled texts" in done.output and "row 1: 锟斤拷" in done.output
    assert "锟斤拷" in page.read_text(encoding="utf-8")
    assert CliRunner().invoke(goalkit, ["quality", "--output", "report.pdf"]).exit_code == 2
    data.write_text("text,category\n跑步,健康\n开会,工作\n", encoding="utf-8")
    done = CliRunner().invoke(goalkit, ["quality", "--data", str(data), "--label", "category"])
    assert done.exit_code == 0, done.output
    assert "The rows cannot be split: 2 rows are too few" in done.output


def test_shipped_goals_keep_every_limit_and_the_docs_are_of_these_goals():
    goals, results = Dataset.goals(), DOCS.parent / "benchmarks" / "results"
    again = Dataset.from_csv(results / "relabelled.csv")
    report = quality_report(
        goals, splits=goals.clean().split(), relabelled=again, vocabulary_of="tiny-bert", limits=GOAL_LIMITS
    )
    assert report.passed
    saved = json.loads((results / "corpus.json").read_bytes())
    stale = "run python -m benchmarks corpus"
    assert saved["digest"] == goals.digest(), stale
    assert goals.digest() in (DOCS / "goal-corpus-report.html").read_text(encoding="utf-8"), stale
    measured = {check["name"]: check for check in saved["checks"]}
    page = (DOCS / "goal-corpus.md").read_text(encoding="utf-8")
    for section in report.sections:
        for check in section.checks:
            if section.name not in ("Learned", "Splits"):  # what a model says may differ a little from machine to machine
                assert measured[check.name]["value"] == check.value_text, stale
            assert f"| {check.name} | {measured[check.name]['value']} | {check.limit_text} | passed |" in page, stale
