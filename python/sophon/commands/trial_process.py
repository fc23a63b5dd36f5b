"""The process that a `Trial` risks: photographs come in, a sign of life goes out after each."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

from sophon.commands.trial import LENGTHS, SURVIVED
from sophon.engine import FaceEngine
from sophon.models import ModelPack

MEMORY_BYTES = 8 << 30


def judge_all(model_dir: str) -> None:
    """Judge photographs until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with FaceEngine(ModelPack.load(Path(model_dir) if model_dir else None)) as engine:
        while lengths := sys.stdin.buffer.read(LENGTHS.size):
            level_bytes, photo_bytes = LENGTHS.unpack(lengths)
            level = sys.stdin.buffer.read(level_bytes).decode()
            photo = sys.stdin.buffer.read(photo_bytes)
            # A refusal, or even a defect, is a verdict: only the end of the process is not.
            with contextlib.suppress(Exception):
                engine.enroll_candidates(photo, level)
            sys.stdout.buffer.write(SURVIVED)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    # The box may have been killed meanwhile; nobody is left to hear of it.
    with contextlib.suppress(BrokenPipeError):
        judge_all(sys.argv[1])
    sys.stderr.close()
