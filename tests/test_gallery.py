"""The gallery: people, their groups and permission groups."""

from __future__ import annotations

import numpy as np
import pytest

from sophon import Code, Gallery, Match, SophonError

AXES = np.eye(16, dtype=np.float32)


@pytest.fixture
def gallery() -> Gallery:
    gallery = Gallery(16, making_id="a")
    gallery.add("E1", AXES[0])
    gallery.add("E2", AXES[1], groups=["staff", "night"], permissions=["1046"])
    gallery.add("E3", AXES[2:4], groups=["staff"], permissions=["1046", "7"])
    return gallery


def found(gallery: Gallery, axis: int, **limits: list[str]) -> list[str]:
    return [match.identity_id for match in gallery.search(AXES[axis], **limits)]  # type: ignore[arg-type]


def test_finds_the_person_and_nobody_else(gallery: Gallery) -> None:
    assert gallery.search(AXES[0]) == [Match("E1", 1.0)]
    assert gallery.search(AXES[9]) == []
    assert found(gallery, 2) == found(gallery, 3) == ["E3"]
    assert len(gallery) == 3
    assert "E2" in gallery


def test_groups_and_permissions_limit_the_search(gallery: Gallery) -> None:
    assert found(gallery, 1, groups=["night"]) == ["E2"]
    assert found(gallery, 1, groups=["night", "default_group"], permissions=["7", "1046"]) == ["E2"]
    assert found(gallery, 1, groups=["night"], permissions=["7"]) == []
    assert found(gallery, 1, groups=["nobody"]) == []
    assert found(gallery, 1, groups=[]) == []
    assert found(gallery, 0, groups=["default_group"], permissions=["0"]) == ["E1"]


def test_groups_change_without_a_new_embedding(gallery: Gallery) -> None:
    gallery.set_groups("E2", ["day"])
    gallery.set_permissions("E2", ["9"])
    assert found(gallery, 1, groups=["day"], permissions=["9"]) == ["E2"]
    assert found(gallery, 1, groups=["staff", "night"]) == []
    assert gallery.groups("E2") == {"day"}
    assert gallery.permissions("E2") == {"9"}


def test_a_search_that_is_asked_again_sees_who_came_and_went(gallery: Gallery) -> None:
    # given: a search within a group and a permission group, asked before
    within = {"groups": ["staff"], "permissions": ["1046"]}
    assert found(gallery, 1, **within) == found(gallery, 1, **within) == ["E2"]
    # when: one leaves the permission group, another joins, a third is removed
    gallery.set_permissions("E2", [])
    gallery.add("E4", AXES[4], groups=["staff"], permissions=["1046"])
    gallery.remove("E3")
    # then
    assert found(gallery, 1, **within) == []
    assert found(gallery, 2, **within) == []
    assert found(gallery, 4, **within) == ["E4"]


def test_as_many_limits_as_you_like(gallery: Gallery) -> None:
    for number in range(100):
        gallery.add(f"P{number}", AXES[6], groups=["crowd"], permissions=[f"door {number}"])
    for number in [*range(100), *range(100)]:
        assert found(gallery, 6, groups=["crowd"], permissions=[f"door {number}"]) == [f"P{number}"]


def test_replace_takes_over_everything(gallery: Gallery) -> None:
    gallery.replace("E2", AXES[8], groups=["new"], permissions=["3"])
    assert found(gallery, 1) == []
    assert found(gallery, 8, groups=["new"], permissions=["3"]) == ["E2"]
    assert found(gallery, 8, groups=["staff"]) == []
    gallery.replace("E9", AXES[9])
    assert found(gallery, 9) == ["E9"]


def test_a_removed_person_is_gone_and_may_come_back(gallery: Gallery) -> None:
    assert gallery.remove("E1")
    assert not gallery.remove("E1")
    assert found(gallery, 0) == []
    gallery.add("E1", AXES[0], groups=["other"])
    assert found(gallery, 0, groups=["default_group"]) == []
    assert found(gallery, 0, groups=["other"]) == ["E1"]
    gallery.clear()
    assert len(gallery) == 0
    assert found(gallery, 0) == []


def test_refuses_what_makes_no_sense(gallery: Gallery) -> None:
    with pytest.raises(SophonError, match="E1") as exists:
        gallery.add("E1", AXES[5])
    assert exists.value.code == Code.IDENTITY_EXISTS
    for wrong in (AXES[5] * 2, AXES[5, :8]):
        with pytest.raises(SophonError, match="E5") as bad:
            gallery.add("E5", wrong)
        assert bad.value.code == Code.BAD_FEATURE
        with pytest.raises(SophonError, match="embedding"):
            gallery.search(wrong)
    assert "E5" not in gallery
    with pytest.raises(SophonError, match="making 'b'"):
        gallery.add("E5", AXES[5], making_id="b")
    with pytest.raises(SophonError) as unknown:
        gallery.set_groups("E5", [])
    assert unknown.value.code == Code.ID_NOT_FOUND
