from pretraining import goals, relatives
from pretraining.relatives import like_goals, recombined
from pretraining.texts import normalized

GOALS = ["每天跑步5公里", "背五十个单词", "存下两万元", "读完《活着》"]
TALK = [f"{who}{what}" for who in "你我他她" for what in ("好吗", "昨天没有来", "不知道", "笑了起来", "喜欢这部电影", "是谁呢")]


def test_recombined_texts_are_new_and_made_of_goals():
    found = recombined(GOALS, 50)
    assert len(set(found)) == 50
    assert not set(found) & set(GOALS)
    assert set("".join(found)) <= set("".join(GOALS)) | set("0123456789")
    assert recombined(GOALS, 50) == found
    assert recombined(GOALS, 50, seed=1) != found


def test_texts_like_goals_are_found_among_others(monkeypatch):
    monkeypatch.setattr(relatives, "CONTRAST", 12)  # without the goal among the texts, here
    assert like_goals([*TALK, "每天跑步3公里"], GOALS, 1) == ["每天跑步3公里"]


def test_no_text_that_is_scored_is_among_the_texts_of_the_second_stage(monkeypatch):
    monkeypatch.setattr(goals, "RECOMBINED", 200)
    monkeypatch.setattr(goals, "EVERYDAY", 100)
    texts = [*TALK, "每天跑步3公里！", "背二十个单词。"]
    assert {"每天跑步3公里！", "背二十个单词。"} < set(goals.related_texts(GOALS, texts, []))
    found = goals.related_texts(GOALS, texts, ["每天跑步3公里", "背二十个单词", GOALS[0]])
    assert len(found) > 200
    assert not {"每天跑步3公里", "背二十个单词"} & {normalized(text) for text in found}
