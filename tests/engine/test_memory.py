"""What an engine takes of the machine's memory, over many photographs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: The full measure is 10,000 (about ten minutes).
PHOTOGRAPHS = int(os.environ.get("SOPHON_MEMORY_PHOTOGRAPHS", "400"))

SCRIPT = """
import random, sys
from pathlib import Path
import cv2, numpy as np, psutil
from sophon import FaceEngine, SophonError

photographs, folder = int(sys.argv[1]), Path(sys.argv[2])
portraits = [cv2.resize(cv2.imread(str(file)), (160, 160)) for file in sorted(folder.glob("people/*/*"))]
chance = random.Random(7)
process = psutil.Process()
with FaceEngine() as engine:
    for number in range(photographs):
        columns, rows = chance.choice([(1, 1)] * 12 + [(2, 1)] * 4 + [(3, 1), (2, 2), (5, 2)])
        faces = np.vstack([np.hstack(chance.choices(portraits, k=columns)) for _ in range(rows)])
        width = round(80 * 2 ** chance.uniform(0, 4.5))
        picture = cv2.resize(faces, (width, max(16, width * rows // columns)))
        for face in engine.analyze(picture):
            face.quality
        if number % 10 == 0:
            try:
                engine.assess(picture, "high")
            except SophonError:
                pass
        if number == photographs // 2:
            print(process.memory_info().rss >> 20)
print(process.memory_info().rss >> 20)
"""


@pytest.mark.slow
@pytest.mark.timeout(60 + PHOTOGRAPHS)
def test_an_engine_stays_under_350_mib_and_does_not_grow(portraits: Path) -> None:
    # given photographs of all sizes with one to ten faces, in a process of their own
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(PHOTOGRAPHS), str(portraits)],
        capture_output=True,
        text=True,
        check=True,
    )
    halfway, end = (int(line) for line in done.stdout.split())
    # then all sizes have come by halfway, and nothing more is kept of the second half
    assert end < 350
    assert end - halfway < 12
