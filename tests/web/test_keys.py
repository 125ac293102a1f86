"""Keys of an installation: made once, whole, and for nobody else's eyes."""

from pathlib import Path

from samgeo_core.web.keys import KEY_BYTES, installation_key


def test_a_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "some.key"
    key = installation_key(path)
    assert len(key) == KEY_BYTES
    assert installation_key(path) == key
    assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]
    assert installation_key(tmp_path / "other.key") != key


def test_a_key_that_a_killed_server_left_unfinished_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "some.key"
    path.write_bytes(b"half")
    assert len(installation_key(path)) == KEY_BYTES
