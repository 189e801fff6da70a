"""The size of a package, estimated without converting the model, against packages that were exported."""

import pytest

from goalkit import Compressor, CoreMLExporter
from goalkit.compress import Palettisation, Pruning, Quantisation, SparseStorage
from goalkit.weights import estimated_package_bytes

HALF = Pruning(amount=0.5, rounds=1, epochs=0)
FORMS = [
    [Quantisation()],
    [Quantisation(bits=4, block_size=32)],
    [Palettisation(bits=2)],
    [Palettisation(bits=3, group_size=16)],
    [HALF, SparseStorage()],
    [HALF, Quantisation(sparse=True)],
    [HALF, Palettisation(bits=4, sparse=True)],
]


@pytest.mark.parametrize("recipe", FORMS, ids=lambda recipe: " + ".join(map(str, recipe)))
def test_the_estimate_is_within_a_few_percent_of_the_exported_package(run, recipe):
    compressor = Compressor(recipe)
    small = compressor.compress(run.model).model
    target = max(technique.oldest_target for technique in recipe)
    exported = CoreMLExporter(deployment_target=target).package_bytes(small)
    assert estimated_package_bytes(small) == pytest.approx(exported, rel=0.03)


def test_the_uncompressed_model_is_estimated_in_half_precision(run):
    exported = CoreMLExporter().package_bytes(run.model)
    assert estimated_package_bytes(run.model) == pytest.approx(exported, rel=0.03)
