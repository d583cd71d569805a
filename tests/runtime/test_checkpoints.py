import errno
import re
from pathlib import Path

import pytest

from sagecask.checkpoints import Checkpoints
from sagecask.errors import PlatformError


def save(checkpoints: Checkpoints, steps: range) -> None:
    for step in steps:
        checkpoints.save(step, lambda path, text=str(step): path.write_text(text))


def test_newest_five_stay_and_the_highest_is_found(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", "xgboost-checkpoint")
    save(checkpoints, range(12))
    assert sorted(checkpoints.steps()) == [7, 8, 9, 10, 11]
    assert checkpoints.latest() == (11, tmp_path / "checkpoints" / "xgboost-checkpoint.11")


def test_nothing_to_resume_from(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").latest() is None
    assert Checkpoints(None).latest() is None


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    save(Checkpoints(None), range(2))
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_being_uploaded_stays(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, range(5))
    (tmp_path / "checkpoint.0.sagemaker-uploading").touch()
    (tmp_path / "checkpoint.1.sagemaker-uploading").touch()
    (tmp_path / "checkpoint.1.sagemaker-uploaded").touch()
    save(checkpoints, range(5, 8))
    assert sorted(checkpoints.steps()) == [0, 3, 4, 5, 6, 7]


def test_write_that_fails_leaves_the_older_ones(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, range(2))

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    message = f"{tmp_path}: space and leave to write checkpoints; got No space left on device"
    with pytest.raises(PlatformError, match=f"^{re.escape(message)}$"):
        checkpoints.save(2, fail)
    assert checkpoints.latest() == (1, tmp_path / "checkpoint.1")


def test_other_files_are_not_checkpoints(tmp_path: Path) -> None:
    for name in ("checkpoint.x", "checkpoint.1.sagemaker-uploaded", "other.3", ".checkpoint.9.tmp"):
        (tmp_path / name).touch()
    assert Checkpoints(tmp_path).steps() == []


def test_folds_have_their_own_folder(tmp_path: Path) -> None:
    save(Checkpoints(tmp_path).within("model-1", "xgboost-checkpoint"), range(1))
    assert (tmp_path / "model-1" / "xgboost-checkpoint.0").exists()
