"""Models and bundles small enough to make in a second, shared by all tests that only read them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from goalkit import Bundle, Compressor, CoreMLExporter, Dataset, GoalModel, Splits, Trainer, UpdatableHeadBuilder
from goalkit.training import TrainingRun

SMALL_ENCODER = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 64,
}


@pytest.fixture(scope="session", autouse=True)
def one_thread_less_noise():
    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def splits() -> Splits:
    """A quarter of the shipped goals, of each combination of labels as many: enough to learn something in seconds."""
    goals = Dataset.goals()
    return goals.take(range(0, len(goals), 4)).clean().split(seed=0)


@pytest.fixture(scope="session")
def run(splits: Splits) -> TrainingRun:
    """A small model that has really learnt something."""
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
