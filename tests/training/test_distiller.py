import json

import attrs
import numpy as np
import pytest

from goalkit import Compressor
from goalkit.errors import StorageError, TrainingError
from goalkit.training import Distiller, cached_embeddings, teachers
from goalkit.training.engine import Engine

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
    distil()
    for other in ({"texts": texts[:50]}, {"name": "another"}):
        with pytest.raises(TrainingError, match="run/teacher holds embeddings of other texts or of another teacher: remove it"):
            distil(**other)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "embeddings.npy").write_bytes(b"\x93NUMPY"), "embeddings.npy is missing or damaged"),
        (lambda folder: (folder / "embeddings.npy").unlink(), "embeddings.npy is missing or damaged"),
        (lambda folder: np.save(folder / "embeddings.npy", np.zeros((3, 96), np.float16)), "has 3 rows instead of 160"),
        (lambda folder: (folder / "progress.json").write_text('{"teacher": '), "progress.json is not valid JSON"),
        (lambda folder: _without(folder, "done"), "progress.json does not say how many texts are done"),
    ],
)
def test_damaged_embeddings_are_reported(texts, tmp_path, damage, message):
    cached_embeddings(Characters(), texts, tmp_path, progress=False)
    damage(tmp_path)
    with pytest.raises(TrainingError, match=message):
        cached_embeddings(Characters(), texts, tmp_path, progress=False)


def _without(folder, key):
    state = json.loads((folder / "progress.json").read_bytes())
    del state[key]
    (folder / "progress.json").write_text(json.dumps(state))


def test_a_folder_that_cannot_be_written_is_reported(texts, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="file/teacher cannot be written .*: free some space"):
        cached_embeddings(Characters(), texts, tmp_path / "file" / "teacher", progress=False)
