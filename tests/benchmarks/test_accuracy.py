"""The engine recognises people: judged on labelled photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import Plain, Result, SophonPipeline, measure, plot, synthetic_people
from benchmarks.lfw import read_protocol
from sophon.models import ModelPack


@pytest.fixture(scope="module")
def result(test_data: Path, model_pack: ModelPack, tmp_path_factory: pytest.TempPathFactory) -> Result:
    cache = tmp_path_factory.mktemp("cache")
    return measure(SophonPipeline(model_pack), read_protocol(test_data / "lfw"), 0, cache, workers=2)


@pytest.mark.slow
def test_verification_and_search_reach_what_the_models_allow(result: Result) -> None:
    assert result.without_face == []
    assert result.verification.accuracy >= 0.985
    assert result.identification is not None
    assert result.identification.rank_1 >= 0.98


@pytest.mark.slow
def test_the_report_has_a_plot_and_only_figures_that_the_comparisons_allow(
    result: Result, tmp_path: Path
) -> None:
    plot([result], tmp_path / "accuracy.png")
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    tar = result.figures()["all_pairs"]["tar_at_far"]
    assert list(tar) == ["0.01", "0.001", "0.0001", "1e-05"]
    assert sorted(tar.values(), reverse=True) == list(tar.values())


@pytest.mark.slow
def test_embeddings_are_kept_between_runs(
    test_data: Path, model_pack: ModelPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = read_protocol(test_data / "lfw")
    pipeline = Plain(model_pack)
    first = measure(pipeline, protocol, 0, tmp_path, workers=2)
    monkeypatch.setattr(pipeline, "faces", None)  # would fail if it were called again
    assert measure(pipeline, protocol, 0, tmp_path, workers=2).figures() == first.figures()


def test_synthetic_people_are_spread_as_real_ones() -> None:
    random = np.random.default_rng(1)
    real = random.normal(size=(500, 8)) * np.arange(1, 9) + 0.5
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    made = synthetic_people(real.astype(np.float32), 5000)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.cov(made.T), np.cov(real.T), atol=0.05)
