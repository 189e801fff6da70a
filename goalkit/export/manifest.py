"""The manifest of a bundle: its files, its origin, and the measurements."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import attrs

from goalkit.configuration import from_dict, json_bytes, read_json, to_dict, write_json
from goalkit.errors import BundleError
from goalkit.export.layout import MANIFEST, PACKAGE, VOCABULARY
from goalkit.storage import combined_digest, file_digest, files_in
from goalkit.tasks import Task
from goalkit.tokenization import TokenizerSettings

SCHEMA = 3


@attrs.frozen
class FileRecord:
    """A file of the bundle: SHA-256 in hexadecimal, and size in bytes."""

    sha256: str
    bytes: int


@attrs.frozen(kw_only=True)
class Origin:
    """Where a bundle comes from.

    `model_sha256` is the digest of the model's folder (`GoalModel.digest`), `compression` the number of layers per stored
    form of weights, and with 8-bit inputs, `versions` those of the libraries that made it. `calibration` says on which texts
    half precision was checked, such as "32 shipped goals", or is empty for float32; `golden` says which texts golden.json has.
    """

    backbone: str
    model_sha256: str
    compression: dict[str, int]
    versions: dict[str, str]
    calibration: str
    golden: str


@attrs.frozen(kw_only=True)
class Manifest:
    """The contents of `manifest.json`.

    `identity` is a SHA-256 over all that decides the outputs, see `identity_of`. `inputs` are those of the package.
    `tokenizer` holds all settings of the tokenizer besides `vocab.txt`. `heads` holds the file name of each task's updatable
    head, and `spare_slots`, per task, the label of each of its spare slots, empty until it is named. `digest` is the SHA-256
    of the manifest itself, computed with that field empty.
    """

    identity: str = ""
    tasks: tuple[Task, ...]
    inputs: tuple[str, ...]
    sequence_length: int
    shorter_lengths: tuple[int, ...] = ()
    embedding_size: int
    tokenizer: TokenizerSettings
    deployment_target: str
    precision: str
    heads: dict[str, str]
    spare_slots: dict[str, dict[str, str]] = attrs.field(factory=dict)
    origin: Origin
    measured: dict[str, Any] = attrs.field(factory=dict)
    files: dict[str, FileRecord] = attrs.field(factory=dict)
    digest: str = ""
    schema: int = SCHEMA

    def with_files(self, folder: Path) -> Manifest:
        """Return this manifest with the records of the files in `folder`, and the resulting identity."""
        files = {
            name: FileRecord(file_digest(folder / name), (folder / name).stat().st_size)
            for name in files_in(folder)
            if name != MANIFEST
        }
        complete = attrs.evolve(self, files=files)
        return attrs.evolve(complete, identity=identity_of(complete))

    def write(self, folder: Path) -> Manifest:
        """Record the files in `folder`, and write the manifest into it."""
        complete = self.with_files(folder)
        final = attrs.evolve(complete, digest=complete._own_digest())
        write_json(folder / MANIFEST, to_dict(final))
        return final

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest, and check every file against it.

        Raises:
            BundleError: the manifest is missing or altered, or a file is missing, altered or not listed.
        """
        data = read_json(folder / MANIFEST, error=BundleError)
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise BundleError(
                f"{folder / MANIFEST} is not of schema {SCHEMA}: use the goalkit that made the bundle, or export again"
            )
        manifest = from_dict(cls, data, source=str(folder / MANIFEST), error=BundleError)
        if (
            manifest.digest != manifest._own_digest()
            or manifest.identity != identity_of(manifest)
            or (folder / MANIFEST).read_bytes() != json_bytes(to_dict(manifest))
        ):
            raise BundleError(f"{folder / MANIFEST} was altered after the export: restore it or export again")
        present = {name for name in files_in(folder) if name != MANIFEST and not name.rpartition("/")[2].startswith(".")}
        if missing := sorted(set(manifest.files) - present):
            raise BundleError(f"{folder} lacks {', '.join(missing)}: restore the bundle or export again")
        if unlisted := sorted(present - set(manifest.files)):
            raise BundleError(f"{folder} holds {', '.join(unlisted)}, which the manifest does not list: remove it")
        for name, record in manifest.files.items():
            if file_digest(folder / name) != record.sha256:
                raise BundleError(
                    f"{folder / name} is not the file that was exported (its SHA-256 differs): restore it or export again"
                )
        return manifest

    def _own_digest(self) -> str:
        return hashlib.sha256(json_bytes(to_dict(attrs.evolve(self, digest="")))).hexdigest()


def identity_of(manifest: Manifest) -> str:
    """Return the SHA-256, in hexadecimal, over all that decides a bundle's outputs, and nothing else.

    It hashes the lines `<SHA-256>  <name>`, sorted by name, for the files of the package, of the heads and of the vocabulary,
    and for `settings`: tasks with their labels, lengths, files of heads and settings of the tokenizer, as in the JSON of the
    manifest. Measurements, the model card, golden files, hints, replay and names of spare slots are not included.
    """
    deciding = {VOCABULARY, *manifest.heads.values()}
    digests = {
        name: record.sha256 for name, record in manifest.files.items() if name in deciding or name.startswith(f"{PACKAGE}/")
    }
    data = to_dict(manifest)
    settings = {name: data[name] for name in ("tasks", "sequence_length", "shorter_lengths", "tokenizer", "heads")}
    return combined_digest({**digests, "settings": hashlib.sha256(json_bytes(settings)).hexdigest()})
