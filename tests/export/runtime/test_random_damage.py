"""Random damages to files of every kind of model, the same ones each time: each file is executed to the shapes it declares, or
reported in an error of goalkit.
"""

import random
import shutil

import numpy as np
import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goalkit.errors import GoalkitError
from goalkit.export import CorrectionGate, load_model, rehearse_update, validate_updatable
from goalkit.export.package import model_bytes
from goalkit.export.runtime.loading import read_spec

POINTS = np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32)
KINDS = ["program", "classifier", "head", "neighbours", "pipeline"]


def copied(spec):
    return type(spec).FromString(spec.SerializeToString())


def use(path):
    """Do everything with a file that reads it, and hold what comes back to what the file declares."""
    messages = []
    calls = (
        lambda: _executed(path),
        lambda: validate_updatable(path),
        lambda: rehearse_update(path, POINTS, ["a", "b", "b"], seeds=1),
        lambda: CorrectionGate.around(path, POINTS, ["a", "b", "b"]),
    )
    for call in calls:
        try:
            call()
        except GoalkitError as error:
            messages.append(str(error))
    assert all("\n" not in each and len(each) > 20 for each in messages)
    return len(calls) - len(messages)


def _executed(path):
    model = load_model(path)
    given = {name: np.resize(POINTS, (2, *feature.shape)) for name, feature in model.inputs.items()}
    for outputs, shape in (
        (model.predict({name: array[0] for name, array in given.items()}), ()),
        (model.predict_many(given), (2,)),
    ):
        assert set(outputs) == set(model.outputs)
        for key, each in model.outputs.items():
            assert outputs[key].shape == (*shape, *each.shape) or not each.shape
            assert outputs[key].dtype.kind == np.dtype(each.dtype).kind


def mutated(message, choose):
    """Change one field somewhere in a protobuf message: drop it, double it, or put a near or far value in its place."""
    while True:
        fields = message.ListFields()
        if not fields:
            message.ParseFromString(b"") if choose.random() < 0.5 else message.SetInParent()
            return
        field, value = choose.choice(fields)
        if choose.random() < 0.1:
            message.ClearField(field.name)
            return
        if _is_map(field):
            key = choose.choice(sorted(value))
            if choose.random() < 0.1 or not hasattr(value[key], "ListFields"):
                del value[key]
                return
            message = value[key]
        elif field.is_repeated:
            place = choose.randrange(len(value))
            action = choose.random()
            if action < 0.1:
                del value[place]
                return
            if action < 0.2:
                value.append(value[place])
                return
            if field.type != FieldDescriptor.TYPE_MESSAGE:
                value[place] = _other(field, value[place], choose)
                return
            message = value[place]
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            message = value
        else:
            setattr(message, field.name, _other(field, value, choose))
            return


def _is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _other(field, value, choose):
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return choose.choice(["", "x", "y", "p", "label", "z" + value, value[:-1]])
    if isinstance(value, bytes):
        return choose.choice([b"", value[:-1], value + b"\0", value[::-1]])
    if field.type == FieldDescriptor.TYPE_ENUM:
        return choose.choice([each.number for each in field.enum_type.values])
    if isinstance(value, float):
        return choose.choice([0.0, -value, 1e30, float("nan"), float("inf")])
    unsigned = field.type in (FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_UINT32)
    return max(0 if unsigned else -9, choose.choice([0, 1, 2, 7, value - 1, value + 1, 2 * value, -value]))


def damaged(examples):
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.fixture(scope="module")
def rewritten(small_program, small_classifier, small_head, small_neighbours, small_pipeline, tmp_path_factory):
    """Write other bytes in place of a whole model's."""
    folder = tmp_path_factory.mktemp("rewritten")
    specs = {"head": small_head, "neighbours": small_neighbours, "pipeline": small_pipeline}
    for kind, package in (("program", small_program), ("classifier", small_classifier)):
        shutil.copytree(package, folder / kind)
        specs[kind] = read_spec(package)

    def write(kind, data):
        path = folder / kind
        (next(path.rglob("*.mlmodel")) if path.is_dir() else path).write_bytes(data)
        return path

    return specs, write


@pytest.mark.parametrize("kind", KINDS)
@damaged(80)
@given(seed=st.integers(0, 2**32))
def test_changed_fields_are_executed_or_reported(rewritten, kind, seed):
    specs, write = rewritten
    choose, spec = random.Random(seed), copied(specs[kind])
    for _ in range(choose.choice([1, 1, 1, 3])):
        mutated(spec, choose)
    use(write(kind, model_bytes(spec)))


@pytest.mark.parametrize("kind", KINDS)
@damaged(80)
@given(seed=st.integers(0, 2**32))
def test_changed_bytes_are_executed_or_reported(rewritten, kind, seed):
    specs, write = rewritten
    choose, data = random.Random(seed), bytearray(model_bytes(specs[kind]))
    action, place = choose.randrange(3), choose.randrange(len(data))
    if action == 0:
        del data[place:]
    elif action == 1:
        del data[place : place + choose.randrange(1, 40)]
    else:
        for _ in range(choose.choice([1, 1, 8])):
            data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
    use(write(kind, bytes(data)))


@damaged(30)
@given(seed=st.integers(0, 2**32))
def test_changed_weight_files_are_executed_or_reported(rewritten, small_program, seed):
    specs, write = rewritten
    choose, data = random.Random(seed), bytearray(next(small_program.rglob("weight.bin")).read_bytes())
    path = write("program", model_bytes(specs["program"]))
    if choose.random() < 0.3:
        del data[choose.randrange(len(data)) :]
    for _ in range(min(len(data), 4)):
        data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
    next(path.rglob("weight.bin")).write_bytes(data)
    use(path)


@pytest.mark.parametrize(
    ("kind", "works"), [("program", 1), ("classifier", 1), ("head", 4), ("neighbours", 4), ("pipeline", 2)]
)
def test_undamaged_files_are_executed(rewritten, small_program, kind, works):
    """The checks above would pass on anything if the files they start from did not work."""
    specs, write = rewritten
    path = write(kind, model_bytes(specs[kind]))
    if kind == "program":
        shutil.copyfile(next(small_program.rglob("weight.bin")), next(path.rglob("weight.bin")))
    assert use(path) == works
