import attrs
import numpy as np
import pytest
import torch

from goalkit import Compressor
from goalkit.errors import StorageError, TrainingError
from goalkit.training import Distiller, cached_embeddings, teachers
from goalkit.training.engine import Engine
from goalkit.training.processes import Processes

DISTILLER = Distiller(epochs=4, learning_rate=3e-3, batch_size=32, precision="float32")


@attrs.define
class Characters:
    """A teacher that knows which characters a text has."""

    width: int = 96
    name: str = "characters"
    calls: int = 0
    fails_at: int | None = None
    value: float = 1.0

    def digest(self):
        return self.name

    def embed(self, texts):
        if self.calls == self.fails_at:
            raise KeyboardInterrupt
        self.calls += 1
        found = np.zeros((len(texts), self.width), np.float32)
        for row, text in enumerate(texts):
            for character in text:
                found[row, ord(character) % self.width] += self.value
        return found


@pytest.fixture
def texts(splits):
    return splits.train.texts[:160]


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(teachers, "CHUNK", 64)


def cosines(embeddings):
    directions = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return directions @ directions.T


@pytest.mark.parametrize("width", [64, 96], ids=["the width of the model", "another width"])
def test_a_student_finds_alike_what_its_teacher_finds_alike(untrained, texts, splits, tmp_path, width):
    teacher, others = Characters(width), splits.test.texts[:64]
    run = DISTILLER.fit(untrained, texts, teacher, folder=tmp_path, progress=False)
    taught = teacher.embed([*texts, *others])
    wanted = cosines(taught[160:] - taught[:160].mean(0))
    before, after = (np.abs(cosines(each.embed(others)) - wanted).mean() for each in (untrained, run.model))
    assert after < 0.7 * before
    np.testing.assert_array_equal(run.model.heads["category"].weight.detach(), untrained.heads["category"].weight.detach())


def test_embeddings_are_computed_once_and_continued_after_an_interruption(texts, tmp_path, small_chunks):
    whole = cached_embeddings(Characters(), texts, tmp_path / "whole", progress=False)
    with pytest.raises(KeyboardInterrupt):
        cached_embeddings(Characters(fails_at=2), texts, tmp_path / "cut", progress=False)
    rest = Characters()
    found = cached_embeddings(rest, texts, tmp_path / "cut", progress=False)
    assert rest.calls == 1
    np.testing.assert_array_equal(found, whole)
    np.testing.assert_array_equal(found, Characters().embed(texts))
    cached_embeddings(rest, texts, tmp_path / "cut", progress=False)
    assert rest.calls == 1


def test_embeddings_are_those_of_the_teacher_and_of_the_texts(texts, tmp_path, small_chunks):
    def found(texts, teacher):
        before = teacher.calls
        np.testing.assert_array_equal(cached_embeddings(teacher, texts, tmp_path, progress=False), teacher.embed(texts))
        return teacher.calls - before - 1

    assert found(texts[:128], Characters()) == 2
    assert found(texts, Characters()) == 1
    assert found(texts[:100], Characters()) == 1
    assert found(texts[::-1], Characters()) == 3
    assert found(texts, Characters(name="another", value=2.0)) == 3


def test_processes_share_the_embeddings(texts, tmp_path, small_chunks, monkeypatch):
    first, second = Characters(), Characters()

    def other_process(process):
        if process.rank == 0:
            monkeypatch.setattr(Processes, "current", lambda: Processes(1, 2, process.device))
            cached_embeddings(second, texts, tmp_path, progress=False)

    monkeypatch.setattr(Processes, "wait", other_process)
    monkeypatch.setattr(Processes, "current", lambda: Processes(0, 2, torch.device("cpu")))
    found = cached_embeddings(first, texts, tmp_path, progress=False)
    assert (first.calls, second.calls) == (2, 1)
    np.testing.assert_array_equal(found, Characters().embed(texts))


def test_a_distillation_is_resumed_to_the_same_weights(untrained, texts, tmp_path, monkeypatch):
    whole = DISTILLER.fit(untrained, texts, Characters(), folder=tmp_path / "whole", progress=False)
    step = Engine.step

    def stopping(self, batches, number, rate):
        if number == 7:
            raise KeyboardInterrupt
        return step(self, batches, number, rate)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "step", stopping)
        with pytest.raises(KeyboardInterrupt):
            DISTILLER.fit(untrained, texts, Characters(), folder=tmp_path / "cut", checkpoint_steps=3, progress=False)
    settings = {"folder": tmp_path / "cut", "resume": True, "progress": False}
    assert DISTILLER.fit(untrained, texts, Characters(), **settings).model.digest() == whole.model.digest()
    with pytest.raises(TrainingError, match=r"different trainer\): resume with the same"):
        attrs.evolve(DISTILLER, likeness=1.0).fit(untrained, texts, Characters(), **settings)


def test_what_cannot_be_distilled_is_refused(untrained, texts, tmp_path):
    def distil(model=untrained, texts=texts, **teacher):
        DISTILLER.fit(model, texts, Characters(**teacher), folder=tmp_path / "run", progress=False)

    with pytest.raises(TrainingError, match="there are no texts to distil on"):
        distil(texts=[])
    for value in (np.nan, 1e5):
        with pytest.raises(TrainingError, match="the teacher's embeddings are not numbers, or too large"):
            distil(value=value)
    with pytest.raises(TrainingError, match="the encoder is compressed and cannot be trained"):
        distil(model=Compressor.from_recipe("int8").compress(untrained).model)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-5]), "is damaged .*: remove it"),
        (lambda file: file.write_bytes(b""), "is damaged .*: remove it"),
        (lambda file: np.save(file, np.zeros((3, 96), np.float16)), "does not hold 160 embeddings: remove it"),
    ],
)
def test_damaged_embeddings_are_reported(texts, tmp_path, damage, message):
    cached_embeddings(Characters(), texts, tmp_path, progress=False)
    (file,) = tmp_path.iterdir()
    damage(file)
    with pytest.raises(TrainingError, match=message):
        cached_embeddings(Characters(), texts, tmp_path, progress=False)


def test_a_folder_that_cannot_be_written_is_reported(texts, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="cannot write .*: choose a writable folder"):
        cached_embeddings(Characters(), texts, tmp_path / "file" / "teacher", progress=False)
