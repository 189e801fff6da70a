"""Messages of updatable models, read and changed: what several tests of Core ML's rules share."""

import pytest

from goalkit.errors import UpdatableModelError
from goalkit.export import validate_updatable
from goalkit.export.package import write_model
from goalkit.export.updatable import find_violations


def copied(spec):
    return type(spec).FromString(spec.SerializeToString())


def network(spec):
    return spec.neuralNetworkClassifier


def layers(spec):
    return network(spec).layers


def inner(spec):
    return layers(spec)[0].innerProduct


def array(feature):
    return feature.type.multiArrayType


def both_inputs(spec):
    """The input, and the training input that is the same."""
    return spec.description.input[0], spec.description.trainingInput[0]


def assert_refused(sound, tmp_path, breaks, rules):
    """A model that breaks no rule is refused, for these rules and no others, once `breaks` has changed it."""
    assert find_violations(sound) == []
    spec = copied(sound)
    breaks(spec)
    assert {each.rule for each in find_violations(spec)} == rules
    write_model(tmp_path / "broken.mlmodel", spec)
    with pytest.raises(UpdatableModelError, match=r"broken.mlmodel cannot be updated on a device: .*; correct the model"):
        validate_updatable(tmp_path / "broken.mlmodel")


def assert_accepted(sound, changes):
    """A model that breaks no rule still breaks none once `changes` has changed it."""
    spec = copied(sound)
    changes(spec)
    assert find_violations(spec) == []
    assert spec.SerializeToString() != sound.SerializeToString()


def named(cases):
    """Names for parametrised tests: of the model and of what is done to it."""
    return [f"{kind}-{change.__name__}" for kind, change, *_ in cases]
