"""The kit for authors of backbones: sound backbones pass, and of a broken one exactly the broken rule is named."""

import sys
import textwrap
from pathlib import Path

import pytest
import torch

from goalkit import GoalModel, Task
from goalkit.errors import BackboneContractError, BackboneError, GoalkitError, MissingPackageError
from goalkit.testing import RULES, check_backbone

SMALL = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48, "max_position_embeddings": 24}
NARROW = {"hidden_size": 64, "intra_bottleneck_size": 32, "embedding_size": 32, "true_hidden_size": 32}
TASKS = [Task("kind", ("a", "b"))]
EXPORTS = ["float32 export", "float16 export", "compressed export"]


@pytest.fixture
def plugin(install_plugin):
    def install(name, code, base="SoundBackbone"):
        start = f"""
            import torch
            from torch import nn
            from sound_backbone import *
            class Own({base}):
                name = {name!r}
        """
        install_plugin("goalkit.backbones", name, textwrap.dedent(start) + textwrap.indent(textwrap.dedent(code), "    "))

    return install


@pytest.fixture
def without_coremltools(monkeypatch):
    """As on Windows."""
    monkeypatch.setitem(sys.modules, "coremltools", None)


@pytest.mark.parametrize(
    ("backbone", "encoder"),
    [
        ("tiny-bert", {**SMALL, "num_hidden_layers": 2}),
        ("bert-base-chinese", {**SMALL, "num_hidden_layers": 1}),
        ("mobilebert", {**SMALL, **NARROW, "num_hidden_layers": 2}),
    ],
)
def test_the_built_in_backbones_keep_every_rule(backbone, encoder):
    check = check_backbone(backbone, encoder=encoder)
    assert {*check.kept, *check.unchecked} == {rule.name for rule in RULES}
    assert check.unchecked.keys() == (set() if backbone == "tiny-bert" else {"pretrained"})


def test_a_backbone_of_a_third_party_keeps_every_rule_and_leaves_no_trace(plugin):
    plugin("third", "pass")
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    check = check_backbone("third", encoder={"positions": 12})
    assert torch.equal(torch.rand(1), expected)
    assert check.unchecked == {"pretrained": "the backbone comes without pretrained weights"}
    assert len(check.kept) == len(RULES) - 1


def test_without_coremltools_all_but_the_exports_is_checked(plugin, without_coremltools, caplog):
    plugin("third", "pass")
    check = check_backbone("third")
    assert list(check.unchecked) == ["pretrained", *EXPORTS]
    assert all("coremltools has no build for Windows" in check.unchecked[rule] for rule in EXPORTS)
    assert "the rule 'float32 export' of backbone 'third' is not checked: this needs coremltools" in caplog.text


BROKEN = {
    "another name": ("name", 'name = "other"', "name is 'other': set it to 'broken'"),
    "pooling": ("name", 'pooling = "max"', "pooling is 'max': set it to 'mean' or 'cls'"),
    "no [SEP]": (
        "vocabulary",
        """
        def vocabulary(self):
            return [piece for piece in super().vocabulary() if piece != "[SEP]"]
        """,
        r"the vocabulary lacks \[SEP\]",
    ),
    "tuples": (
        "configuration",
        """
        def configuration(self, vocabulary_size, overrides):
            return {**super().configuration(vocabulary_size, overrides), "layers": (2, 2)}
        """,
        r"JSON turns layers from \(2, 2\) into \[2, 2\]: use lists",
    ),
    "any setting": (
        "configuration",
        """
        def configuration(self, vocabulary_size, overrides):
            return {"rows": vocabulary_size, **DEFAULTS, **overrides}
        """,
        "accepts the unknown setting 'no_such_setting': raise ConfigurationError",
    ),
    "KeyError": (
        "configuration",
        """
        def configuration(self, vocabulary_size, overrides):
            return {"rows": vocabulary_size, **DEFAULTS, **{key: (DEFAULTS[key], overrides[key])[1] for key in overrides}}
        """,
        "an unknown setting raises KeyError: raise ConfigurationError",
    ),
    "a fixed table": (
        "configuration",
        """
        def configuration(self, vocabulary_size, overrides):
            return {**super().configuration(vocabulary_size, overrides), "rows": 8000}
        """,
        "the same for a vocabulary twice as large: include vocabulary_size",
    ),
    "OSError": (
        "checkpoints",
        """
        def load_checkpoint(self, source):
            return open(source + "/weights.bin")
        """,
        "an empty folder raises TypeError: raise ModelError",
    ),
    "no max_length": (
        "encoder",
        "class made(SoundEncoder): max_length = property(lambda self: None, lambda *_: None)",
        "max_length None: set",
    ),
    "unseeded weights": (
        "seed",
        """
        class made(SoundEncoder):
            def __init__(self, **settings):
                super().__init__(**settings)
                generator = torch.Generator()
                generator.seed()
                nn.init.normal_(self.words.weight, generator=generator)
        """,
        "words.weight is not the same with the same seed: draw it from torch's own random numbers",
    ),
    "own seed": (
        "seed",
        """
        class made(SoundEncoder):
            def __init__(self, **settings):
                torch.manual_seed(42)
                super().__init__(**settings)
        """,
        "other seeds give the same weights: .* do not set the seed",
    ),
    "a tuple": (
        "states",
        """
        class made(SoundEncoder):
            def forward(self, *arguments):
                return (super().forward(*arguments),)
        """,
        "forward returns a tuple: return the tensor of hidden states alone",
    ),
    "the embedding": (
        "states",
        """
        class made(SoundEncoder):
            def forward(self, *arguments):
                return super().forward(*arguments)[:, 0]
        """,
        r"texts of 1 tokens give torch.float32 \[2, 32\]: return float32 \[2, 1, 32\]",
    ),
    "fewer positions": (
        "states",
        """
        class made(SoundEncoder):
            def __init__(self, **settings):
                super().__init__(**settings)
                self.max_length += 2
        """,
        "fails on 2 texts of 18 tokens .IndexError: index out of range in self.: correct it, or the encoder's max_length",
    ),
    "a small table": (
        "table",
        """
        class made(SoundEncoder):
            def __init__(self, rows, **settings):
                super().__init__(rows=rows - 1, **settings)
        """,
        "the piece with the highest id, .*index out of range in self.: make a table of vocabulary_size rows",
    ),
    "dropout left on": (
        "repetition",
        """
        class made(SoundEncoder):
            def forward(self, *arguments):
                return nn.functional.dropout(super().forward(*arguments), 0.1)
        """,
        r"a second run gives other numbers: use torch.nn.Dropout, which eval\(\) turns off",
    ),
    "texts ignored": (
        "texts",
        """
        class made(SoundEncoder):
            def forward(self, input_ids, attention_mask, length):
                return super().forward(input_ids * 0 + 7, attention_mask, length)
        """,
        "hidden states of different texts differ by .* times their spread: read input_ids",
    ),
    "mask ignored": (
        "padding",
        """
        class made(SoundEncoder):
            def forward(self, input_ids, attention_mask, length):
                return super().forward(input_ids, torch.ones_like(attention_mask), length)
        """,
        "padding changes them by .* times their spread: add -1e30 to the attention scores",
    ),
    "statistics of the batch": (
        "batch",
        """
        class made(SoundEncoder):
            def forward(self, *arguments):
                states = super().forward(*arguments)
                return states - states[:, :1].mean(0, keepdim=True)
        """,
        "the rest of the batch changes them by .* compute nothing across the first dimension",
    ),
    "another reference": (
        "reference",
        """
        class made(SoundEncoder):
            def reference(self, input_ids, attention_mask):
                return 1.01 * super().reference(input_ids, attention_mask)
        """,
        "they differ by .* times their spread: correct forward, which is exported, or reference",
    ),
    "a bare parameter": (
        "anatomy",
        """
        class made(SoundEncoder):
            def __init__(self, **settings):
                super().__init__(**settings)
                self.scale = nn.Parameter(torch.tensor(2.0))
            def forward(self, *arguments):
                return self.scale * super().forward(*arguments)
        """,
        "scale is in no part: keep parameters in modules of their own",
    ),
    "layers reversed": (
        "anatomy",
        """
        class made(SoundEncoder):
            def anatomy(self):
                from goalkit.backbones import Anatomy
                return Anatomy((self.words, self.positions), tuple(self.layers)[::-1], (self.norm,), self.norm, self.words)
        """,
        "layers.0 runs before layers.1, but comes after it: list parts in the order in which they run",
    ),
    "a layer twice": (
        "anatomy",
        """
        class made(SoundEncoder):
            def anatomy(self):
                from goalkit.backbones import Anatomy
                layers = tuple(self.layers)
                return Anatomy((self.words, self.positions), (*layers, layers[0]), (self.norm,), self.norm, self.words)
        """,
        "layers.0.own.weight is in 2 parts",
    ),
    "an unused pooler": (
        "gradients",
        """
        class made(SoundEncoder):
            def __init__(self, **settings):
                super().__init__(**settings)
                self.pooler = nn.Linear(32, 32)
        """,
        "none reaches pooler.weight: .* or leave it out of the encoder",
    ),
    "a random buffer": (
        "saving",
        """
        class made(SoundEncoder):
            def __init__(self, **settings):
                super().__init__(**settings)
                self.register_buffer("scale", torch.rand(32), persistent=False)
            def forward(self, *arguments):
                return super().forward(*arguments) * self.scale
        """,
        "the loaded model gives other embeddings: register all .* persistent buffers",
    ),
    "counts as numbers": (
        "tracing",
        """
        class made(SoundEncoder):
            def forward(self, input_ids, attention_mask, length):
                share = torch.tensor([1 / each for each in attention_mask.sum(1).tolist()])
                return super().forward(input_ids, attention_mask, length) * share[:, None, None]
        """,
        "the traced graph does not compute what the model computes",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_exactly_the_broken_rule_is_named_with_what_was_found_and_what_to_do(how, plugin, without_coremltools):
    rule, code, message = BROKEN[how]
    plugin("broken", code)
    with pytest.raises(BackboneContractError, match=rf"^backbone 'broken' breaks .*\n  {rule}: .*{message}") as caught:
        check_backbone("broken")
    assert list(caught.value.broken) == [rule]
    assert not set(caught.value.unchecked) & {rule}
    assert isinstance(caught.value, GoalkitError)
    assert isinstance(caught.value, AssertionError)


@pytest.mark.parametrize(
    ("rule", "code", "message"),
    [
        ("float32 export", "return torch.lgamma(states.square() + 1)", "coremltools .* cannot convert this encoder"),
        ("float16 export", "return self.norm(states * 3e4)", "in half precision the result of .* overflows on"),
    ],
)
def test_an_encoder_that_core_ml_cannot_compute_is_named(rule, code, message, plugin):
    plugin(
        "broken",
        f"""
        class made(SoundEncoder):
            def forward(self, *arguments):
                states = super().forward(*arguments)
                {code}
        """,
    )
    with pytest.raises(BackboneContractError, match=message) as caught:
        check_backbone("broken")
    assert list(caught.value.broken) == [rule]


def test_an_encoder_without_large_matrices_shows_no_compression(plugin, without_coremltools):
    plugin("narrow", "pass")
    with pytest.raises(BackboneContractError, match="compression: no weight is stored as integers: .* 2,048 weights or more"):
        check_backbone("narrow", encoder={"width": 8})


def test_all_broken_rules_are_listed_at_once_with_the_exceptions_behind_them(plugin, without_coremltools):
    plugin(
        "broken",
        """
        name = "other"
        def load_checkpoint(self, source):
            return None
        def vocabulary(self):
            return 1 / 0
        """,
    )
    with pytest.raises(BackboneContractError) as caught:
        check_backbone("broken")
    assert list(caught.value.broken) == ["name", "vocabulary", "checkpoints"]
    assert str(caught.value).count("\n") == 4
    assert "fails with ZeroDivisionError: division by zero; it must keep the rule: `vocabulary` gives" in str(caught.value)
    assert [type(each) for each in caught.value.__cause__.exceptions] == [ZeroDivisionError]
    assert {"states", "float32 export"} <= set(caught.value.unchecked)


PRETRAINED = """
    def pretrained(self):
        from pathlib import Path
        return Path(__file__).parent / "weights"
    """


def test_pretrained_weights_are_loaded_and_new_models_start_from_them(plugin, without_coremltools, tmp_path):
    plugin("third", PRETRAINED)
    GoalModel.from_backbone("third", tasks=TASKS, weights="random").save(tmp_path / "weights")
    assert "pretrained" in check_backbone("third").kept


@pytest.mark.parametrize(
    ("backbone", "encoder", "fill", "message"),
    [
        ("broken", {}, torch.nan, "encoder.words.weight holds NaN or infinity: train them again"),
        ("broken", {"width": 48}, 0, "the pretrained weights of 'broken' do not fit: .* choose encoders of the same widths"),
        ("other", {}, 0, "they are of backbone 'other': save them from a model of 'broken'"),
    ],
)
def test_pretrained_weights_must_fit(backbone, encoder, fill, message, plugin, without_coremltools, tmp_path):
    plugin("other", "pass")
    plugin("broken", PRETRAINED)
    model = GoalModel.from_backbone(backbone, tasks=TASKS, encoder=encoder, weights="random")
    torch.nn.init.constant_(model.encoder.words.weight, fill)
    model.save(tmp_path / "weights")
    with pytest.raises(BackboneContractError, match=f"pretrained: {message}") as caught:
        check_backbone("broken")
    assert list(caught.value.broken) == ["pretrained"]


def test_what_is_no_fault_of_the_backbone_is_not_blamed_on_it(plugin):
    with pytest.raises(BackboneError, match="there is no backbone 'missing'; installed ones are"):
        check_backbone("missing")
    plugin(
        "third",
        """
        def vocabulary(self):
            from goalkit.extras import extra
            with extra("export"):
                import nothing_there
        """,
    )
    with pytest.raises(MissingPackageError, match="this needs nothing_there"):
        check_backbone("third")


def test_the_docs_list_every_rule():
    page = Path(__file__).parents[2] / "docs" / "backbones.md"
    table = page.read_text(encoding="utf-8").partition("|---|---|\n")[2].partition("\n\n")[0]
    assert table == "\n".join(f"| {rule.name} | {rule.statement} |" for rule in RULES)
