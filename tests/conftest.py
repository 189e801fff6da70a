"""Models and bundles small enough to make in a second, shared by all tests that only read them."""

import json
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from torch.nn import functional

from goalkit import Bundle, Compressor, CoreMLExporter, Dataset, GoalModel, Splits, Trainer, UpdatableHeadBuilder
from goalkit.export import NeighboursHeadBuilder, write_updatable_pipeline
from goalkit.export.coreml import coremltools, model_proto, quiet
from goalkit.export.runtime.loading import read_spec
from goalkit.export.tracing import quiet_tracing
from goalkit.training import TrainingRun

pytest.register_assert_rewrite("updatable_specs")

# no clock decides, and the same code is tested on the same examples wherever it runs
settings.register_profile("goalkit", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("goalkit")

WEIGHT, BIAS, WIDTH = torch.arange(240.0).reshape(12, 20) / 100, torch.arange(12.0), 20
"""Of the small models of others below."""

SMALL_ENCODER = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 64,
}


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """One process per core is faster than several threads in each, in tests and in the programs that they start."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def splits() -> Splits:
    """A quarter of the shipped goals: enough to learn something in seconds."""
    goals = Dataset.goals()
    return goals.take(range(0, len(goals), 4)).clean().split(seed=0)


@pytest.fixture(scope="session")
def run(splits: Splits) -> TrainingRun:
    """A small model that has really learned something."""
    model = GoalModel.from_backbone("tiny-bert", tasks=splits.train.tasks, encoder=SMALL_ENCODER)
    trainer = Trainer(epochs=6, learning_rate=3e-3, batch_size=32, precision="float32")
    return trainer.fit(model, splits, progress=False)


@pytest.fixture(scope="session")
def int8_model(run: TrainingRun) -> GoalModel:
    return Compressor.from_recipe("int8").compress(run.model).model


@pytest.fixture(scope="session")
def exported(int8_model: GoalModel, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """An INT8, half-precision bundle. Tests that change it work on a copy."""
    heads = [UpdatableHeadBuilder(task=task.name).build(int8_model) for task in int8_model.tasks]
    folder = tmp_path_factory.mktemp("exported") / "GoalAnalyzer"
    return CoreMLExporter(sequence_length=48).export(int8_model, folder, heads=heads)


@pytest.fixture
def untrained(splits: Splits) -> GoalModel:
    return GoalModel.from_backbone("tiny-bert", tasks=splits.train.tasks, encoder={**SMALL_ENCODER, "num_hidden_layers": 1})


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a package on the path, as an installer would: one module, whose `Own` is declared in an entry-point group."""

    installed = []

    def install(group: str, name: str, code: str) -> None:
        installed.append(name)
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
        metadata = tmp_path / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {name}:Own\n")

    monkeypatch.syspath_prepend(str(tmp_path))
    yield install
    for name in installed:  # another test may install another package of that name
        sys.modules.pop(name, None)


@pytest.fixture
def goals_csv(tmp_path: Path) -> Path:
    path = tmp_path / "goals.csv"
    path.write_text('text,category\n跑步五公里,健康\n背五十个单词,学习\n"读书,写笔记",学习\n', encoding="utf-8")
    return path


@pytest.fixture
def tiny_checkpoint(tmp_path: Path):
    """Make a folder as transformers' `save_pretrained` does: a small random model with a vocabulary."""

    def make(backbone: str) -> Path:
        from transformers import AutoConfig, AutoModel, BertTokenizer

        from goalkit.backbones import default_vocabulary

        folder = tmp_path / f"checkpoint-{backbone}"
        folder.mkdir()
        (folder / "vocab.txt").write_text("\n".join(default_vocabulary()[:512]) + "\n", encoding="utf-8")
        sizes = {
            "num_hidden_layers": 2,
            "hidden_size": 64,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "vocab_size": 512,
        }
        if backbone == "mobilebert":
            sizes |= {"intra_bottleneck_size": 32, "embedding_size": 32, "true_hidden_size": 32}
            config = AutoConfig.for_model("mobilebert", **sizes)
        else:
            config = AutoConfig.for_model("bert", **sizes)
        torch.manual_seed(1)
        AutoModel.from_config(config).save_pretrained(folder)
        BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
        # the published bert-base-chinese carries keys that today's configuration class does not know
        published = {"directionality": "bidi", "pooler_fc_size": 768, "pooler_num_attention_heads": 12, "pooler_type": "first"}
        settings = json.loads((folder / "config.json").read_bytes())
        (folder / "config.json").write_text(json.dumps({**settings, **published}))
        return folder

    return make


@pytest.fixture(scope="session")
def convert_program():
    """Convert a torch function of tensors, as coremltools' users do, into the package `path`."""

    def convert(path: Path, function, inputs, *, half=False, target="iOS16", examples=None, **options) -> Path:
        class Module(torch.nn.Module):
            def forward(self, *arguments):
                return function(*arguments)

        ct = coremltools()
        examples = examples or [torch.ones([int(size) for size in each.shape.shape]) for each in inputs]
        with quiet_tracing(), quiet():
            warnings.filterwarnings("ignore", message="Output, '.*', of the source model, has been renamed")
            ct.convert(
                torch.jit.trace(Module(), tuple(examples), check_trace=False),
                inputs=inputs,
                minimum_deployment_target=getattr(ct.target, target),
                compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
                skip_model_load=True,
                package_dir=str(path),
                **options,
            )
        return path

    return convert


@pytest.fixture
def save_program(convert_program, tmp_path: Path):
    """The same, into a folder of the test's own."""

    def save(*arguments, name="model.mlpackage", **options) -> Path:
        return convert_program(tmp_path / name, *arguments, **options)

    return save


@pytest.fixture(scope="session")
def updatable_models(run, exported, tmp_path_factory):
    """The protobuf messages of updatable models of every kind, which break no rule. Tests change a copy."""
    pipeline = write_updatable_pipeline(exported, "category", tmp_path_factory.mktemp("rules") / "Goal.mlpackage")
    texts, labels = ["跑步五公里", "背五十个单词"], ["健康", "学习"]
    return {
        "head": UpdatableHeadBuilder(task="category").build(run.model).spec,
        "hidden": UpdatableHeadBuilder(task="category", hidden_size=16).build(run.model).spec,
        "neighbours": NeighboursHeadBuilder(task="category").build(run.model, texts, labels).spec,
        "pipeline": read_spec(pipeline),
    }


@pytest.fixture(scope="session")
def small_program(convert_program, tmp_path_factory):
    """A package: linear, gelu and softmax of `x` [1, 20], in half precision."""

    def function(x):
        hidden = functional.gelu(functional.linear(x, WEIGHT, BIAS))
        return torch.softmax(torch.cat([hidden[:, :3], hidden[:, 4:]], 1).reshape(11), 0)

    ct, path = coremltools(), tmp_path_factory.mktemp("damaged") / "model.mlpackage"
    inputs, outputs = [ct.TensorType(name="x", shape=(1, WIDTH))], [ct.TensorType(name="y", dtype=np.float32)]
    convert_program(path, function, inputs, outputs=outputs, half=True)
    return path


@pytest.fixture(scope="session")
def small_classifier(convert_program, tmp_path_factory):
    """A package that takes 1 to 4 rows of `x` and, if wanted, `z`, and classifies their sum."""
    ct, path = coremltools(), tmp_path_factory.mktemp("damaged") / "classifier.mlpackage"
    inputs = [
        ct.TensorType(name="x", shape=ct.Shape((ct.RangeDim(1, 4, default=2), WIDTH))),
        ct.TensorType(name="z", shape=(1, WIDTH), default_value=np.ones((1, WIDTH), np.float32)),
    ]
    convert_program(
        path,
        lambda x, z: torch.softmax(functional.linear((x + z).reshape(x.shape[0], WIDTH), WEIGHT[:3], BIAS[:3]).mean(0), 0),
        inputs,
        examples=[torch.ones(2, WIDTH), torch.ones(1, WIDTH)],
        classifier_config=ct.ClassifierConfig(["a", "b", "c"]),
    )
    return path


@pytest.fixture(scope="session")
def small_head():
    """An updatable network: two inner products with a ReLU between."""
    ct = coremltools()
    neural = ct.models.neural_network
    with quiet():
        builder = neural.NeuralNetworkBuilder([("x", ct.models.datatypes.Array(WIDTH))], [("p", None)], mode="classifier")
        builder.add_inner_product("first", WEIGHT.numpy(), BIAS.numpy(), WIDTH, 12, True, "x", "h")
        builder.add_activation("relu", "RELU", "h", "u")
        builder.add_inner_product("last", WEIGHT.numpy()[:3, :12], BIAS.numpy()[:3], 12, 3, True, "u", "z")
        builder.add_softmax("softmax", "z", "p")
        builder.set_class_labels(["a", "b", "c"], predicted_feature_name="label", prediction_blob="p")
        builder.make_updatable(["last"])
        builder.set_categorical_cross_entropy_loss("loss", "p")
        builder.set_sgd_optimizer(neural.SgdParams(lr=0.01, batch=2))
        builder.set_epochs(1, [1, 2])
    return builder.spec


@pytest.fixture(scope="session")
def small_neighbours():
    """Three neighbours of `x`, labelled a, b and b."""
    with quiet():
        builder = coremltools().models.nearest_neighbors.KNearestNeighborsClassifierBuilder(
            input_name="x", output_name="label", number_of_dimensions=WIDTH, default_class_label="a", number_of_neighbors=1
        )
        builder.add_samples(np.eye(3, WIDTH, dtype=np.float32), ["a", "b", "b"])
    return builder.spec


@pytest.fixture(scope="session")
def small_pipeline(small_head):
    """The head behind a head: both take `x`."""
    spec = model_proto().Model(specificationVersion=4)
    spec.description.CopyFrom(small_head.description)
    spec.description.ClearField("trainingInput")
    for name in ("one", "two"):
        spec.pipelineClassifier.pipeline.names.append(name)
        member = spec.pipelineClassifier.pipeline.models.add()
        member.CopyFrom(small_head)
        member.isUpdatable = False
    return spec


@pytest.fixture
def checkpoint(tmp_path: Path):
    """Save a small random BERT as published checkpoints are, with a given tokenizer or 512 pieces in a bare `vocab.txt`."""

    def make(tokenizer: Any = None, *, rows: int | None = None, dtype: torch.dtype = torch.float32) -> Path:
        from transformers import BertConfig, BertModel

        from goalkit.backbones import default_vocabulary

        folder = tmp_path / "checkpoint"
        sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        torch.manual_seed(0)
        config = BertConfig(vocab_size=rows or len(tokenizer or range(512)), max_position_embeddings=64, **sizes)
        BertModel(config).to(dtype).save_pretrained(folder)
        if tokenizer is None:
            (folder / "vocab.txt").write_text("\n".join(default_vocabulary()[:512]) + "\n", encoding="utf-8")
        else:
            tokenizer.save_pretrained(folder)
        return folder

    return make
