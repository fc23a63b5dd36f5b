"""The engine's time per photograph, beside the plain pipeline: the same models in OpenCV, NumPy and ONNX Runtime.

Both use one thread. The plain pipeline does less: it detects at one scale, of 320 pixels, and judges no quality.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.plain_pipeline import PlainPipeline
from sophon import FaceEngine
from sophon.models import ModelPack

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def engine(model_pack: ModelPack) -> Iterator[FaceEngine]:
    with FaceEngine(model_pack) as engine:
        yield engine


@pytest.fixture(scope="module")
def plain(model_pack: ModelPack) -> PlainPipeline:
    return PlainPipeline(model_pack)


@pytest.fixture(scope="module")
def photograph(portraits: Path) -> Image:
    """One face, 640 × 480."""
    whole: Any = cv2.imread(str(portraits / "people" / "eileen_collins" / "astronaut.png"))
    return np.ascontiguousarray(cv2.resize(whole[:384], (640, 480)))


@pytest.fixture(scope="module")
def crowd(photograph: Image) -> Image:
    """The same face ten times."""
    return np.ascontiguousarray(np.tile(cv2.resize(photograph, (256, 240)), (2, 5, 1)))


def run(benchmark: BenchmarkFixture, rounds: int, group: str, function: Any, *arguments: Any) -> Any:
    benchmark.group = group
    return benchmark.pedantic(function, arguments, rounds=rounds, warmup_rounds=3)  # type: ignore[no-untyped-call]


class TestOneFace:
    group = "640×480, one face, array to embedding"

    def test_sophon(
        self, benchmark: BenchmarkFixture, rounds: int, engine: FaceEngine, photograph: Image
    ) -> None:
        assert len(run(benchmark, rounds, self.group, engine.analyze, photograph)) == 1

    def test_plain(
        self, benchmark: BenchmarkFixture, rounds: int, plain: PlainPipeline, photograph: Image
    ) -> None:
        assert len(run(benchmark, rounds, self.group, plain.analyze, photograph)) == 1


class TestTenFaces:
    group = "1280×480, ten faces, array to embeddings"

    def test_sophon(self, benchmark: BenchmarkFixture, rounds: int, engine: FaceEngine, crowd: Image) -> None:
        assert len(run(benchmark, rounds, self.group, engine.analyze, crowd)) == 10

    def test_plain(
        self, benchmark: BenchmarkFixture, rounds: int, plain: PlainPipeline, crowd: Image
    ) -> None:
        assert len(run(benchmark, rounds, self.group, plain.analyze, crowd)) == 10


class TestLargePhotograph:
    group = "970×2204 JPEG, one face, file to embedding"

    def test_sophon(
        self, benchmark: BenchmarkFixture, rounds: int, engine: FaceEngine, portraits: Path
    ) -> None:
        file = portraits / "people" / "joe_biden" / "biden.jpg"
        assert len(run(benchmark, rounds, self.group, engine.analyze, file)) == 1

    def test_plain(
        self, benchmark: BenchmarkFixture, rounds: int, plain: PlainPipeline, portraits: Path
    ) -> None:
        file = str(portraits / "people" / "joe_biden" / "biden.jpg")
        assert (
            len(run(benchmark, rounds, self.group, lambda: plain.analyze(np.asarray(cv2.imread(file))))) == 1
        )


class TestEnrolment:
    group = "640×480, one face, judged at level high"

    def test_sophon(
        self, benchmark: BenchmarkFixture, rounds: int, engine: FaceEngine, photograph: Image
    ) -> None:
        assert len(run(benchmark, rounds, self.group, engine.enroll_candidates, photograph, "high")) == 1
