from __future__ import annotations

from tests.recognition.conftest import biden, box, engine, enrol, obama, store

__all__ = ["biden", "box", "engine", "enrol", "obama", "store"]
