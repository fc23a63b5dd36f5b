from __future__ import annotations

from tests.recognition.conftest import biden, box, enrol, obama, store

__all__ = ["biden", "box", "enrol", "obama", "store"]
