"""Packages whose files are missing, empty, cut or of another kind."""

import json
import shutil

import numpy as np
import pytest

from goalkit.errors import RuntimeModelError
from goalkit.export import load_model

POINTS = np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32)


def no_manifest(package):
    (package / "Manifest.json").unlink()


def manifest_cut(package):
    (package / "Manifest.json").write_bytes((package / "Manifest.json").read_bytes()[:40])


def manifest_of_another_kind(package):
    (package / "Manifest.json").write_text("[]")


def manifest_without_model(package):
    manifest = json.loads((package / "Manifest.json").read_text())
    manifest["rootModelIdentifier"] = "none"
    (package / "Manifest.json").write_text(json.dumps(manifest))


def model_missing(package):
    next(package.rglob("*.mlmodel")).unlink()


def model_empty(package):
    next(package.rglob("*.mlmodel")).write_bytes(b"")


def model_is_text(package):
    next(package.rglob("*.mlmodel")).write_text("not a model at all")


def weights_missing(package):
    next(package.rglob("weight.bin")).unlink()


def weights_empty(package):
    next(package.rglob("weight.bin")).write_bytes(b"")


def weights_cut(package):
    weights = next(package.rglob("weight.bin"))
    weights.write_bytes(weights.read_bytes()[:100])


def weights_are_a_folder(package):
    weights = next(package.rglob("weight.bin"))
    weights.unlink()
    weights.mkdir()


def nothing_left(package):
    shutil.rmtree(package)
    package.mkdir()


@pytest.mark.parametrize(
    ("damages", "message"),
    [
        (no_manifest, "has no Manifest.json: give a complete .mlpackage, not its parent folder or a compiled .mlmodelc"),
        (manifest_cut, r"Manifest.json cannot be executed \(.*: restore it or export again"),
        (manifest_of_another_kind, r"Manifest.json cannot be executed \(.*: restore it or export again"),
        (manifest_without_model, r"Manifest.json cannot be executed \(.*: restore it or export again"),
        (model_missing, "cannot be read .*: check the path or export again"),
        (model_empty, "is empty or not a Core ML model: restore it or export again"),
        (model_is_text, "restore it or export again"),
        (weights_missing, "weight.bin cannot be read .*: restore the package or export again"),
        (weights_empty, "weight.bin cannot be read .*: restore the package or export again"),
        (weights_cut, "weight.bin is truncated or damaged: .*; restore the package or export again"),
        (weights_are_a_folder, "weight.bin cannot be read .*: restore the package or export again"),
        (nothing_left, "has no Manifest.json"),
    ],
)
def test_a_damaged_package_is_reported(small_program, tmp_path, damages, message):
    package = shutil.copytree(small_program, tmp_path / "copy.mlpackage")
    damages(package)
    with pytest.raises(RuntimeModelError, match=rf"copy.mlpackage.* ?{message}"):
        load_model(package)


def test_a_package_keeps_its_model_where_its_manifest_says(small_program, tmp_path):
    package = shutil.copytree(small_program, tmp_path / "copy.mlpackage")
    file = next(package.rglob("*.mlmodel"))
    file.rename(file.with_name("renamed.mlmodel"))
    manifest = json.loads((package / "Manifest.json").read_text())
    manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"] = "com.apple.CoreML/renamed.mlmodel"
    (package / "Manifest.json").write_text(json.dumps(manifest))
    assert load_model(package).predict({"x": POINTS[:1]})["y"].shape == (11,)
