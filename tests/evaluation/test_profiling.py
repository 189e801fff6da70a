import gzip
import json
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

from goalkit import GoalModel
from goalkit.cli import goalkit
from goalkit.errors import ConfigurationError
from goalkit.evaluation import profile, profiling

TEXTS = ["每天跑步5公里", "背50个单词"]


def slow(module):
    """Let a module do an operation that is counted as a thousand."""
    forward = module.forward

    def delayed(*arguments, **options):
        torch.special.bessel_j0(torch.zeros(1))
        return forward(*arguments, **options)

    module.forward = delayed


def counted(events):
    """The events as the profiler would have timed them if every operation took one unit, and a slow one a thousand."""

    def own(event):
        return 1000 if event.name == "aten::special_bessel_j0" else 1

    def total(event):
        return own(event) + sum(map(total, event.cpu_children))

    return [SimpleNamespace(name=each.name, cpu_time_total=total(each), self_cpu_time_total=own(each)) for each in events]


@pytest.fixture
def no_clock(monkeypatch):
    read = profiling._read
    monkeypatch.setattr(profiling, "_read", lambda events, *settings: read(counted(events), *settings))


@pytest.mark.parametrize(
    ("module", "named"),
    [
        ("attention", "attention"),
        ("intermediate", "feed-forward"),
        ("embeddings", "embeddings"),
        ("heads", "pooling and heads"),
    ],
)
def test_the_slow_part_is_named(untrained, no_clock, module, named):
    encoder = untrained.encoder.model
    layer = encoder.encoder.layer[0]
    modules = {"embeddings": encoder.embeddings, "heads": untrained.head_layers[0]}
    slow(modules.get(module) or getattr(layer, module))
    made = profile(untrained, TEXTS, repeats=2)
    assert made.bottleneck.startswith(f"{named} takes")
    assert made.kinds[0].share > 0.5


@pytest.mark.parametrize("backbone", ["tiny-bert", "mobilebert"])
def test_parts_make_up_the_whole(splits, backbone):
    sizes = {"num_hidden_layers": 3, "hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 64}
    if backbone == "mobilebert":
        sizes |= {"intra_bottleneck_size": 32, "embedding_size": 32, "true_hidden_size": 32}
    model = GoalModel.from_backbone(backbone, tasks=splits.train.tasks, encoder=sizes)
    made = profile(model, TEXTS, repeats=2)
    assert {"embeddings", "layer 1", "layer 2", "layer 3", "pooling and heads", "other"} == {part.name for part in made.parts}
    for shares in (made.parts, made.kinds, made.operations):
        assert sum(each.share for each in shares) == pytest.approx(1, abs=0.02)
        assert sum(each.milliseconds for each in shares) == pytest.approx(made.milliseconds, rel=0.02)
    assert made.tokens == int(model.tokenizer.encode(TEXTS).attention_mask.sum())


def test_profiling_leaves_the_model_alone_and_wants_texts(untrained, tmp_path):
    before = untrained.digest()
    untrained.train()
    profile(untrained, TEXTS, repeats=1, trace=tmp_path / "trace.json").save(tmp_path / "profile.json")
    assert untrained.training
    assert untrained.digest() == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in untrained.modules())
    assert json.loads((tmp_path / "trace.json").read_bytes())["traceEvents"]
    profile(untrained, TEXTS, repeats=1, trace=tmp_path / "trace.json.gz")
    assert json.loads(gzip.decompress((tmp_path / "trace.json.gz").read_bytes()))["traceEvents"]
    assert "takes" in json.loads((tmp_path / "profile.json").read_bytes())["bottleneck"]
    with pytest.raises(ConfigurationError, match="there are no texts to profile with"):
        profile(untrained, [])


def test_the_command_shows_two_models_side_by_side(untrained, int8_model, tmp_path):
    untrained.save(tmp_path / "one")
    int8_model.save(tmp_path / "other")
    arguments = ["profile", tmp_path / "one", "--compare", tmp_path / "other", "--length", "32"]
    page = CliRunner().invoke(goalkit, [str(each) for each in arguments])
    assert page.exit_code == 0, page.output
    assert "times as fast" in " ".join(page.output.split())
    assert "feed-forward" in page.output
