import itertools
import random
from collections import Counter
from functools import partial

import attrs
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from goalkit import GOAL_TASKS, Dataset, Task
from goalkit.datasets import duplicate_groups, near_duplicates, skeleton
from goalkit.datasets.augmentation import Augmentation, Deletion, Notes, Numbers, Swap, Synonyms, Typos, augment
from goalkit.datasets.duplicates import masked, near_duplicate_pairs
from goalkit.errors import ConfigurationError, DatasetError


def test_columns_that_collide_are_refused(goals_csv):
    with pytest.raises(
        DatasetError, match="the text column is category, the label columns are category: name each column once"
    ):
        Dataset.from_csv(goals_csv, text="category", labels=["category"])
    with pytest.raises(DatasetError, match="name each column once"):
        Dataset.from_csv(goals_csv, labels=["category", "category"])
    for labels in ({}, {"text": ["a", "b"]}, {"parent": ["a", "b"]}, {"provenance": ["a", "b"]}):
        with pytest.raises(DatasetError, match="give at least one, and none called text, provenance, parent"):
            Dataset.from_columns(["跑步", "背书"], labels)


def test_shipped_goals_with_some_of_their_tasks():
    assert Dataset.goals(["difficulty"]).tasks == (GOAL_TASKS[1],)


def test_columns_of_different_length_are_refused():
    with pytest.raises(DatasetError, match="2 texts and 1 labels for category"):
        Dataset.from_columns(["a", "b"], {"category": ["健康"]})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("跑步5公里", "跑步３公里！"),
        ("跑步五公里", "跑步10公里"),
        ("3月5日交报告", "12月31号交报告"),
        ("周五前交周报", "周二前交周报✅"),
        ("今晚洗碗", "明天洗碗"),
        ("存钱 30%", "存钱 5.5%"),
    ],
)
def test_skeleton_masks_numbers_dates_and_marks(one, other):
    assert skeleton(one) == skeleton(other)


def test_skeleton_tells_goals_apart():
    assert skeleton("跑步5公里") != skeleton("骑车5公里")


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("跑步5公里", "跑步3公里", True),
        ("跑步5公里", "跑步三公里！🏃", True),
        ("每天坚持背五十个英语单词", "每天坚持背50个英文单词", True),
        ("3月5日之前交季度总结报告", "12月31号之前交年度总结报告", True),
        ("跑步5公里", "骑车5公里", False),
        ("早睡", "早起", False),
        ("100", "200", False),
        ("👍", "🎉", False),
    ],
)
def test_near_duplicates(one, other, near):
    assert near_duplicates(one, other) == near_duplicates(other, one) == near


def test_pairs_at_the_very_limit_are_linked():
    texts = ["彻底戒酒", "想彻底戒酒", "一二三四五六七八", "跑步游泳打球下棋唱歌", "跑步游泳打球下棋跳舞"]
    assert duplicate_groups(texts).tolist() == duplicate_groups(pa.chunked_array([texts])).tolist()
    one, other, apart, left, right = duplicate_groups(texts)
    assert one == other and left == right and len({one, apart, left}) == 3


near_texts = st.lists(st.text("跑步走路读书睡觉早五个3!", min_size=1, max_size=12), min_size=1, max_size=30)


@settings(deadline=None)
@given(near_texts)
def test_groups_are_what_near_duplicates_link(texts: list[str]):
    groups = duplicate_groups(texts)
    expected = list(range(len(texts)))
    for one, other in itertools.combinations(range(len(texts)), 2):
        if near_duplicates(texts[one], texts[other]) or texts[one] == texts[other]:
            expected = [expected[one] if each == expected[other] else each for each in expected]
    for one, other in itertools.combinations(range(len(texts)), 2):
        assert (groups[one] == groups[other]) == (expected[one] == expected[other])


def test_minhash_proposes_the_pairs_that_comparing_all_finds(monkeypatch):
    random_ = random.Random(0)
    goals = [text for text in Dataset.goals().texts if len(text) > 8][:800]
    near = [text.replace(random_.choice(text), random_.choice(text)) for text in goals]
    masks = pa.array(sorted({masked(text) for text in (*goals, *near)}))
    exact = near_duplicate_pairs(masks)
    assert len(exact) > 500
    monkeypatch.setattr("goalkit.datasets.duplicates.EXACT_UP_TO", 0)
    proposed = set(map(tuple, near_duplicate_pairs(masks).tolist()))
    assert proposed <= set(map(tuple, exact.tolist()))
    assert len(proposed) >= 0.99 * len(exact)
    mixed = random_.sample(near, len(near))
    assert dict(zip(mixed, duplicate_groups(mixed), strict=True)) == dict(zip(near, duplicate_groups(near), strict=True))


def test_corpus_is_varied_and_fully_labelled():
    goals = Dataset.goals()
    assert len(goals) >= 10_000
    assert len(goals.clean()) == len(goals)
    assert len(set(duplicate_groups(goals.texts).tolist())) == len(goals)
    combinations = Counter(zip(*goals.labels.values(), strict=True))
    assert len(combinations) == 5 * 3 * 3
    assert min(combinations.values()) >= 100


def test_a_row_stays_with_what_it_was_derived_from():
    goals = Dataset.goals().take(range(0, 11_400, 114))
    derived = Dataset.from_columns(
        [f"{text[::-1]}～～换一种说法" for text in goals.texts],
        goals.labels,
        tasks=goals.tasks,
        provenance="reversal",
        parents=goals.texts,
    )
    parts = goals.extend(derived).split()
    for side in (parts.train, parts.validation, parts.test):
        parents = {parent for parent in side.table["parent"].to_pylist() if parent}
        assert parents == {
            text for text, kind in zip(side.texts, side.table["provenance"].to_pylist(), strict=True) if kind == "original"
        }


def test_rows_that_lack_a_task_cannot_be_added():
    goals = Dataset.goals()
    with pytest.raises(DatasetError, match="the rows have labels for category, not for difficulty, completion: "):
        goals.extend(Dataset.goals(["category"]))


def test_split_has_the_shares_and_balance_asked_for(splits):
    total = sum(map(len, (splits.train, splits.validation, splits.test)))
    assert len(splits.train) / total == pytest.approx(0.70, abs=0.01)
    assert len(splits.test) / total == pytest.approx(0.15, abs=0.01)
    for name, counts in splits.test.label_counts().items():
        share = {label: count / len(splits.test) for label, count in counts.items()}
        whole = {label: count / len(splits.train) for label, count in splits.train.label_counts()[name].items()}
        assert share == pytest.approx(whole, abs=0.02)


goals = st.lists(st.sampled_from(Dataset.goals().texts), min_size=30, max_size=80, unique=True)


@settings(max_examples=25, deadline=None)
@given(texts=goals, seed=st.integers(0, 5), shuffle=st.randoms())
def test_split_leaks_no_near_duplicate_and_ignores_row_order(texts: list[str], seed: int, shuffle: random.Random):
    texts = [*texts, *(f"{text}！" for text in texts[:5])]
    labels = {text: "ab"[len(text) % 2] for text in texts}

    def sides(order: list[str]) -> list[list[str]]:
        rows = Dataset.from_columns(order, {"kind": [labels[text] for text in order]}, tasks=[Task("kind", ("a", "b"))])
        parts = rows.split(seed=seed)
        return [parts.train.texts, parts.validation.texts, parts.test.texts]

    first = sides(texts)
    shuffle.shuffle(texts)
    assert sides(texts) == first
    assert sorted(sum(first, [])) == sorted(texts)
    for one, other in itertools.combinations(first, 2):
        assert not any(near_duplicates(text, twin) for text in one for twin in other)


@settings(max_examples=20, deadline=None)
@given(
    texts=goals,
    seed=st.integers(0, 5),
    kinds=st.sets(st.sampled_from((Deletion, Notes, Numbers, Swap, Synonyms, Typos)), min_size=1),
    twin=st.sampled_from(("{}！", "{}呀", "第5天，{}", "第12天，{}")),
    later=st.booleans(),
)
def test_no_text_near_duplicate_or_descendant_is_shared_by_two_sides(
    texts: list[str], seed: int, kinds: set[type[Augmentation]], twin: str, later: bool
):
    """Goals, some with a twin, and what augmentation derives from all of them, or from the training part after the split."""
    texts = list(dict.fromkeys([*texts, *map(twin.format, texts[::4])]))
    rows = Dataset.from_columns(texts, {"kind": ["ab"[len(text) % 2] for text in texts]}, tasks=[Task("kind", ("a", "b"))])
    grow = partial(augment, augmentations=[kind(strength=0.5) for kind in sorted(kinds, key=str)], copies=2, seed=seed)
    parts = rows.split(seed=seed) if later else grow(rows).split(seed=seed)
    if later:
        parts = attrs.evolve(parts, train=grow(parts.train, apart_from=[parts.validation, parts.test]))
    sides = [side.table.select(["text", "parent"]).to_pylist() for side in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, sides)) > len(rows)
    for one, other in itertools.combinations(sides, 2):
        lines = [{row["parent"] or row["text"] for row in side} for side in (one, other)]
        assert not lines[0] & lines[1]
        masks = [{masked(row["text"]) for row in side} for side in (one, other)]
        for mask, its in itertools.product(*masks):
            assert 5 * Levenshtein.distance(mask, its) > max(len(mask), len(its)), (mask, its)


def test_split_refuses_shares_that_do_not_sum_and_too_few_rows():
    rows = Dataset.from_columns(["甲", "乙"], {"kind": ["a", "b"]})
    with pytest.raises(ConfigurationError, match="must be positive and sum to 1"):
        rows.split(train=0.9, validation=0.2, test=0.1)
    with pytest.raises(DatasetError, match="too few for three parts"):
        rows.split()
