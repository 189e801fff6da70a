import pytest

from goalkit import CoreMLExporter, Task, Trainer, UpdatableHeadBuilder
from goalkit.configuration import from_dict, read_json, to_dict
from goalkit.errors import ConfigurationError, ModelError


def test_configuration_survives_the_round_trip():
    trainer = Trainer(epochs=3, learning_rate=1e-3)
    assert from_dict(Trainer, to_dict(trainer), source="training.json") == trainer


def test_unknown_key_lists_the_valid_ones():
    with pytest.raises(
        ConfigurationError, match=r"run.json: unknown key epoch in Trainer; valid keys are epochs, learning_rate"
    ):
        from_dict(Trainer, {"epoch": 3}, source="run.json")


def test_wrong_type_and_out_of_range_are_reported():
    with pytest.raises(ConfigurationError, match=r"run.json: .*epochs"):
        from_dict(Trainer, {"epochs": "many"}, source="run.json")
    with pytest.raises(ConfigurationError, match="run.json: epochs is 0: it must be a whole number, at least 1"):
        from_dict(Trainer, {"epochs": 0}, source="run.json")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Trainer(learning_rate=0), "learning_rate is 0: it must be above 0"),
        (lambda: Trainer(epochs=2.5), "epochs is 2.5: it must be a whole number, at least 1"),
        (lambda: Trainer(epochs="3"), "epochs is '3': it must be a whole number"),
        (lambda: Trainer(precision="float8"), "no precision 'float8'; choose one of auto, float32, bfloat16"),
        (lambda: CoreMLExporter(deployment_target="iOS15"), "no deployment_target 'iOS15'; choose one of iOS16, iOS17, iOS18"),
        (lambda: CoreMLExporter(sequence_length=2), "sequence_length is 2: it must be a whole number, at least 3"),
        (lambda: UpdatableHeadBuilder(task="category", epochs=3), "epochs is 3, epoch_choices are"),
        (lambda: UpdatableHeadBuilder(task="category", learning_rate=2.0), "learning_rate is 2.0, learning_rate_range is"),
        (lambda: UpdatableHeadBuilder(task="category", optimizer="lion"), "no optimizer 'lion'; choose one of sgd, adam"),
        (
            lambda: UpdatableHeadBuilder(task="category", optimizer="adam", momentum=0.5),
            "momentum is a setting of 'sgd', but optimizer",
        ),
        (lambda: Task("Kategorie", ("a", "b")), "cannot name a Core ML feature"),
        (lambda: Task("kind", ("a", "a")), "empty or repeated labels"),
    ],
)
def test_bad_settings_are_refused_at_once(make, message):
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert message in str(caught.value)


def test_broken_json_is_reported_with_its_place(tmp_path):
    (tmp_path / "config.json").write_text('{"a": ')
    with pytest.raises(ModelError, match="not valid JSON .*line 1 column 7"):
        read_json(tmp_path / "config.json", error=ModelError)
