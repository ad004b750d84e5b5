"""Disks that are nearly full are named before anything stops."""

import shutil
from pathlib import Path

import pytest

from deployments.doctor_disk import disks

GB = 10**9


@pytest.mark.parametrize(
    ("total", "free", "is_ok"),
    [
        (100 * GB, 7 * GB, True),
        (100 * GB, 5.9 * GB, False),
        (2000 * GB, 24 * GB, False),
        (2000 * GB, 26 * GB, True),
    ],
)
def test_disk_is_named_while_there_is_still_some_room(
    total: int, free: float, is_ok: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(total=total, free=int(free)))
    home, temporary = disks(tmp_path / "not yet")
    assert (home.name, temporary.name) == ("disk", "temporary files")
    for check, setting in ((home, "SANSHEN_HOME"), (temporary, "TMPDIR")):
        assert check.ok is is_ok
        assert f"{free / GB:.1f} GB" in check.text.en
        assert check.mend is not None
        assert setting in check.mend.zh
        assert setting in check.mend.en
    assert str(tmp_path) in home.text.zh
