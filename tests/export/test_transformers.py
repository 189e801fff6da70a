"""Exporting what transformers made, of every architecture the exporter knows, against transformers' own forward."""

import copy

import numpy as np
import pytest
import torch
from small_transformers import SIZES, make, padded, run
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from goalkit.backbones import Encoder
from goalkit.classifier import Classifier
from goalkit.compress.palettisation import palettise_weights
from goalkit.errors import ConfigurationError, ExportError, GoalkitError, ModelError
from goalkit.export import CoreMLExporter
from goalkit.export.checks import check_program
from goalkit.export.runtime.loading import read_spec
from goalkit.export.runtime.operations import OPERATIONS
from goalkit.export.runtime.program import PACKAGE_DATA


def fast(*names, of):
    """Parameters of a test that takes seconds for each: these in the fast suite, all of them in the whole one."""
    return [pytest.param(each, marks=[] if each in names else [pytest.mark.slow]) for each in of]


@torch.no_grad()
def expected(model, batch):
    return model(torch.from_numpy(batch.input_ids), attention_mask=torch.from_numpy(batch.attention_mask))


@pytest.mark.parametrize("architecture", fast("bert", "mobilebert", of=SIZES))
def test_sequence_classifier_gives_its_own_probabilities(architecture, batch, tmp_path):
    model = make(architecture)
    batch = padded(batch, model)
    path = CoreMLExporter(sequence_length=24, precision="float32", derive_mask=True).export_package(
        model, tmp_path / "model.mlpackage"
    )
    found = run(path, batch)["label_probabilities"]
    truth = torch.softmax(expected(model, batch).logits, -1).numpy()
    assert np.ptp(truth, axis=0).max() > 1e-3, "texts must differ for this to say anything"
    np.testing.assert_allclose(found, truth, atol=1e-5)


@pytest.mark.parametrize("architecture", SIZES)
def test_bare_encoder_in_half_precision_gives_its_own_embedding(architecture, batch, tmp_path):
    model = make(architecture, AutoModel)
    batch = padded(batch, model)
    path = CoreMLExporter(sequence_length=24).export_package(model, tmp_path / "model.mlpackage", calibration=batch)
    states, weights = expected(model, batch).last_hidden_state, torch.from_numpy(batch.attention_mask)[..., None].float()
    truth = ((states * weights).sum(1) / weights.sum(1)).numpy()
    error = run(path, batch)["embedding"] - truth
    assert 20 * np.log10(np.abs(truth).max() / np.sqrt(np.mean(error**2))) > 50


TYPES = ("deberta", "deberta-v2", "modernbert", "xlm-roberta", "camembert", "eurobert", "qwen2", "gpt2")


def spread_out(family, **settings):
    """A small classifier whose matrices are drawn so wide that a lost mask changes everything."""
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64, "num_hidden_layers": 2}
    decoder = {"num_key_value_heads": 2, "head_dim": 16} if family in ("qwen2", "eurobert") else {}
    special = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
    sizes |= {"max_position_embeddings": 64, "vocab_size": 200, "num_labels": 3, "type_vocab_size": 1, **special}
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model(family, **{**sizes, **decoder, **settings})
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3)
    return model


def assert_right(model, batch, path, **settings):
    """The saved package gives, on texts that the export has not seen, the model's own probabilities."""
    batch = padded(batch, model)
    found = run(CoreMLExporter(sequence_length=24, precision="float32", **settings).export_package(model, path), batch)
    truth = torch.softmax(expected(model, batch).logits, -1).numpy()
    assert np.ptp(truth, axis=0).max() > 0.05, "texts must differ for this to say anything"
    np.testing.assert_allclose(found["label_probabilities"], truth, atol=1e-5)


@pytest.mark.parametrize("family", fast("gpt2", "modernbert", "deberta-v2", of=TYPES))
def test_masks_are_given_in_the_form_that_a_family_takes(family, batch, tmp_path):
    assert_right(spread_out(family), batch, tmp_path / "model.mlpackage")


def test_sliding_window_is_kept_where_it_is_shorter_than_the_text(batch, tmp_path):
    narrow = spread_out("modernbert", local_attention=6, global_attn_every_n_layers=2)
    wide = spread_out("modernbert", local_attention=60, global_attn_every_n_layers=2)
    wide.load_state_dict(narrow.state_dict())
    assert not torch.allclose(expected(narrow, batch).logits, expected(wide, batch).logits, atol=1e-2)
    assert_right(narrow, batch, tmp_path / "model.mlpackage")


def test_modernbert_that_pools_by_its_mask_is_exported(batch, tmp_path):
    assert_right(spread_out("modernbert", classifier_pooling="mean"), batch, tmp_path / "model.mlpackage")


class Blind(Encoder):
    """An encoder whose graph forgets the mask that its reference heeds, as a wrapper of somebody else's model might."""

    hidden_size, max_length = 8, 64

    def forward(self, input_ids, attention_mask, length):
        seen = torch.ones_like(attention_mask) if torch.jit.is_tracing() else attention_mask
        return ((input_ids + 1) * seen).float().mean(1)[:, None, None] * torch.arange(8.0)


def test_graph_that_lost_the_mask_is_refused(tmp_path):
    with pytest.raises(
        ExportError, match="the traced graph does not compute what the model computes: on padded texts its embedding"
    ):
        CoreMLExporter(sequence_length=8).export_package(Classifier(Blind(), (), "mean"), tmp_path / "model.mlpackage")
    assert list(tmp_path.iterdir()) == []


def test_program_that_cannot_be_executed_here_is_not_left_unchecked(tmp_path, monkeypatch):
    monkeypatch.delitem(OPERATIONS, "gelu")
    with pytest.raises(ExportError, match="cannot be compared with the model: the runtime does not know the operation gelu"):
        CoreMLExporter(sequence_length=8).export_package(spread_out("bert"), tmp_path / "model.mlpackage")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("family", "settings"), [("bert", {"num_labels": 32}), ("roberta", {"num_labels": 32}), ("bert", {"num_labels": 2})]
)
def test_head_is_found_by_what_it_does(family, settings, batch, tmp_path):
    assert_right(spread_out(family, **settings), batch, tmp_path / "model.mlpackage")


def test_head_is_found_whatever_the_order_of_modules(batch, tmp_path):
    model = spread_out("bert")
    model._modules = dict(reversed(list(model._modules.items())))
    assert_right(model, batch, tmp_path / "model.mlpackage")


def test_logits_that_no_linear_layer_gives_are_refused():
    model = spread_out("bert")
    plain = model.forward

    def forward(**arguments):
        output = plain(**arguments)
        output.logits = torch.tanh(output.logits)
        return output

    model.forward = forward
    with pytest.raises(ModelError, match="does not end in a linear layer of 3 labels"):
        Classifier.from_transformers(model)


@pytest.mark.parametrize(
    ("settings", "feature", "activation", "kind"),
    [
        (
            {"problem_type": "single_label_classification"},
            "label_probabilities",
            lambda x: torch.softmax(x, -1),
            "single_label",
        ),
        ({"problem_type": "multi_label_classification"}, "label_probabilities", torch.sigmoid, "multi_label"),
        ({"problem_type": "multi_label_classification", "num_labels": 1}, "label_probabilities", torch.sigmoid, "multi_label"),
        ({"problem_type": "regression"}, "label_values", lambda x: x, "regression"),
        ({"num_labels": 1}, "label_values", lambda x: x, "regression"),
    ],
)
def test_problem_type_is_honoured_and_reported(settings, feature, activation, kind, batch, tmp_path):
    model = spread_out("bert", **settings)
    path = CoreMLExporter(sequence_length=24, precision="float32").export_package(model, tmp_path / "model.mlpackage")
    np.testing.assert_allclose(run(path, batch)[feature], activation(expected(model, batch).logits).numpy(), atol=1e-4)
    assert kind in read_spec(path).description.metadata.userDefined["goalkit.tasks"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_stored_in_half_are_exported_as_the_float32_they_stand_for(dtype, batch, tmp_path):
    model = spread_out("bert").to(dtype)
    truth = torch.softmax(expected(copy.deepcopy(model).float(), batch).logits, -1).numpy()
    found = run(
        CoreMLExporter(sequence_length=24, precision="float32").export_package(model, tmp_path / "model.mlpackage"), batch
    )
    np.testing.assert_allclose(found["label_probabilities"], truth, atol=1e-5)
    assert model.dtype is dtype


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")  # torch.compile's own
def test_compiled_model_is_exported_and_one_without_weights_refused(batch, tmp_path):
    exporter = CoreMLExporter(sequence_length=24)
    exporter.export_package(torch.compile(spread_out("bert")), tmp_path / "model.mlpackage")
    with torch.device("meta"), pytest.raises(ModelError, match="has no weights, only their shapes"):
        exporter.export_package(
            AutoModelForSequenceClassification.from_config(spread_out("bert").config), tmp_path / "meta.mlpackage"
        )


@pytest.mark.parametrize("what", ["parametrisation", "forward", "trace", "vocabulary"])
def test_whatever_a_model_raises_becomes_an_error_that_says_what_to_do(what, tmp_path):
    model = spread_out("bert")
    if what == "parametrisation":
        torch.nn.utils.parametrizations.weight_norm(model.classifier)
        del model.classifier.parametrizations.weight.original1
    elif what == "forward":
        model.bert.pooler.dense = nn.Linear(7, 7)
    elif what == "trace":
        model.bert.pooler.register_forward_hook(lambda module, arguments, result: result if result.sum().item() else {}["no"])
        model.bert.embeddings.register_forward_hook(lambda *_: {}["no"] if torch.jit.is_tracing() else None)
    else:
        model.config = AutoConfig.for_model("canine", num_labels=3)
    with pytest.raises(GoalkitError, match=": [a-z]"):
        CoreMLExporter(sequence_length=8).export_package(model, tmp_path / "model.mlpackage")
    assert list(tmp_path.iterdir()) == []


def test_given_model_stays_as_it_is_and_labels_are_in_the_file(batch, tmp_path):
    model = make("bert", id2label={0: "好", 1: "中", 2: "差"})
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    path = CoreMLExporter(sequence_length=24).export_package(model, tmp_path / "model.mlpackage")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert '"好"' in read_spec(path).description.metadata.userDefined["goalkit.tasks"]


def test_palettised_encoder_carries_its_indices(batch, tmp_path):
    for target in ("iOS16", "iOS18"):
        classifier = Classifier.from_transformers(make("bert"))
        palettise_weights(classifier, bits=4)
        exporter = CoreMLExporter(sequence_length=24, precision="float32", deployment_target=target)
        found = run(exporter.export_package(classifier, tmp_path / f"{target}.mlpackage"), batch)["embedding"]
        ids, mask = torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)
        with torch.no_grad():
            truth = classifier.embedding(ids, mask, 24).numpy()
        np.testing.assert_allclose(found, truth, atol=1e-5)


def test_what_cannot_be_exported_is_reported(batch, tmp_path):
    exporter = CoreMLExporter(sequence_length=24)
    with pytest.raises(ModelError, match="Linear is not an encoder of transformers"):
        exporter.export_package(nn.Linear(2, 2), tmp_path / "model.mlpackage")
    with pytest.raises(ExportError, match=r"must end in .mlpackage: give the package such a name"):
        exporter.export_package(make("bert"), tmp_path / "bundle")
    with pytest.raises(ExportError, match="sequence_length is 520, the encoder has 512 positions"):
        CoreMLExporter(sequence_length=520).export_package(make("bert"), tmp_path / "model.mlpackage")
    with pytest.raises(ExportError, match="sequence_length is 512, the encoder has 510 positions"):
        CoreMLExporter(sequence_length=512).export_package(make("roberta"), tmp_path / "model.mlpackage")
    with pytest.raises(ModelError, match=r"numbers the labels 1, 2, 3: number them from 0 to 2"):
        exporter.export_package(make("bert", id2label={1: "一", 2: "二", 3: "三"}), tmp_path / "model.mlpackage")
    with pytest.raises(ConfigurationError, match="empty or repeated labels"):
        exporter.export_package(make("bert", id2label={0: "一", 1: "一", 2: "二"}), tmp_path / "model.mlpackage")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def converted(tmp_path):
    """A sound program, to be damaged as a converter of another version might."""
    classifier = Classifier.from_transformers(make("bert"))
    palettise_weights(classifier, bits=4)
    path = CoreMLExporter(sequence_length=24).export_package(classifier, tmp_path / "model.mlpackage")
    spec = read_spec(path)
    function = spec.mlProgram.functions["main"]
    return classifier, spec, path / PACKAGE_DATA, function.block_specializations[function.opset].operations


def test_epsilon_that_became_zero_is_refused_by_name(converted):
    classifier, spec, weights, operations = converted
    check_program(spec, weights, classifier)
    epsilon = next(each for each in operations if each.type == "layer_norm").inputs["epsilon"].arguments[0].name
    constant = next(each for each in operations if each.outputs[0].name == epsilon)
    constant.attributes["val"].immediateValue.tensor.bytes.values = b"\0\0"
    with pytest.raises(ExportError, match=f"the epsilon of {epsilon} is zero in half precision"):
        check_program(spec, weights, classifier)


def test_weight_that_was_not_kept_compressed_is_refused_by_name(converted):
    classifier, spec, weights, _ = converted
    module = classifier.encoder.model.bert.encoder.layer[1].output.dense
    with torch.no_grad():
        module.parametrizations["weight"].original[0, 0] ^= 1
    with pytest.raises(ExportError, match=r"did not keep the integers of encoder.model.bert.encoder.layer.1.output.dense"):
        check_program(spec, weights, classifier)
