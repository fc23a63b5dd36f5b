"""How well people are recognised: `python -m benchmarks.accuracy --lfw FOLDER`.

Verification accuracy over the protocol's folds, TAR at fixed FAR, and 1:N search with people who are not enrolled, of
Sophon's engine and, on request, of the plain pipeline with the same models. Writes `accuracy.json` and `accuracy.png`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import orjson
import typer
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import sophon
from benchmarks.embeddings import Array, FoundFace, Pipeline, embed
from benchmarks.lfw import Pair, Protocol, identity, read_protocol
from benchmarks.metrics import (
    Identification,
    Verification,
    det_curve,
    identification,
    tar_at_far,
    verification,
)
from benchmarks.plain_pipeline import PlainPipeline
from sophon import _core
from sophon.models import ModelPack

MAX_DISTRACTORS = 50_000
RANKS = 20
FARS = (1e-2, 1e-3, 1e-4, 1e-5)
FPIRS = (0.1, 0.01, 0.003)


class SophonPipeline:
    """The engine of this package."""

    name = "sophon"

    def __init__(self, pack: ModelPack) -> None:
        self._engine = sophon.FaceEngine(pack)
        self.version = f"sophon-{self._engine.making_id}-{_digest_of_code()}"

    def faces(self, photograph: Path) -> tuple[Sequence[FoundFace], tuple[int, int]]:
        image = sophon.load_photo(photograph)
        return self._engine.analyze(image), (image.shape[1], image.shape[0])


class Plain:
    """The plain pipeline."""

    name = "plain"

    def __init__(self, pack: ModelPack) -> None:
        self._pipeline = PlainPipeline(pack)
        self.version = self._pipeline.making_id

    def faces(self, photograph: Path) -> tuple[Sequence[FoundFace], tuple[int, int]]:
        image: Any = cv2.imread(str(photograph))
        return self._pipeline.analyze(image), (image.shape[1], image.shape[0])


def _digest_of_code() -> str:
    """Hash the engine's code and core: what is cached must not outlive a change of detection or alignment."""
    package = Path(sophon.__file__).parent
    files = [*sorted((package / "engine").rglob("*.py")), Path(_core.__file__)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


@dataclass(frozen=True)
class AllPairs:
    """Scores of every two photographs: of one person, and of different people."""

    mated: Array
    nonmated: Array


@dataclass(frozen=True)
class Result:
    """What one pipeline reached under one protocol."""

    pipeline: str
    photographs: int
    without_face: list[str]
    pairs: int
    verification: Verification
    all_pairs: AllPairs
    identification: Identification | None
    enrolled: int
    distractors: int

    def figures(self) -> dict[str, Any]:
        """Return the numbers, without the scores behind them."""
        mated, nonmated = self.all_pairs.mated, self.all_pairs.nonmated
        resolvable = [far for far in FARS if far * len(nonmated) >= 1]
        figures: dict[str, Any] = {
            "photographs": self.photographs,
            "without_face": self.without_face,
            "verification": {"pairs": self.pairs, **asdict(self.verification)},
            "all_pairs": {
                "mated": len(mated),
                "nonmated": len(nonmated),
                "tar_at_far": {f"{far:g}": tar_at_far(mated, nonmated, far) for far in resolvable},
            },
        }
        if self.identification is not None:
            found = self.identification
            figures["identification"] = {
                "enrolled": self.enrolled,
                "synthetic_distractors": self.distractors,
                "mated_probes": len(found.ranks),
                "nonmated_probes": len(found.stranger_scores),
                "rank_1": found.rank_1,
                "tpir_at_fpir": {f"{fpir:g}": found.tpir_at_fpir(fpir) for fpir in FPIRS},
            }
        return figures


def measure(pipeline: Pipeline, protocol: Protocol, distractors: int, cache: Path, workers: int) -> Result:
    """Run a pipeline over a protocol's photographs and judge it."""
    photographs = protocol.photographs
    embeddings = embed(pipeline, protocol.folder, photographs, cache, workers)
    return Result(
        pipeline=pipeline.name,
        photographs=len(photographs),
        without_face=[str(photo) for photo in photographs if photo not in embeddings],
        pairs=len(protocol.pairs),
        verification=verification(
            np.array([pair_score(pair, embeddings) for pair in protocol.pairs], np.float32),
            np.array([pair.same for pair in protocol.pairs]),
            np.array([pair.fold for pair in protocol.pairs]),
        ),
        all_pairs=compare_all(embeddings),
        identification=identify(protocol, embeddings, distractors) if protocol.gallery else None,
        enrolled=len(protocol.gallery),
        distractors=distractors,
    )


def pair_score(pair: Pair, embeddings: dict[Path, Array]) -> float:
    """Return the cosine of a pair, NaN where one photograph shows no face."""
    if pair.a not in embeddings or pair.b not in embeddings:
        return float("nan")
    return float(embeddings[pair.a] @ embeddings[pair.b])


def compare_all(embeddings: dict[Path, Array]) -> AllPairs:
    """Compare every photograph with every other one: many more comparisons than the protocol's pairs."""
    matrix = np.stack(list(embeddings.values()))
    people = np.unique([identity(photo) for photo in embeddings], return_inverse=True)[1]
    mated, nonmated = [], []
    for row in range(len(matrix) - 1):
        scores = matrix[row + 1 :] @ matrix[row]
        same = people[row + 1 :] == people[row]
        mated.append(scores[same])
        nonmated.append(scores[~same])
    return AllPairs(np.concatenate(mated), np.concatenate(nonmated))


def identify(protocol: Protocol, embeddings: dict[Path, Array], distractors: int) -> Identification:
    """Search every probe among the enrolled people and the distractors."""
    enrolled = [photo for photo in protocol.gallery if photo in embeddings]
    keys = {identity(photo): key for key, photo in enumerate(enrolled)}
    real = np.stack([embeddings[photo] for photo in enrolled])
    made = synthetic_people(np.stack(list(embeddings.values())), distractors)
    gallery = np.concatenate([real, made])
    missing = np.full(gallery.shape[1], np.nan, np.float32)
    mated = np.stack([embeddings.get(photo, missing) for photo in protocol.mated])
    strangers = np.stack([embeddings.get(photo, missing) for photo in protocol.nonmated])
    own = np.array([keys.get(identity(photo), -1) for photo in protocol.mated])
    own_scores = np.where(own >= 0, np.sum(mated * real[own], axis=1), np.nan)
    found, _ = search(gallery, mated, RANKS)
    _, best = search(gallery, strangers, 1)
    best = np.where(np.isnan(strangers[:, 0]), np.nan, best[:, 0])
    return identification(found, own, own_scores.astype(np.float32), best.astype(np.float32))


def search(gallery: Array, probes: Array, k: int) -> tuple[NDArray[np.int64], Array]:
    """Return rows and scores of the k best of the gallery for each probe."""
    index = sophon.ExactIndex(gallery.shape[1])
    index.add(np.arange(len(gallery)), gallery)
    found: tuple[NDArray[np.int64], Array] = index.search(np.nan_to_num(probes), k=k)
    return found


def synthetic_people(embeddings: Array, count: int) -> Array:
    """Return unit vectors that spread as the real embeddings do: Gaussian with their mean and covariance, normalised.

    They stand for people who are not there; a real gallery of that size would hold look-alikes, these don't.
    """
    random = np.random.default_rng(0)
    made = random.multivariate_normal(embeddings.mean(axis=0), np.cov(embeddings.T), count, method="cholesky")
    people: Array = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return people


def plot(results: list[Result], path: Path) -> None:
    """Draw the DET curve of all pairs, and the CMC curve of the 1:N searches."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    det, cmc = figure.subplots(1, 2)
    for result in results:
        fmr, fnmr = det_curve(result.all_pairs.mated, result.all_pairs.nonmated)
        det.plot(fmr, np.maximum(fnmr, 0.5 / len(result.all_pairs.mated)), label=result.pipeline)
        if result.identification is not None:
            cmc.plot(range(1, RANKS + 1), result.identification.cmc(RANKS), marker=".", label=result.pipeline)
    det.set(xscale="log", yscale="log", xlabel="FMR", ylabel="FNMR", title="DET, every two photographs")
    found = [result.identification.rank_1 for result in results if result.identification is not None]
    cmc.set(
        xlabel="rank",
        ylabel="found up to this rank",
        title="CMC, 1:N",
        ylim=(min([0.95, *found]) - 0.02, 1.002),
    )
    cmc.set_xticks([1, *range(5, RANKS + 1, 5)])
    for axes in (det, cmc):
        axes.grid(alpha=0.3, which="both")
        axes.legend()
    figure.savefig(path, dpi=120)


def report(protocol: Protocol, results: list[Result]) -> None:
    """Print one column per pipeline, and below it how much each figure rests on."""
    table = Table(title=protocol.name, title_justify="left")
    table.add_column("")
    for result in results:
        table.add_column(result.pipeline, justify="right")
    for label, values in _rows(results):
        table.add_row(label, *values)
    console = Console(highlight=False)
    console.print(table)
    console.print("\n".join(_grounds(results[0])), soft_wrap=True)


def _rows(results: list[Result]) -> list[tuple[str, list[str]]]:
    figures = [result.figures() for result in results]
    judged = [result.verification for result in results]
    rows = [
        ("photographs without a face", [str(len(result.without_face)) for result in results]),
        ("verification accuracy", [f"{one.accuracy:.4f} ± {one.spread:.4f}" for one in judged]),
    ]
    rows += [
        (f"TAR at FAR {far}", [f"{one['all_pairs']['tar_at_far'][far]:.4f}" for one in figures])
        for far in figures[0]["all_pairs"]["tar_at_far"]
    ]
    if "identification" in figures[0]:
        found = [one["identification"] for one in figures]
        rows.append(("1:N rank-1", [f"{one['rank_1']:.4f}" for one in found]))
        rows += [
            (f"1:N TPIR at FPIR {fpir:.1%}", [f"{one['tpir_at_fpir'][f'{fpir:g}']:.4f}" for one in found])
            for fpir in FPIRS
        ]
    return rows


def _grounds(result: Result) -> list[str]:
    pairs = result.all_pairs
    grounds = [
        f"verification: {result.pairs} pairs, each fold by the threshold of the others; ± is the standard error over folds",
        f"TAR: every two photographs, {len(pairs.mated):,} of one person, {len(pairs.nonmated):,} of different people",
    ]
    if result.identification is not None:
        strangers = len(result.identification.stranger_scores)
        grounds.append(
            f"1:N: {result.enrolled} enrolled, {len(result.identification.ranks)} probes of theirs, {strangers} strangers; "
            f"an FPIR below {1 / strangers:.2%} lets none of them through"
        )
    if result.distractors:
        grounds.append(
            f"{result.distractors:,} of the enrolled are synthetic: vectors spread as real embeddings are, not photographs"
        )
    return grounds


def main(
    lfw: Annotated[
        Path, typer.Option(help="Photographs: the full LFW layout, or one with pairs.csv.", exists=True)
    ],
    distractors: Annotated[
        int, typer.Option(help="Synthetic people to enrol besides the real ones.", min=0, max=MAX_DISTRACTORS)
    ] = 0,
    plain: Annotated[bool, typer.Option("--plain", help="Also measure the plain pipeline.")] = False,
    models: Annotated[Path | None, typer.Option(help="The model pack (default: the installed one).")] = None,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("bench-out"),
    workers: Annotated[int, typer.Option(help="Photographs at once.", min=1)] = 2,
) -> None:
    """Measure how well people are recognised on labelled photographs."""
    protocol = read_protocol(lfw)
    pack = ModelPack.load(models)
    pipelines: list[Pipeline] = [SophonPipeline(pack), *([Plain(pack)] if plain else [])]
    results = [measure(one, protocol, distractors, out / "cache", workers) for one in pipelines]
    report(protocol, results)
    out.mkdir(parents=True, exist_ok=True)
    plot(results, out / "accuracy.png")
    figures = {result.pipeline: result.figures() for result in results}
    (out / "accuracy.json").write_bytes(
        orjson.dumps(
            {"protocol": protocol.name, "pack": pack.manifest.name, "results": figures},
            option=orjson.OPT_INDENT_2,
        )
    )


if __name__ == "__main__":
    typer.run(main)
