from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sophon.box import Box, Enrolment
from sophon.calibration import load_calibration
from sophon.engine import FaceEngine, load_photo
from sophon.engine.photo import Image
from sophon.models import ModelPack
from sophon.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "data") as store:
        yield store


@pytest.fixture
def box(store: Store, engine: FaceEngine, model_pack: ModelPack) -> Box:
    box = Box(store, engine, calibration=load_calibration(model_pack.directory, engine.making_id))
    box.load()
    return box


Enrol = Callable[..., None]


@pytest.fixture
def enrol(store: Store, box: Box, portraits: Path) -> Enrol:
    """Enrol someone from one of the portraits."""

    def enrol(
        identity_id: str, photo: str, person_type: int = 1, permissions: tuple[str, ...] = ("0",)
    ) -> None:
        face = box.portrait((portraits / "people" / photo).read_bytes(), "no")
        info = {"name": f"name of {identity_id}", "type": person_type}
        with store.write() as transaction:
            seq = transaction.counters.add("seq")
            [outcome] = box.enrol(transaction, seq, [Enrolment(identity_id, info, 1, permissions, face)])
        assert outcome.error is None

    return enrol


@pytest.fixture
def obama(portraits: Path) -> Image:
    return load_photo(portraits / "people" / "barack_obama" / "obama2.jpg")


@pytest.fixture
def biden(portraits: Path) -> Image:
    return load_photo(portraits / "people" / "joe_biden" / "biden.jpg")
