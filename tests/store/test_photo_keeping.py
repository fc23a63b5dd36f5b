"""Enrolment photographs and crops: kept, encrypted, or not kept; on real files."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sophon.backups import Restoration, write_backup
from sophon.cli import app
from sophon.config import load_settings
from sophon.errors import ConfigError, SophonError
from sophon.photo_key import photo_keeping
from sophon.store import (
    BackupError,
    EnrolledFrom,
    EventPictures,
    EventRow,
    FaceRow,
    PersonRow,
    PhotoKeeping,
    PhotoMode,
    Store,
    database,
)

PHOTO = b"\xff\xd8 the only photograph of Li Lei " * 400
CROP = b"\x89PNG the only crop of Li Lei " * 400
KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = "11" * 32


def keeping(mode: PhotoMode, key: str | None = KEY) -> PhotoKeeping:
    return photo_keeping(mode, key)


def enrol(store: Store, *identity_ids: str) -> None:
    embedding = np.array([0.6, 0.8], np.float32)
    with store.write() as transaction:
        for identity_id in identity_ids:
            transaction.people.put(PersonRow(identity_id, {"name": "Li Lei"}, 1, 1, 1000))
            face = FaceRow(PHOTO, b"s" * 32, "high", "making-1", embedding, CROP)
            transaction.people.put_face(identity_id, face)


def photo(store: Store, identity_id: str = "A") -> bytes | None:
    with store.read() as snapshot:
        return snapshot.people.photo(identity_id)


def crops(store: Store) -> list[tuple[str, bytes]]:
    with store.read() as snapshot:
        return snapshot.people.crops_of_other_makings("making-2", 10)


def on_disk(store: Store) -> bytes:
    store.scrub()
    return b"".join(file.read_bytes() for file in store.data_dir.iterdir() if file.is_file())


def refuses(data_dir: Path, photos: PhotoKeeping, why: str) -> None:
    with (
        Store(data_dir, photos=photos) as store,
        pytest.raises(ConfigError, match=rf"enrolment_photos_key_file.*{why}") as refused,
    ):
        store.convert_photos()
    assert OTHER_KEY not in str(refused.value)


def test_encrypted_images_come_back_and_are_nowhere_in_the_clear(tmp_path: Path) -> None:
    with Store(tmp_path, photos=keeping("encrypt")) as store:
        store.convert_photos()
        enrol(store, "A", "B")
        assert photo(store) == PHOTO
        assert crops(store) == [("A", CROP), ("B", CROP)]
        disk = on_disk(store)
        assert b"photograph of Li Lei" not in disk
        assert b"crop of Li Lei" not in disk
        with store.read() as snapshot:  # so that an unchanged photograph costs no analysis
            assert snapshot.people.enrolled_from("A") == EnrolledFrom(b"s" * 32, "high", "making-1")


def test_images_that_are_not_kept_are_not_there_but_their_person_is(tmp_path: Path) -> None:
    with Store(tmp_path, photos=keeping("none", None)) as store:
        store.convert_photos()
        enrol(store, "A")
        assert photo(store) is None
        assert crops(store) == []
        disk = on_disk(store)
        assert b"photograph of Li Lei" not in disk
        assert b"crop of Li Lei" not in disk
        with store.read() as snapshot:
            assert snapshot.people.enrolled_from("A") == EnrolledFrom(b"s" * 32, "high", "making-1")
            assert len(list(snapshot.people.gallery("making-1"))) == 1


@pytest.mark.parametrize("then", ["keep", "encrypt", "none"])
@pytest.mark.parametrize("first", ["keep", "encrypt", "none"])
def test_what_is_on_the_disk_follows_the_setting(tmp_path: Path, first: PhotoMode, then: PhotoMode) -> None:
    ids = [f"P{number:03}" for number in range(120)]
    with Store(tmp_path, photos=keeping(first)) as store:
        store.convert_photos()
        enrol(store, *ids)
    with Store(tmp_path, photos=keeping(then)) as store:
        assert store.convert_photos() == (first != then)
        assert not store.convert_photos()
        expected = None if "none" in (first, then) else PHOTO
        assert {photo(store, one) for one in ids} == {expected}
        assert (b"photograph of Li Lei" in on_disk(store)) == (
            first == then == "keep" or ((first, then) == ("encrypt", "keep"))
        )


SCENE = b"\xff\xd8 the only scene with Li Lei " * 400


def see(store: Store) -> int:
    with store.write() as transaction:
        event = EventRow(1, "A", "Li Lei", 1, "default_group", "10.0.0.2", "0", 0.9, {})
        return transaction.events.add(event, EventPictures(SCENE, None))


def scene(store: Store, event_id: int) -> bytes | None:
    with store.read() as snapshot:
        return snapshot.events.pictures(event_id).spot


@pytest.mark.parametrize("then", ["keep", "encrypt", "none"])
@pytest.mark.parametrize("first", ["keep", "encrypt", "none"])
def test_events_pictures_are_encrypted_where_photographs_are_and_kept_in_any_case(
    tmp_path: Path, first: PhotoMode, then: PhotoMode
) -> None:
    with Store(tmp_path, photos=keeping(first)) as store:
        store.convert_photos()
        events = [see(store) for _ in range(60)]
        assert {scene(store, one) for one in events} == {SCENE}
        assert (b"scene with Li Lei" in on_disk(store)) == (first != "encrypt")
    with Store(tmp_path, photos=keeping(then)) as store:
        store.convert_photos()
        assert {scene(store, one) for one in [*events, see(store)]} == {SCENE}
        assert (b"scene with Li Lei" in on_disk(store)) == (then != "encrypt")


def test_an_event_s_picture_needs_the_key_or_goes_with_it(tmp_path: Path) -> None:
    with Store(tmp_path, photos=keeping("encrypt")) as store:
        store.convert_photos()
        first, second = see(store), see(store)
        with store.write() as transaction:
            transaction._connection.execute(
                "UPDATE event_pictures SET spot = (SELECT spot FROM event_pictures WHERE event_id = ?)",
                (first,),
            )
        with pytest.raises(SophonError, match="can't be decrypted"):
            scene(store, second)
    with Store(tmp_path) as store, pytest.raises(ConfigError, match="not given"):
        scene(store, first)
    refuses(tmp_path, PhotoKeeping("keep"), "not given")
    with Store(tmp_path, photos=PhotoKeeping("none")) as store:
        store.convert_photos()
        assert scene(store, first) is None


def test_a_box_that_encrypted_before_events_pictures_were_is_brought_up_to_date(tmp_path: Path) -> None:
    with Store(tmp_path, photos=keeping("keep")) as store:
        event = see(store)
        enrol(store, "A")
    with Store(tmp_path, photos=keeping("encrypt")) as store:
        store.convert_photos()
        with store.write() as transaction:  # as the version before left it
            transaction._connection.execute("UPDATE event_pictures SET spot = ?", (SCENE,))
            transaction._connection.execute("DROP TABLE spent_bodies")
            transaction._connection.execute("PRAGMA user_version = 4")
    with Store(tmp_path, photos=keeping("encrypt")) as store:
        assert store.convert_photos()
        assert scene(store, event) == SCENE
        assert photo(store) == PHOTO
        assert b"scene with Li Lei" not in on_disk(store)
        assert not store.convert_photos()


def test_the_command_line_shows_an_encrypted_picture_to_who_has_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "data", photos=keeping("encrypt")) as store:
        store.convert_photos()
        event = see(store)
    show = ["events", "show", str(event), "--data-dir", str(tmp_path / "data")]
    assert f"spot_picture_bytes: {len(SCENE)}" not in CliRunner().invoke(app, show).stdout
    without = CliRunner().invoke(app, [*show, "--save", str(tmp_path)])
    assert isinstance(without.exception, ConfigError)
    (tmp_path / "key").write_text(KEY)
    by_file = CliRunner().invoke(
        app, [*show, "--save", str(tmp_path / "a"), "--enrolment-photos-key-file", str(tmp_path / "key")]
    )
    monkeypatch.setenv("SOPHON_ENROLMENT_PHOTOS_KEY", KEY)
    by_environment = CliRunner().invoke(app, [*show, "--save", str(tmp_path / "b")])
    assert (by_file.exit_code, by_environment.exit_code) == (0, 0)
    for folder in "ab":
        assert (tmp_path / folder / f"{event}-spot.jpg").read_bytes() == SCENE


def test_a_conversion_that_was_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PHOTOS_AT_ONCE", 2)
    with Store(tmp_path) as store:
        enrol(store, "A", "B", "C", "D", "E")
    seal, sealed = PhotoKeeping.to_store, []

    def fail_at_fourth(photos: PhotoKeeping, image: bytes, about: bytes) -> bytes:
        sealed.append(about)
        if len(sealed) == 5:  # the first one is tried before anything is changed
            raise RuntimeError("the power goes")
        return seal(photos, image, about)

    monkeypatch.setattr(PhotoKeeping, "to_store", fail_at_fourth)
    with Store(tmp_path, photos=keeping("encrypt")) as store, pytest.raises(RuntimeError):
        store.convert_photos()
    refuses(tmp_path, keeping("encrypt", OTHER_KEY), "not the key")
    # Who has no key writes nothing in the clear meanwhile.
    with Store(tmp_path) as beside, pytest.raises(ConfigError, match="enrolment_photos_key_file"):
        enrol(beside, "F")
    with Store(tmp_path, photos=keeping("encrypt")) as store:
        assert store.convert_photos()
        assert {photo(store, one) for one in "ABCDE"} == {PHOTO}
        assert b"photograph of Li Lei" not in on_disk(store)


@pytest.mark.parametrize("mode", ["encrypt", "keep"])
def test_another_key_or_none_is_said_with_the_setting_s_name(tmp_path: Path, mode: PhotoMode) -> None:
    with Store(tmp_path, photos=keeping("encrypt")) as store:
        store.convert_photos()
        enrol(store, "A")
    refuses(tmp_path, keeping(mode, OTHER_KEY), "not the key")
    refuses(tmp_path, PhotoKeeping("keep"), "not given")
    with Store(tmp_path, photos=keeping("encrypt")) as store:
        assert photo(store) == PHOTO


def test_a_photograph_put_in_another_s_place_is_noticed(tmp_path: Path) -> None:
    with Store(tmp_path, photos=keeping("encrypt")) as store:
        enrol(store, "A", "B")
        with store.write() as transaction:
            transaction._connection.execute(
                "UPDATE photos SET image = (SELECT image FROM photos WHERE identity_id = 'B') WHERE identity_id = 'A'"
            )
        with pytest.raises(SophonError, match="can't be decrypted"):
            photo(store, "A")
        assert photo(store, "B") == PHOTO


def test_a_backup_is_restored_with_its_key_only(tmp_path: Path) -> None:
    with Store(tmp_path / "box", photos=keeping("encrypt")) as store:
        store.convert_photos()
        enrol(store, "A")
        write_backup(store, tmp_path / "backup")
    assert b"photograph of Li Lei" not in (tmp_path / "backup").read_bytes()
    for number, photos in enumerate([keeping("encrypt", OTHER_KEY), PhotoKeeping("keep")]):
        with Store(tmp_path / f"other {number}", photos=photos) as other, Restoration(other) as restoration:
            other.convert_photos()
            restoration.feed((tmp_path / "backup").read_bytes())
            with pytest.raises(BackupError, match="enrolment_photos_key_file"):
                restoration.put_in_place()
            with other.read() as snapshot:
                assert snapshot.people.count() == 0
    for number, mode in enumerate(("encrypt", "keep")):
        with (
            Store(tmp_path / f"new {number}", photos=keeping(mode)) as new,  # type: ignore[arg-type]
            Restoration(new) as restoration,
        ):
            new.convert_photos()
            restoration.feed((tmp_path / "backup").read_bytes())
            assert restoration.put_in_place().people == 1
            assert photo(new) == PHOTO
            assert (b"photograph of Li Lei" in on_disk(new)) == (mode == "keep")


def test_a_plain_backup_is_encrypted_as_it_comes_into_a_box_that_encrypts(tmp_path: Path) -> None:
    with Store(tmp_path / "box") as store:
        enrol(store, "A")
        write_backup(store, tmp_path / "backup")
    with (
        Store(tmp_path / "new", photos=keeping("encrypt")) as new,
        Restoration(new) as restoration,
    ):
        new.convert_photos()
        restoration.feed((tmp_path / "backup").read_bytes())
        restoration.put_in_place()
        assert photo(new) == PHOTO
        assert b"photograph of Li Lei" not in on_disk(new)


def test_a_key_is_read_from_hex_base64_or_a_file(tmp_path: Path) -> None:
    raw = bytes(range(32))
    file = tmp_path / "key"
    prints = set()
    for content in (raw, raw.hex().encode() + b"\n", base64.b64encode(raw) + b"\n"):
        file.write_bytes(content)
        cipher = photo_keeping("encrypt", key_file=file).cipher
        assert cipher is not None
        prints.add(cipher.fingerprint)
    assert len(prints) == 1
    assert raw.hex() not in repr(photo_keeping("encrypt", KEY))


@pytest.mark.parametrize("bad", ["", "short", "zz" * 32, base64.b64encode(bytes(range(16))).decode()])
def test_what_is_no_key_is_refused_and_not_shown(bad: str) -> None:
    with pytest.raises(ConfigError, match="enrolment_photos_key: is no key") as refused:
        photo_keeping("encrypt", bad)
    assert not bad or bad not in str(refused.value)


def test_encrypting_needs_a_key_and_one_key_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="enrolment_photos_key_file: is required"):
        photo_keeping("encrypt")
    with pytest.raises(ConfigError, match="one of them"):
        photo_keeping("encrypt", KEY, tmp_path / "key")


def test_the_key_is_a_setting_that_never_shows(tmp_path: Path) -> None:
    environment = {
        "SOPHON_LOGIN_URL": "http://platform.example/login",
        "SOPHON_DEV_SNO": "BOXA0001",
        "SOPHON_ENROLMENT_PHOTOS": "encrypt",
        "SOPHON_ENROLMENT_PHOTOS_KEY": KEY,
    }
    settings = load_settings(environment=environment)
    assert settings.enrolment_photos_key is not None
    assert settings.enrolment_photos_key.get_secret_value() == KEY
    assert KEY not in repr(settings)
