import gzip
import json

import pytest

from goalkit import Dataset
from pretraining.texts import training_texts

SENTENCES = ["今天下雨了，我们不出门。", "这道菜很好吃", "周末去爬山！带上孩子和水壶", "这道菜很好吃"]
SCORED = ["股市今天大涨", "怎么退货", "头疼怎么办", "明天天气如何", "播放一首歌", "导航去机场", "骑行十二公里"]


@pytest.fixture
def data(tmp_path):
    """The folder of benchmarks' sets, each with one text, in the formats of the real ones."""
    (tmp_path / "everyday").mkdir()
    goal = Dataset.goals().clean().split(seed=0).test.texts[0]
    lines = [*SENTENCES, *(f"{text}！" for text in SCORED), goal]
    with gzip.open(tmp_path / "everyday" / "open.txt.gz", "wt", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
    files = {
        "thucnews_titles/dev.txt": f"{SCORED[0]}\t3\n",
        "thucnews_titles/test.txt": "",
        "cic/cic_test_public.json": json.dumps({"sentence": SCORED[1], "label": "退货"}, ensure_ascii=False) + "\n" * 2,
        "kuake_qic/KUAKE-QIC_dev.json": json.dumps([{"query": SCORED[2]}]),
        "smp2017/train.tsv": f"{SCORED[3]}\tweather\n",
        "smp2019/2019_train.json": json.dumps([{"text": SCORED[4]}]),
        "smp2020/2020_test.json": json.dumps([{"text": SCORED[5]}]),
        "smp2020/2020_train.json": json.dumps([{"text": SENTENCES[1]}]),
        "goals_people/test.tsv": f"text\tcategory\n{SCORED[6]}\t健康\n",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path


def test_no_text_that_is_scored_and_no_goal_is_learned_from(data):
    texts = training_texts(data, clauses=0)
    assert sorted(texts) == sorted(set(SENTENCES))


def test_clauses_are_added_and_the_seed_decides(data):
    texts = training_texts(data, clauses=1)
    assert texts.count(SENTENCES[1]) == 1
    assert len({"今天下雨了", "我们不出门"} & set(texts)) == 1
    assert texts == training_texts(data, clauses=1)
    assert any(texts != training_texts(data, clauses=1, seed=seed) for seed in range(1, 4))
