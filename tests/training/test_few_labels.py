import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from torch import nn

from goalkit import Dataset, GoalModel
from goalkit.errors import TrainingError
from goalkit.evaluation import evaluate
from goalkit.training import FewLabelsTrainer
from goalkit.training.contrastive import balanced_batches, contrastive_loss
from goalkit.training.few_labels import FALLBACK, fit_head

QUICK = {"steps": 40, "batch_size": 30, "learning_rate": 3e-3, "precision": "float32"}


@pytest.fixture
def few(splits):
    return splits.train.take(range(48))


def spread(model, rows):
    """Mean cosine between rows of one category, less that between rows of two."""
    vectors = model.embed(rows.texts)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.array(rows.labels["category"])
    alike, itself = labels[:, None] == labels, np.eye(len(labels), dtype=bool)
    cosines = vectors @ vectors.T
    return cosines[alike & ~itself].mean() - cosines[~alike].mean()


def test_a_frozen_encoder_gives_good_heads_from_few_rows(run, splits, few):
    """On an encoder that knows the tasks, as a pre-trained one would; its heads are forgotten first."""
    model = run.model.copy()
    for head in model.heads.values():
        nn.init.zeros_(head.weight)
    made = FewLabelsTrainer(tuning="frozen").fit(model, few, progress=False)
    before, after = (model.encoder.state_dict() for model in (run.model, made.model))
    assert all(torch.equal(before[name], after[name]) for name in before)
    scores = {score.task: score.accuracy for score in evaluate(made.model, splits.test)}
    assert scores["category"] > 1 / 5 + 0.25
    assert made.losses == ()


def test_contrast_draws_labels_apart_and_the_seed_decides(untrained, few):
    trainer = FewLabelsTrainer(**QUICK)
    first, second = (trainer.fit(untrained, few, progress=False) for _ in range(2))
    assert first.model.digest() == second.model.digest()
    assert spread(first.model, few) > spread(untrained, few) + 0.02
    assert first.losses[-1] < first.losses[0]


@pytest.mark.parametrize("labels", [2, 4])
def test_the_head_is_the_logistic_regression(labels):
    random = np.random.default_rng(0)
    embeddings = random.normal(3, 5, (40, 6)).astype(np.float32)
    truth = np.arange(40) % labels
    embeddings[:, 0] += 4 * truth
    head = nn.Linear(6, labels)
    strength = fit_head(head, embeddings, truth, 0)
    with torch.no_grad():
        found = softmax(head(torch.from_numpy(embeddings)).numpy(), axis=1)
    standard = (embeddings - embeddings.mean(0)) / embeddings.std(0)
    wanted = LogisticRegression(C=strength, max_iter=1000).fit(standard, truth).predict_proba(standard)
    assert found == pytest.approx(wanted, abs=1e-3)


def test_one_row_a_label_is_enough():
    rows = Dataset.from_columns(["跑步", "读书"], {"kind": ["a", "b"]})
    model = GoalModel.from_backbone(
        "tiny-bert", tasks=rows.tasks, encoder={"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2}
    )
    made = FewLabelsTrainer(**QUICK).fit(model, rows, progress=False)
    assert made.strengths == {"kind": FALLBACK}
    assert [each.labels["kind"] for each in made.model.predict(rows.texts)] == ["a", "b"]


def test_the_loss_of_a_known_case():
    """Two pairs at right angles: each anchor has its twin at cosine 1 and two others at 0."""
    embeddings = torch.tensor([[1.0, 0], [2, 0], [0, 3], [0, 4]])
    wanted = -np.log(np.exp(2) / (np.exp(2) + 2))
    assert contrastive_loss(embeddings, torch.tensor([0, 0, 1, 1]), 0.5).item() == pytest.approx(wanted)
    assert contrastive_loss(embeddings, torch.tensor([0, 1, 2, 3]), 0.5).item() == 0


def test_batches_have_as_many_of_each_label():
    labels = {"kind": np.array([0] * 20 + [1] * 2)}
    for places in balanced_batches(labels, size=8, steps=5, random=np.random.default_rng(0)):
        assert np.bincount(labels["kind"][places]).tolist() == [4, 4]


def test_what_cannot_be_learnt_from_is_refused(untrained, int8_model, splits, few, tmp_path):
    with pytest.raises(TrainingError, match="no training row has the category"):
        FewLabelsTrainer().fit(untrained, few.take([0]), progress=False)
    with pytest.raises(TrainingError, match="the encoder is compressed and cannot be tuned"):
        FewLabelsTrainer(**QUICK).fit(int8_model, few, progress=False)
    broken = untrained.copy()
    with torch.no_grad():
        broken.encoder.model.embeddings.LayerNorm.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="embeddings contain NaN or infinity"):
        FewLabelsTrainer(tuning="frozen").fit(broken, few, progress=False)
    folder = FewLabelsTrainer(tuning="frozen").fit(untrained, few, progress=False).save(tmp_path / "model")
    assert (folder / "training.json").exists()
    assert GoalModel.load(folder).tasks == untrained.tasks
