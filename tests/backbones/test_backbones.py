import json
import subprocess
import sys
from functools import partial

import pytest
import torch

from goalkit import GOAL_TASKS, CoreMLExporter, GoalModel, Splits, Trainer
from goalkit.backbones import default_vocabulary, find_backbone, installed_backbones
from goalkit.errors import BackboneError, ConfigurationError, ModelError

TINY = {"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture
def plugin(install_plugin):
    return partial(install_plugin, "goalkit.backbones")


def test_own_backbones_are_found_as_any_other():
    assert {"tiny-bert", "bert-base-chinese", "mobilebert"} <= set(installed_backbones())
    assert installed_backbones()["tiny-bert"].package == "goalkit"


def test_a_plugin_is_found_trained_and_saved_by_name(plugin, tmp_path, splits):
    plugin(
        "third_party",
        """
        from goalkit.backbones.bert import TinyBert

        class Own(TinyBert):
            name = "third_party"
        """,
    )
    model = GoalModel.from_backbone("third_party", tasks=GOAL_TASKS, encoder=TINY)
    few = splits.validation
    run = Trainer(epochs=1).fit(model, Splits(few, few, few), progress=False)
    again = GoalModel.load(run.model.save(tmp_path / "model"))
    assert again.configuration.backbone == "third_party"
    assert again.digest() == run.model.digest() != model.digest()


def test_a_broken_plugin_is_named_and_harms_no_other(plugin):
    plugin("broken_one", "import not_there")
    plugin("not_a_backbone", "Own = 3")
    plugin("half_done", "from goalkit.backbones import Backbone\nclass Own(Backbone): name = 'half_done'")
    assert {"broken_one", "tiny-bert"} <= set(installed_backbones())
    with pytest.raises(
        BackboneError, match=r"package broken_one fails to import broken_one:Own \(ModuleNotFoundError.*uninstall broken_one"
    ):
        find_backbone("broken_one")
    with pytest.raises(BackboneError, match="package not_a_backbone is not a subclass"):
        find_backbone("not_a_backbone")
    with pytest.raises(BackboneError, match=r"package half_done fails to import half_done:Own \(TypeError.*abstract"):
        find_backbone("half_done")
    assert find_backbone("tiny-bert").name == "tiny-bert"


def test_unknown_backbone_lists_the_known_ones():
    with pytest.raises(BackboneError, match=r"no backbone 'gpt'; installed ones are bert-base-chinese, mobilebert, tiny-bert"):
        find_backbone("gpt")


def test_listing_backbones_imports_none_of_them():
    code = "import sys, goalkit.backbones.discovery as d; d.installed_backbones(); assert 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_setting_lists_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"no setting layers; it has .*num_hidden_layers"):
        GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, encoder={"layers": 2})


@pytest.mark.parametrize("backbone", ["bert-base-chinese", "mobilebert"])
def test_checkpoint_folder_gives_its_weights_and_vocabulary(backbone, tmp_path, tiny_checkpoint):
    folder = tiny_checkpoint(backbone)
    model = GoalModel.from_backbone(backbone, tasks=GOAL_TASKS, checkpoint=folder)
    from transformers import AutoModel, BertTokenizer

    ids = BertTokenizer(str(folder / "vocab.txt"))(["跑步5公里"], return_tensors="pt")
    assert model.tokenizer.encode(["跑步5公里"]).input_ids.tolist() == ids["input_ids"].tolist()
    with torch.no_grad():
        expected = AutoModel.from_pretrained(folder).eval()(**ids).last_hidden_state[:, 0]
    torch.testing.assert_close(torch.from_numpy(model.embed(["跑步5公里"])), expected, atol=2e-5, rtol=1e-4)
    again = GoalModel.load(model.save(tmp_path / "model"))
    assert again.digest() == model.digest()


def test_wrong_or_missing_checkpoint_is_reported(tmp_path, tiny_checkpoint):
    with pytest.raises(ModelError, match="holds a bert model, backbone 'mobilebert' needs mobilebert"):
        GoalModel.from_backbone("mobilebert", tasks=GOAL_TASKS, checkpoint=tiny_checkpoint("bert-base-chinese"))
    with pytest.raises(ModelError, match="no usable checkpoint at .*give a folder with config.json"):
        GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=tmp_path)


def test_damaged_checkpoint_is_reported(tiny_checkpoint):
    from safetensors.torch import load_file, save_file

    folder = tiny_checkpoint("bert-base-chinese")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: each for name, each in weights.items() if "attention" not in name},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(ModelError, match=r"lacks the weights encoder.layer.0.attention.* and \d+ more"):
        GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)
    (folder / "model.safetensors").write_bytes(b"123")
    with pytest.raises(ModelError, match="no usable checkpoint at"):
        GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)


def parameters(model):
    return dict(model.named_parameters())


def rewrite(folder, change):
    """Change the weights of a checkpoint, tensor by tensor, and leave its config.json alone."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    save_file({name: change(name, each) for name, each in weights.items()}, folder / "model.safetensors", {"format": "pt"})


def half_but_for_norms(name, tensor):
    return tensor if "LayerNorm" in name else tensor.bfloat16()


@pytest.mark.parametrize(
    ("dtype", "change"),
    [
        (torch.bfloat16, None),
        (torch.float16, None),
        (torch.float64, None),
        (torch.bfloat16, lambda name, tensor: tensor.float()),
        (torch.float32, lambda name, tensor: tensor.half()),
        (torch.float32, half_but_for_norms),
    ],
    ids=["bfloat16", "float16", "float64", "called bfloat16", "called float32", "mixed"],
)
def test_a_checkpoint_of_any_precision_is_loaded_as_float32(dtype, change, checkpoint):
    folder = checkpoint(dtype=dtype)
    if change is not None:
        rewrite(folder, change)
    model = GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)
    assert {each.dtype for each in parameters(model).values()} == {torch.float32}
    assert model.digest() == as_float32(folder).digest()


def as_float32(folder):
    """The model of a checkpoint, once its weights are stored as float32, with the same values."""
    rewrite(folder, lambda name, tensor: tensor.float())
    settings = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps({**settings, "dtype": "float32"}))
    return GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)


def test_a_bfloat16_checkpoint_trains_and_exports_as_one_of_float32(checkpoint, splits, tmp_path):
    folder = checkpoint(dtype=torch.bfloat16)
    model = GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)
    few = splits.validation
    trained, same = (
        Trainer(epochs=1).fit(each, Splits(few, few, few), progress=False).model for each in (model, as_float32(folder))
    )
    assert trained.digest() == same.digest()
    name = "encoder.model.encoder.layer.0.attention.self.query.weight"
    assert (parameters(trained)[name] != parameters(model)[name]).float().mean() > 0.9
    bundle = CoreMLExporter(sequence_length=16, precision="float32").export(trained, tmp_path / "bundle")
    assert max(each.largest_error for each in bundle.verify(few.texts).parity) < 1e-4


def test_precision_is_no_setting_of_an_encoder():
    with pytest.raises(ConfigurationError, match="has no setting dtype; it has"):
        GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, encoder={"dtype": "bfloat16"})


@pytest.mark.parametrize("rows", [513, 600])
def test_rows_without_a_piece_are_kept_and_do_no_harm(rows, checkpoint, splits, tmp_path):
    folder = checkpoint(rows=rows)
    model = GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)
    table = "encoder.model.embeddings.word_embeddings.weight"
    assert len(parameters(model)[table]) == rows
    few = splits.validation
    run = Trainer(epochs=1).fit(model, Splits(few, few, few), progress=False)
    again = GoalModel.load(run.model.save(tmp_path / "model"))
    assert len(parameters(again)[table]) == rows
    assert again.digest() == run.model.digest() != model.digest()
    bundle = CoreMLExporter(sequence_length=16, precision="float32").export(again, tmp_path / "bundle")
    assert max(each.largest_error for each in bundle.verify(few.texts).parity) < 1e-4


def test_fewer_rows_than_token_ids_are_refused_with_the_numbers(checkpoint):
    from transformers import BertTokenizer

    folder = checkpoint(rows=511)
    with pytest.raises(ModelError, match="tokenizer has 512 token ids, the model 511 rows for them"):
        GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)
    folder = checkpoint(rows=513)
    tokenizer = BertTokenizer(str(folder / "vocab.txt"))
    tokenizer.add_tokens(["跑步", "读书"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match="tokenizer has 514 token ids, the model 513 rows for them"):
        GoalModel.from_backbone("bert-base-chinese", tasks=GOAL_TASKS, checkpoint=folder)


def test_impossible_setting_is_reported():
    with pytest.raises(ConfigurationError, match="backbone 'tiny-bert' cannot be built with .*correct the setting"):
        GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, encoder={"hidden_size": 63})


def test_the_shipped_vocabulary_knows_common_characters_in_both_scripts():
    """Level 1 of GB 2312, the 3,755 most used, and the traditional forms that OpenCC has for them."""
    opencc = pytest.importorskip("opencc")
    rows = [bytes([row, column]).decode("gb2312", "ignore") for row in range(0xB0, 0xD8) for column in range(0xA1, 0xFF)]
    common = {character for character in rows if character}
    traditional = {character for character in map(opencc.OpenCC("s2t").convert, common) if len(character) == 1}
    known = set(default_vocabulary())
    assert len(common) == 3755
    assert common | traditional <= known
    assert len(known) % 32 == 0
