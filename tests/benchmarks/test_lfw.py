"""Reading both layouts of LFW."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.lfw import Pair, identity, read_protocol


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """The full layout in small: the archive's top folder, and pairs.txt beside the folder."""
    people = {"Ann_Lee": 2, "Bo_Li": 3, "Cy_Xu": 1, "Di_Wu": 1}
    for name, count in people.items():
        folder = tmp_path / "lfw" / "lfw-deepfunneled" / name
        folder.mkdir(parents=True)
        for number in range(1, count + 1):
            (folder / f"{name}_{number:04d}.jpg").write_bytes(b"")
    lines = ["2\t1", "Ann_Lee\t1\t2", "Bo_Li\t1\tCy_Xu\t1", "Bo_Li\t2\t3", "Ann_Lee\t1\tDi_Wu\t1"]
    (tmp_path / "pairs.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "lfw"


def test_the_full_layouts_pairs_fall_into_their_folds(full: Path) -> None:
    assert read_protocol(full).pairs == (
        Pair(Path("Ann_Lee/Ann_Lee_0001.jpg"), Path("Ann_Lee/Ann_Lee_0002.jpg"), True, 1),
        Pair(Path("Bo_Li/Bo_Li_0001.jpg"), Path("Cy_Xu/Cy_Xu_0001.jpg"), False, 1),
        Pair(Path("Bo_Li/Bo_Li_0002.jpg"), Path("Bo_Li/Bo_Li_0003.jpg"), True, 2),
        Pair(Path("Ann_Lee/Ann_Lee_0001.jpg"), Path("Di_Wu/Di_Wu_0001.jpg"), False, 2),
    )


def test_people_with_several_photographs_are_enrolled_and_the_others_are_strangers(full: Path) -> None:
    protocol = read_protocol(full)
    assert {identity(photo) for photo in protocol.gallery} == {"Ann_Lee", "Bo_Li"}
    assert len(protocol.mated) == 3
    assert {identity(photo) for photo in protocol.nonmated} == {"Cy_Xu", "Di_Wu"}
    assert all((protocol.folder / photo).is_file() for photo in protocol.photographs)
    assert not set(protocol.gallery) & set(protocol.mated)


def test_a_cut_pairs_file_is_refused(full: Path) -> None:
    file = full.parent / "pairs.txt"
    file.write_text("\n".join(file.read_text().splitlines()[:-1]))
    with pytest.raises(ValueError, match="announces 4 pairs and holds 3"):
        read_protocol(full)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not an LFW folder"):
        read_protocol(tmp_path)


def test_the_small_layout(test_data: Path) -> None:
    protocol = read_protocol(test_data / "lfw")
    assert len(protocol.pairs) == 600
    assert {pair.fold for pair in protocol.pairs} == {1, 2, 3, 4, 5, 6}
    assert all(pair.same == (identity(pair.a) == identity(pair.b)) for pair in protocol.pairs)
    enrolled = {identity(photo) for photo in protocol.gallery}
    assert {identity(photo) for photo in protocol.mated} <= enrolled
    assert not {identity(photo) for photo in protocol.nonmated} & enrolled
