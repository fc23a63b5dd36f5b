"""Who is compared with whom: the LFW protocols, and one of our own for 1:N.

Two layouts are understood: the benchmark's own (`pairs.txt` beside or above one folder per person) and a small one
(`pairs.csv`: path_a, path_b, same, fold; `identification.csv`: path, identity, role).
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from pathlib import Path

ENROLLED = 950
PROBES_PER_PERSON = 5
SEED = 20070701


@dataclass(frozen=True)
class Pair:
    """Two photographs, whether they show one person, and the fold they belong to."""

    a: Path
    b: Path
    same: bool
    fold: int


@dataclass(frozen=True)
class Protocol:
    """Photographs under one folder, and what is done with them; paths are relative to it."""

    name: str
    folder: Path
    pairs: tuple[Pair, ...]
    gallery: tuple[Path, ...]
    mated: tuple[Path, ...]
    nonmated: tuple[Path, ...]

    @property
    def photographs(self) -> list[Path]:
        """Every photograph that takes part, once."""
        compared = [photo for pair in self.pairs for photo in (pair.a, pair.b)]
        return sorted({*compared, *self.gallery, *self.mated, *self.nonmated})


def identity(photo: Path) -> str:
    """Return who is on a photograph: the name of its folder."""
    return photo.parent.name


def read_protocol(folder: Path) -> Protocol:
    """Read the layout that `folder` has. Raises FileNotFoundError where it has neither."""
    if (folder / "pairs.csv").is_file():
        return _small(folder)
    for place in (folder, folder.parent):
        if (place / "pairs.txt").is_file():
            return _full(folder, place / "pairs.txt")
    raise FileNotFoundError(f"{folder} holds neither pairs.csv nor pairs.txt: not an LFW folder")


def _small(folder: Path) -> Protocol:
    with (folder / "pairs.csv").open(newline="") as file:
        pairs = tuple(
            Pair(Path(row["path_a"]), Path(row["path_b"]), row["same"] == "1", int(row.get("fold") or 1))
            for row in csv.DictReader(file)
        )
    roles: dict[str, list[Path]] = {"gallery": [], "probe_mated": [], "probe_nonmated": []}
    if (folder / "identification.csv").is_file():
        with (folder / "identification.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                roles[row["role"]].append(Path(row["path"]))
    groups = (tuple(roles[role]) for role in ("gallery", "probe_mated", "probe_nonmated"))
    return Protocol(f"pairs.csv and identification.csv of {folder.name}", folder, pairs, *groups)


def _full(folder: Path, pairs_file: Path) -> Protocol:
    """The official View 2 pairs; for 1:N, `ENROLLED` people of those with several photographs."""
    people = sorted(path for path in folder.iterdir() if path.is_dir())
    if len(people) == 1:  # the archive's own top folder
        folder = people[0]
        people = sorted(path for path in folder.iterdir() if path.is_dir())
    photographs = {
        person.name: sorted(p.relative_to(folder) for p in person.glob("*.jpg")) for person in people
    }
    several = [name for name, photos in photographs.items() if len(photos) > 1]
    enrolled = sorted(random.Random(SEED).sample(several, min(ENROLLED, len(several))))
    return Protocol(
        f"LFW, View 2, and 1:N with {len(enrolled)} enrolled",
        folder,
        tuple(_official_pairs(pairs_file)),
        tuple(photographs[name][0] for name in enrolled),
        tuple(photo for name in enrolled for photo in photographs[name][1 : 1 + PROBES_PER_PERSON]),
        tuple(photos[0] for photos in photographs.values() if len(photos) == 1),
    )


def _official_pairs(file: Path) -> list[Pair]:
    """Read pairs.txt: `folds pairs`, then per fold so many matched lines `name i j` and mismatched `name i name j`."""
    lines = [line.split() for line in file.read_text().splitlines() if line.strip()]
    folds, each = (int(lines[0][0]), int(lines[0][1])) if len(lines[0]) == 2 else (1, int(lines[0][0]))
    pairs = []
    for index, fields in enumerate(lines[1:]):
        fold = index // (2 * each) + 1
        name_a, number_a, name_b, number_b = (
            (*fields[:2], fields[0], fields[2]) if len(fields) == 3 else fields
        )
        pairs.append(Pair(_photo(name_a, number_a), _photo(name_b, number_b), len(fields) == 3, fold))
    if len(pairs) != 2 * each * folds:
        raise ValueError(f"{file} announces {2 * each * folds} pairs and holds {len(pairs)}")
    return pairs


def _photo(name: str, number: str) -> Path:
    return Path(name, f"{name}_{int(number):04d}.jpg")
