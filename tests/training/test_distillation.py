import attrs
import numpy as np
import pytest
import torch

from goalkit import GoalModel, Splits, Trainer
from goalkit.errors import TrainingError
from goalkit.training import FewLabelsTrainer
from goalkit.training.distillation import SameEmbeddings, SoftLabels, SumOfObjectives
from goalkit.training.encoding import Batch
from goalkit.training.engine import Engine

STUDENT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
TRAINER = Trainer(epochs=3, learning_rate=3e-3, batch_size=32, precision="float32", calibrate=False)


@pytest.fixture
def few(splits):
    return Splits(splits.train.take(range(128)), splits.validation.take(range(48)), splits.test)


@pytest.fixture
def student(few):
    return GoalModel.from_backbone("tiny-bert", tasks=few.train.tasks, encoder=STUDENT)


def batch_of(labels, places=None):
    places = np.arange(len(labels)) if places is None else np.array(places)
    return Batch(places, torch.zeros(len(labels), 3), torch.ones(len(labels), 3), {"kind": torch.tensor(labels)})


def test_the_losses_of_known_cases():
    probabilities = {"kind": np.float32([[0.5, 0.5], [0.9, 0.1]])}
    logits = {"kind": torch.tensor([[0.0, 0.0], [0.0, 0.0]])}
    hard = SoftLabels(probabilities=probabilities, share=0)
    assert hard.loss(logits, batch_of([0, 1])).item() == pytest.approx(2 * np.log(2))
    soft = SoftLabels(probabilities=probabilities, share=1, temperature=1)
    assert soft.loss(logits, batch_of([0, 1])).item() == pytest.approx(0.9 * np.log(1.8) + 0.1 * np.log(0.2))
    assert soft.loss({"kind": torch.zeros(1, 2)}, batch_of([0], places=[0])).item() == pytest.approx(0, abs=1e-6)
    same = SameEmbeddings(embeddings=np.float32([[1, 0], [0, 2]]), direction=1, likeness=1)
    assert same.loss({"embedding": torch.tensor([[3.0, 0], [0, 1]])}, batch_of([0, 1])).item() == pytest.approx(0, abs=1e-6)
    # the second text points the first one's way: one cosine distance of 1, two of four likenesses off by 1
    assert same.loss({"embedding": torch.tensor([[3.0, 0], [1, 0]])}, batch_of([0, 1])).item() == pytest.approx(2 * (0.5 + 0.5))


def test_a_student_of_soft_labels_is_nearer_to_its_teacher(run, few, student, splits):
    soft = SoftLabels.of([run.model], few.train.texts, unlabelled=splits.train.texts[128:512], share=1)
    wanted = run.model.predict_probabilities(few.test.texts)
    distance = {}
    for name, objective in (("labels", None), ("teacher", soft)):
        model = attrs.evolve(TRAINER, epochs=5).fit(student, few, objective=objective, progress=False).model
        found = model.predict_probabilities(few.test.texts)
        distance[name] = np.mean([np.abs(found[task] - wanted[task]).mean() for task in wanted])
    assert distance["teacher"] < 0.9 * distance["labels"]


def cosines(embeddings):
    directions = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return directions @ directions.T


@pytest.mark.parametrize(("width", "settings"), [(64, {}), (128, {"direction": 0})])
def test_a_student_of_embeddings_finds_the_same_texts_alike(run, few, untrained, width, settings):
    taught = run.model.embed([*few.train.texts, *few.test.texts[:64]])
    taught = np.tile(taught - taught.mean(0), width // taught.shape[1])
    objective = SameEmbeddings(embeddings=taught[:128], **settings)
    student = attrs.evolve(TRAINER, epochs=6).fit(untrained, few, objective=objective, progress=False).model
    wanted = cosines(taught[128:])
    before, after = (np.abs(cosines(each.embed(few.test.texts[:64])) - wanted).mean() for each in (untrained, student))
    assert after < 0.7 * before


def characters_of(texts):
    """Embeddings that say which characters a text has, and nothing of the tasks."""
    found = np.zeros((len(texts), 64), np.float32)
    for row, text in enumerate(texts):
        for character in text:
            found[row, ord(character) % 64] += 1
    return found - found.mean(0)


def test_a_sum_of_objectives_teaches_both_of_them(run, few, untrained, splits):
    texts = [*few.train.texts, *splits.train.texts[128:256]]
    taught = characters_of([*texts, *few.test.texts[:64]])
    soft = SoftLabels.of([run.model], few.train.texts, unlabelled=splits.train.texts[128:256], share=1)
    both = SumOfObjectives((soft, SameEmbeddings(embeddings=taught[:256])))
    trainer = attrs.evolve(TRAINER, epochs=12)
    alone, student = (trainer.fit(untrained, few, objective=each, progress=False).model for each in (soft, both))
    wanted = run.model.predict_probabilities(few.test.texts)
    answers = [each.predict_probabilities(few.test.texts) for each in (untrained, student)]
    before, after = (np.mean([np.abs(each[task] - wanted[task]).mean() for task in wanted]) for each in answers)
    assert after < 0.8 * before
    likeness = cosines(taught[256:])
    one, two = (np.abs(cosines(each.embed(few.test.texts[:64])) - likeness).mean() for each in (alone, student))
    assert two < 0.75 * one


def test_objectives_with_data_for_different_texts_are_not_added():
    short, long = (SameEmbeddings(embeddings=np.ones((rows, 4), np.float32)) for rows in (2, 3))
    with pytest.raises(TrainingError, match="give all of them the same texts"):
        SumOfObjectives((short, long))


def stop_at(monkeypatch, number):
    step = Engine.step

    def stopping(self, batches, done, rate):
        if done == number:
            raise KeyboardInterrupt
        return step(self, batches, done, rate)

    monkeypatch.setattr(Engine, "step", stopping)


def test_a_distillation_that_was_interrupted_resumes_with_the_same_teacher_alone(run, few, student, tmp_path, monkeypatch):
    objective = SoftLabels(probabilities=run.model.predict_probabilities(few.train.texts))
    whole = TRAINER.fit(student, few, objective=objective, progress=False)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        stop_at(patched, 6)
        TRAINER.fit(student, few, objective=objective, folder=tmp_path / "run", progress=False)
    settings = {"folder": tmp_path / "run", "resume": True, "progress": False}
    with pytest.raises(TrainingError, match=r"the checkpoint in .* does not match this training run \(different objective\)"):
        TRAINER.fit(student, few, objective=attrs.evolve(objective, temperature=4), **settings)
    assert TRAINER.fit(student, few, objective=objective, **settings).model.digest() == whole.model.digest()


def test_contrastive_tuning_is_logged_and_resumed(untrained, few, tmp_path, monkeypatch):
    trainer = FewLabelsTrainer(steps=12, batch_size=30, learning_rate=3e-3, precision="float32")
    whole = trainer.fit(untrained, few.train, progress=False)
    settings = {"folder": tmp_path / "run", "checkpoint_steps": 4, "progress": False}
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        stop_at(patched, 9)
        trainer.fit(untrained, few.train, **settings)
    resumed = trainer.fit(untrained, few.train, resume=True, **settings)
    assert resumed.model.digest() == whole.model.digest()
    assert resumed.losses == whole.losses
    assert (tmp_path / "run" / "log.jsonl").exists()
    with pytest.raises(TrainingError, match="tuning='frozen' has no steps to log or to resume"):
        FewLabelsTrainer(tuning="frozen").fit(untrained, few.train, folder=tmp_path / "run")


@attrs.frozen
class Always:
    """A teacher that is sure of one label of each task."""

    tasks: tuple
    label: int

    def predict_probabilities(self, texts):
        return {task.name: np.eye(len(task.labels), dtype=np.float32)[[self.label] * len(texts)] for task in self.tasks}


def test_texts_without_labels_learn_from_the_teachers_alone(few, student):
    teachers = [Always(student.tasks, 0), Always(student.tasks, 1)]
    texts = few.train.texts
    soft = SoftLabels.of(teachers, texts, unlabelled=["读书", *few.test.texts[:100]], share=1, temperature=1)
    assert soft.probabilities["category"].shape == (229, 5)
    assert soft.probabilities["category"][-1].tolist() == [0.5, 0.5, 0, 0, 0]
    model = attrs.evolve(TRAINER, epochs=4).fit(student, few, objective=soft, progress=False).model
    assert all(np.abs(each[:, :2] - 0.5).max() < 0.2 for each in model.predict_probabilities(few.test.texts[:100]).values())
    hard = SoftLabels.of(teachers, texts, unlabelled=few.test.texts[:100], share=0)
    plain = SoftLabels.of(teachers, texts, share=0)
    batch = attrs.evolve(batch_of([0, 1]), labels={"kind": torch.tensor([0, -1])})
    logits = {"kind": torch.tensor([[1.0, 0], [5.0, 0]])}
    alone = SoftLabels(probabilities={"kind": np.float32([[1, 0], [1, 0]])}, share=0)
    assert alone.loss(logits, batch).item() == pytest.approx(np.log(1 + np.exp(-1))), "no label, no cross-entropy"
    assert hard.fingerprint() != plain.fingerprint()


def test_a_teacher_of_other_rows_is_refused(few, student):
    with pytest.raises(TrainingError, match="there is no teacher to learn from"):
        SoftLabels.of([], few.train.texts)
    soft = SoftLabels.of([Always(student.tasks, 0)], few.train.texts[:100])
    same = SameEmbeddings(embeddings=np.zeros((100, 32), np.float32))
    for objective in (soft, same):
        with pytest.raises(TrainingError, match="has data for 100 texts, and there are 128 training rows"):
            TRAINER.fit(student, few, objective=objective, progress=False)
