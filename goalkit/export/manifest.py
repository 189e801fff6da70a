"""The manifest of a bundle: what is in it, how it was made, and what was measured."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import attrs

from goalkit.configuration import from_dict, json_bytes, read_json, to_dict, write_json
from goalkit.errors import BundleError
from goalkit.storage import file_digest, files_in
from goalkit.tasks import Task
from goalkit.tokenization import TokenizerSettings

SCHEMA = 2
FILE = "manifest.json"


@attrs.frozen
class FileRecord:
    """A file of the bundle: SHA-256 in hexadecimal, and size."""

    sha256: str
    bytes: int


@attrs.frozen(kw_only=True)
class Origin:
    """Where a bundle comes from.

    `model_sha256` is the digest of the model's folder (`GoalModel.digest`), `compression` how many weights are stored in
    which form, `versions` those of the libraries that made it.
    """

    backbone: str
    model_sha256: str
    compression: dict[str, int]
    versions: dict[str, str]


@attrs.frozen(kw_only=True)
class Manifest:
    """`manifest.json`.

    `tokenizer` is all that decides token ids besides `vocab.txt`. `heads` names the file of each task's updatable head, and
    `spare_slots`, for each task, what each spare slot of it stands for: the empty string until somebody says. `digest` is the
    SHA-256 of the manifest itself, taken with that field empty.
    """

    tasks: tuple[Task, ...]
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

    def write(self, folder: Path) -> Manifest:
        """Take stock of the files in `folder`, and write the manifest beside them."""
        files = {
            name: FileRecord(file_digest(folder / name), (folder / name).stat().st_size)
            for name in files_in(folder)
            if name != FILE
        }
        stocked = attrs.evolve(self, files=files)
        final = attrs.evolve(stocked, digest=stocked._own_digest())
        write_json(folder / FILE, to_dict(final))
        return final

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest, and hold every file to it.

        Raises:
            BundleError: the manifest is missing or altered, or a file is missing, altered or not listed.
        """
        data = read_json(folder / FILE, error=BundleError)
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise BundleError(
                f"{folder / FILE} is not of schema {SCHEMA}: use the goalkit that made the bundle, or export again"
            )
        manifest = from_dict(cls, data, source=str(folder / FILE), error=BundleError)
        if manifest.digest != manifest._own_digest() or (folder / FILE).read_bytes() != json_bytes(to_dict(manifest)):
            raise BundleError(f"{folder / FILE} was altered after the export: restore it or export again")
        present = {name for name in files_in(folder) if name != FILE and not name.rpartition("/")[2].startswith(".")}
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
