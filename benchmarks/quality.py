"""How well faces are judged: `python -m benchmarks.quality --lfw FOLDER --labelled FOLDER`.

Whether the quality score ranks, by the error-versus-discard curve: the FNMR that is left when the photographs with the
lowest scores are discarded, beside a random choice and an oracle that knows which photographs fail. And whether the level
`high` passes good photographs and fails others for the right reason. Writes `quality.json` and `quality.png`.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.embeddings import nearest_to_middle
from benchmarks.lfw import identity, read_protocol
from benchmarks.metrics import fnmr_after_discard, oracle_order, threshold_at_fmr
from sophon import FaceEngine, load_photo
from sophon.engine import Face
from sophon.models import ModelPack

FMR = 1e-3
SHARES = tuple(np.arange(0, 0.31, 0.01).tolist())
LEVEL = "high"
RIGHT_ITEMS = {
    "blur": {"clarity"},
    "dark": {"brightness"},
    "overexposed": {"brightness"},
    "profile": {"headpose"},
    "mask": {"mask", "occlusion"},
    "sunglasses": {"occlusion"},
    "partial": {"partial"},
    "tiny": {"face_size"},
}
"""The items that should be among the failed ones of a photograph with this label."""


@dataclass(frozen=True)
class DiscardCurve:
    """FNMR at FMR 1e-3 over the share of photographs discarded."""

    comparisons: int
    shares: tuple[float, ...]
    by_quality: tuple[float, ...]
    oracle: tuple[float, ...]

    def at(self, share: float) -> float:
        """Return the FNMR when this share is discarded by quality."""
        return self.by_quality[int(np.argmin(np.abs(np.array(self.shares) - share)))]


@dataclass(frozen=True)
class LabelResult:
    """How the photographs with one label were judged at level `high`."""

    photographs: int
    passed: int
    without_face: int
    right_item: int
    """Of those that failed: how many for the item that the label is about."""
    wrong: tuple[str, ...]
    """The photographs that were judged differently from what the label says."""


def discard_curve(
    embeddings: NDArray[np.float32], people: NDArray[np.int64], quality: NDArray[np.float64]
) -> DiscardCurve:
    """Judge the quality of photographs by what discarding the worst of them saves."""
    scores = embeddings @ embeddings.T
    a, b = np.triu_indices(len(embeddings), 1)
    mated = people[a] == people[b]
    threshold = threshold_at_fmr(scores[a[~mated], b[~mated]], FMR)
    pairs = np.stack([a[mated], b[mated]], axis=1)
    failed = scores[pairs[:, 0], pairs[:, 1]] < threshold
    by_quality = fnmr_after_discard(failed, pairs, np.argsort(quality, kind="stable"), SHARES)
    oracle = fnmr_after_discard(failed, pairs, oracle_order(failed, pairs, len(embeddings)), SHARES)
    return DiscardCurve(len(pairs), SHARES, tuple(by_quality.tolist()), tuple(oracle.tolist()))


def measure_discard(engine: FaceEngine, lfw: Path) -> DiscardCurve:
    """Embed and score LFW's photographs."""
    protocol = read_protocol(lfw)
    faces: dict[Path, Face] = {}
    outcomes = engine.analyze_many(protocol.folder / photo for photo in protocol.photographs)
    for photo, outcome in track(
        zip(protocol.photographs, outcomes, strict=True), "LFW", len(protocol.photographs)
    ):
        image = load_photo(protocol.folder / photo)
        face = nearest_to_middle(outcome.get(), (image.shape[1], image.shape[0]))
        if face is not None:
            faces[photo] = face
    return discard_curve(
        np.stack([face.embedding for face in faces.values()]),
        np.unique([identity(photo) for photo in faces], return_inverse=True)[1],
        np.array([face.quality for face in faces.values()]),
    )


def measure_labels(engine: FaceEngine, labelled: Path) -> dict[str, LabelResult]:
    """Judge the largest face of each photograph of `truth.csv` (file, label, …) at level `high`."""
    with (labelled / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    outcomes = engine.enroll_candidates_many((labelled / row["file"] for row in rows), LEVEL)
    judged: dict[str, list[tuple[str, tuple[str, ...] | None]]] = defaultdict(list)
    for row, outcome in track(zip(rows, outcomes, strict=True), "labelled photographs", len(rows)):
        candidates = outcome.get()
        judged[row["label"]].append((row["file"], candidates[0].quality.fails if candidates else None))
    return {label: _label_result(label, fails) for label, fails in sorted(judged.items())}


def _label_result(label: str, judged: Sequence[tuple[str, tuple[str, ...] | None]]) -> LabelResult:
    failing = [(file, fails) for file, fails in judged if fails]
    passed = [file for file, fails in judged if fails == ()]
    faceless = [file for file, fails in judged if fails is None]
    expected = {"good": passed, "noface": faceless}.get(label, [file for file, _ in failing] + faceless)
    return LabelResult(
        photographs=len(judged),
        passed=len(passed),
        without_face=len(faceless),
        right_item=sum(bool(RIGHT_ITEMS.get(label, set()) & set(fails)) for _, fails in failing),
        wrong=tuple(file for file, _ in judged if file not in expected),
    )


def report(curve: DiscardCurve | None, labels: dict[str, LabelResult]) -> None:
    """Print both tables."""
    console = Console(highlight=False)
    if curve is not None:
        table = Table(
            title=f"FNMR at FMR {FMR:g}, {curve.comparisons:,} comparisons of one person",
            title_justify="left",
        )
        for heading in ("discarded", "by quality", "at random (expected)", "by an oracle"):
            table.add_column(heading, justify="right")
        for share, rate, oracle in zip(curve.shares, curve.by_quality, curve.oracle, strict=True):
            if round(share * 100) % 5 == 0:
                table.add_row(f"{share:.0%}", f"{rate:.4f}", f"{curve.by_quality[0]:.4f}", f"{oracle:.4f}")
        console.print(table)
    if labels:
        table = Table(title=f"level {LEVEL}", title_justify="left")
        for heading in ("label", "photographs", "passed", "failed", "for the right item", "without a face"):
            table.add_column(heading, justify="left" if heading == "label" else "right")
        for label, result in labels.items():
            failed = result.photographs - result.passed - result.without_face
            right = f"{result.right_item}" if label in RIGHT_ITEMS else ""
            counts = (result.photographs, result.passed, failed, right, result.without_face)
            table.add_row(label, *(str(count) for count in counts))
        console.print(table)


def plot(curve: DiscardCurve | None, labels: dict[str, LabelResult], path: Path) -> None:
    """Draw the error-versus-discard curve, and the share of each label that passes."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    discard, levels = figure.subplots(1, 2)
    if curve is not None:
        discard.plot(curve.shares, curve.by_quality, label="by quality")
        discard.plot(
            curve.shares, [curve.by_quality[0]] * len(curve.shares), "--", label="at random (expected)"
        )
        discard.plot(curve.shares, curve.oracle, ":", label="by an oracle")
        discard.set(
            xlabel="photographs discarded",
            ylabel=f"FNMR at FMR {FMR:g}",
            title="error versus discard",
            ylim=0,
        )
        discard.grid(alpha=0.3)
        discard.legend()
    levels.barh(list(labels), [result.passed / result.photographs for result in labels.values()])
    levels.set(xlim=(0, 1), title=f"share that passes level {LEVEL}")
    figure.savefig(path, dpi=120)


def main(
    lfw: Annotated[
        Path | None, typer.Option(help="LFW, for the error-versus-discard curve.", exists=True)
    ] = None,
    labelled: Annotated[
        Path | None, typer.Option(help="A folder with truth.csv, for the levels.", exists=True)
    ] = None,
    models: Annotated[Path | None, typer.Option(help="The model pack (default: the installed one).")] = None,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("bench-out"),
) -> None:
    """Measure how well faces are judged on labelled photographs."""
    if lfw is None and labelled is None:
        raise typer.BadParameter("give --lfw, --labelled or both")
    with FaceEngine(ModelPack.load(models)) as engine:
        curve = None if lfw is None else measure_discard(engine, lfw)
        labels = {} if labelled is None else measure_labels(engine, labelled)
    report(curve, labels)
    out.mkdir(parents=True, exist_ok=True)
    plot(curve, labels, out / "quality.png")
    figures: dict[str, Any] = {"labels": {label: asdict(result) for label, result in labels.items()}}
    if curve is not None:
        figures["error_versus_discard"] = {"fmr": FMR, **asdict(curve)}
    (out / "quality.json").write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    typer.run(main)
