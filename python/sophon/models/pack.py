"""The installed model pack: which models this machine has, and their bytes, checked."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from sophon.errors import Code, SophonError
from sophon.models.manifest import MANIFEST, Manifest, Model, Role, read_manifest

MODEL_DIR_VARIABLE = "SOPHON_MODEL_DIR"
INSTALL_HINT = "run: sophon models install"


def default_directory() -> Path:
    """Return where the pack is installed: `SOPHON_MODEL_DIR`, else a folder in the user's cache."""
    chosen = os.environ.get(MODEL_DIR_VARIABLE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("sophon") / "models"


@dataclass(frozen=True)
class ModelPack:
    """An installed pack. Its models are known; their files are read, and checked, when asked for."""

    directory: Path
    manifest: Manifest

    @classmethod
    def load(cls, directory: Path | None = None) -> ModelPack:
        """Return the pack in `directory`, by default the installed one.

        Raises SophonError (SERVER_PROCESS_FAILED) where there is none or its manifest is damaged.
        """
        directory = directory or default_directory()
        try:
            return cls(directory, read_manifest(directory / MANIFEST))
        except OSError as error:
            raise SophonError(
                Code.SERVER_PROCESS_FAILED, f"no models in {directory} ({error.strerror}); {INSTALL_HINT}"
            ) from error
        except SophonError as error:
            raise SophonError(Code.SERVER_PROCESS_FAILED, f"{error}; {INSTALL_HINT}") from error

    @property
    def models(self) -> tuple[Model, ...]:
        """The models, in the manifest's order."""
        return self.manifest.models

    def has(self, role: Role) -> bool:
        """Say whether the pack has a model for this role."""
        return any(model.role is role for model in self.models)

    def model(self, role: Role) -> Model:
        """Return the model of a role. Raises SophonError (SERVER_PROCESS_FAILED) where the pack has none."""
        for model in self.models:
            if model.role is role:
                return model
        raise SophonError(
            Code.SERVER_PROCESS_FAILED,
            f"the model pack {self.manifest.name} in {self.directory} has no model for {role.value}; {INSTALL_HINT}",
        )

    def path(self, role: Role) -> Path:
        """Return where the file of a role's model lies."""
        return self.directory / self.model(role).file

    def read(self, role: Role) -> bytes:
        """Return the bytes of a role's model, hashed as returned: a file that changed is never loaded.

        Raises SophonError (SERVER_PROCESS_FAILED) where the file is missing or its sha256 is not the manifest's.
        """
        model = self.model(role)
        return read_checked(self.directory / model.file, model.sha256, model.size)


def read_checked(path: Path, sha256: str, limit: int) -> bytes:
    """Return a file's bytes. Raises SophonError where it is missing, over `limit` bytes, or has another sha256."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise SophonError(
            Code.SERVER_PROCESS_FAILED,
            f"the model file {path} can't be read ({error.strerror}); {INSTALL_HINT}",
        ) from error
    check_sha256(data, sha256, str(path))
    return data


def check_sha256(data: bytes, expected: str, what: str) -> None:
    """Raise SophonError (SERVER_PROCESS_FAILED) unless `data` has this sha256."""
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise SophonError(
            Code.SERVER_PROCESS_FAILED,
            f"{what} has sha256 {found}, expected {expected}: it is damaged or not what it says it is; {INSTALL_HINT}",
        )
