"""Exporting what transformers made, of every architecture the exporter knows, against transformers' own forward."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from goalkit.backbones import Encoder
from goalkit.classifier import Classifier
from goalkit.compress.palettisation import palettise_weights
from goalkit.errors import ConfigurationError, ExportError, GoalkitError, ModelError
from goalkit.export import CoreMLExporter, load_model, rescale_for_half_precision
from goalkit.export.checks import check_program, program_inputs
from goalkit.export.rescaling import scale_stream, stream_magnitude
from goalkit.export.runtime.loading import read_spec
from goalkit.export.runtime.operations import OPERATIONS
from goalkit.export.runtime.program import PACKAGE_DATA
from goalkit.tokenization import TokenBatch

SIZES = {
    "bert": {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128},
    "roberta": {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128},
    "electra": {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128, "embedding_size": 32},
    "albert": {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128, "embedding_size": 32},
    "distilbert": {"dim": 64, "n_heads": 4, "hidden_dim": 128},
    "mobilebert": {
        "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 64,
        "intra_bottleneck_size": 32, "embedding_size": 32, "true_hidden_size": 32,
    },
}  # fmt: skip
LENGTHS = (3, 5, 9, 14, 20, 24)


def make(architecture, factory=AutoModelForSequenceClassification, **settings):
    layers = "n_layers" if architecture == "distilbert" else "num_hidden_layers"
    config = AutoConfig.for_model(architecture, vocab_size=200, num_labels=3, **{layers: 2}, **SIZES[architecture], **settings)
    torch.manual_seed(0)
    model = factory.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)  # random weights are so small that every text looks alike
    return model


@pytest.fixture(scope="module")
def batch():
    generator = np.random.default_rng(0)
    ids = generator.integers(5, 200, (len(LENGTHS), 24)).astype(np.int32)
    mask = (np.arange(24) < np.array(LENGTHS)[:, None]).astype(np.int32)
    return TokenBatch(ids, mask)


def padded(batch, model):
    """The batch with the padding id that the model expects."""
    return TokenBatch(
        np.where(batch.attention_mask == 1, batch.input_ids, model.config.pad_token_id or 0), batch.attention_mask
    )


def fast(*names, of):
    """Parameters of a test that takes seconds for each: these in the fast suite, all of them in the whole one."""
    return [pytest.param(each, marks=[] if each in names else [pytest.mark.slow]) for each in of]


def run(path, batch):
    program = load_model(path)
    return program.predict_many(program_inputs(program, batch))


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


@pytest.fixture(scope="module")
def overflowing():
    """A MobileBERT whose stream was scaled up by 2^22: the same function, beyond half precision."""
    plain = Classifier.from_transformers(make("mobilebert"))
    large = plain.copy()
    with torch.no_grad():
        scale_stream(large, large.encoder.model.mobilebert, 2.0**22)
    return plain, large


def probabilities(classifier, batch):
    ids, mask = torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)
    with torch.no_grad():
        return torch.softmax(classifier(ids, mask, 24)["label"], -1).numpy()


def test_mobilebert_beyond_half_precision_is_shown_refused_and_mended(overflowing, batch, tmp_path):
    plain, large = overflowing
    truth = probabilities(plain, batch)
    np.testing.assert_array_equal(probabilities(large, batch), truth)
    assert stream_magnitude(large, batch) > 1e6

    exporter = CoreMLExporter(sequence_length=24)
    with pytest.raises(
        ExportError, match="the program in half precision does not compute what the model computes.*rescale a MobileBERT"
    ):
        exporter.export_package(large, tmp_path / "refused.mlpackage")
    assert not (tmp_path / "refused.mlpackage").exists()

    mended = rescale_for_half_precision(large, batch)
    np.testing.assert_array_equal(probabilities(mended, batch), truth)
    assert stream_magnitude(mended, batch) < 65504 / 8
    found = run(exporter.export_package(mended, tmp_path / "mended.mlpackage", calibration=batch), batch)
    np.testing.assert_allclose(found["label_probabilities"], truth, atol=3e-3)


def test_activations_beyond_half_precision_are_refused_by_operation_and_text(batch, tmp_path):
    model = make("bert", hidden_act="relu")
    for layer in model.bert.encoder.layer:  # the same function, its hidden activations 65,536 times as large
        with torch.no_grad():
            layer.intermediate.dense.weight.mul_(2.0**16)
            layer.intermediate.dense.bias.mul_(2.0**16)
            layer.output.dense.weight.div_(2.0**16)
    with pytest.raises(ExportError, match=r"precision the result of \w+ \(of .*\) overflows on 'text \d', of 6 given texts"):
        CoreMLExporter(sequence_length=24).export_package(model, tmp_path / "model.mlpackage", calibration=batch)
    assert not (tmp_path / "model.mlpackage").exists()


def test_mixed_precision_keeps_large_results_in_float32(overflowing, batch, tmp_path):
    plain, large = overflowing
    exporter = CoreMLExporter(sequence_length=24, precision="mixed")
    found = run(exporter.export_package(large, tmp_path / "model.mlpackage"), batch)  # made-up ids show it as well
    np.testing.assert_allclose(found["label_probabilities"], probabilities(plain, batch), atol=3e-3)
    small = CoreMLExporter(sequence_length=24).export_package(plain, tmp_path / "half.mlpackage")
    same = exporter.export_package(plain, tmp_path / "same.mlpackage", calibration=batch)
    weights = "Data/com.apple.CoreML/weights/weight.bin"
    assert (same / weights).stat().st_size == (small / weights).stat().st_size, "nothing large, nothing kept in float32"


def test_only_mobilebert_is_rescaled(batch):
    with pytest.raises(ExportError, match="only a MobileBERT without normalisation"):
        rescale_for_half_precision(Classifier.from_transformers(make("bert")), batch)


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


class Wild(Encoder):
    """A graph with a bound as low as the lowest number of float32."""

    hidden_size, max_length = 8, 64

    def __init__(self):
        super().__init__()
        self.register_buffer("lowest", torch.tensor([torch.finfo(torch.float32).min]))

    def forward(self, input_ids, attention_mask, length):
        states = input_ids.unsqueeze(-1).float() * torch.arange(8.0)
        return functional.layer_norm(torch.maximum(states, self.lowest), [8])


class Steep(Encoder):
    """A graph whose numbers are `slope` times as large as token ids, before they are brought down again."""

    hidden_size, max_length = 8, 64

    def __init__(self, slope):
        super().__init__()
        self.slope = slope

    def forward(self, input_ids, attention_mask, length):
        return functional.layer_norm(input_ids.unsqueeze(-1).float() * (self.slope * torch.arange(1.0, 9.0)), [8])


def test_without_calibration_half_precision_is_checked_on_made_up_ids(tmp_path):
    exporter = CoreMLExporter(sequence_length=24)
    with pytest.raises(ExportError, match=r"overflows on 'text \d+', of 32 made-up texts: "):
        exporter.export_package(Classifier(Steep(2000.0), (), "mean"), tmp_path / "model.mlpackage")
    assert list(tmp_path.iterdir()) == []
    exporter.export_package(Classifier(Steep(100.0), (), "mean"), tmp_path / "model.mlpackage")


def test_calibration_counts_as_it_is_masked(batch, tmp_path):
    low = TokenBatch(np.minimum(batch.input_ids, 60), batch.attention_mask)
    wild = TokenBatch(np.where(batch.attention_mask == 1, low.input_ids, 199).astype(np.int32), batch.attention_mask)
    model = Classifier(Steep(100.0), (), "mean")
    exporter = CoreMLExporter(sequence_length=24)
    exporter.export_package(model, tmp_path / "model.mlpackage", calibration=low)
    with pytest.raises(ExportError, match="overflows on .*, of 6 given texts"):
        exporter.export_package(model, tmp_path / "model.mlpackage", calibration=wild)
    # the program that finds the padding by its id is given the padding id there
    derived = CoreMLExporter(sequence_length=24, derive_mask=True)
    derived.export_package(model, tmp_path / "model.mlpackage", calibration=wild)


def test_calibration_that_does_not_fit_or_has_no_effect_is_refused(batch, tmp_path):
    model = Classifier(Steep(100.0), (), "mean")
    for exporter, calibration, message in (
        (CoreMLExporter(sequence_length=16), batch, r"calibration has the shape \[6, 24\]: give ids and mask, \[texts, 16\]"),
        (CoreMLExporter(sequence_length=24), batch.take(np.arange(0), 24), r"calibration has the shape \[0, 24\]"),
        (CoreMLExporter(sequence_length=24, precision="float32"), batch, "calibration is for half precision.*leave it out"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            exporter.export_package(model, tmp_path / "model.mlpackage", calibration=calibration)
    assert list(tmp_path.iterdir()) == []


def test_each_function_of_a_package_is_checked_on_the_texts_that_fit_it(batch, tmp_path):
    class Uneven(Steep):
        """In texts of 8 tokens its numbers are a hundred times as large."""

        def forward(self, input_ids, attention_mask, length):
            scaled = input_ids.float() * (100.0 if length == 8 else 1.0)
            return functional.layer_norm(scaled.unsqueeze(-1) * (self.slope * torch.arange(1.0, 9.0)), [8])

    exporter = CoreMLExporter(sequence_length=24, shorter_lengths=(8,), deployment_target="iOS18")
    with pytest.raises(ExportError, match=r"overflows on 'text \d', of 2 given texts"):
        exporter.export_package(Classifier(Uneven(10.0), (), "mean"), tmp_path / "model.mlpackage", calibration=batch)


def test_constant_beyond_half_precision_is_refused_by_name(tmp_path):
    classifier = Classifier(Wild(), (), "mean")
    with pytest.raises(ExportError, match=r"the constant \w+ is too large for its number type"):
        CoreMLExporter(sequence_length=8).export_package(classifier, tmp_path / "model.mlpackage")
    assert list(tmp_path.iterdir()) == []
    CoreMLExporter(sequence_length=8, precision="float32").export_package(classifier, tmp_path / "model.mlpackage")


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
