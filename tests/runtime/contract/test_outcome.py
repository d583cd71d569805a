import os
from pathlib import Path

import pytest

from sagecask.contract import Paths, hand_over, write_failure
from sagecask.contract.outcome import SHOWN_CHARACTERS


def test_failure_opens_with_kind_and_message(tmp_path: Path) -> None:
    write_failure(Paths(tmp_path), "ClientError", "xgboost: wrong", "Traceback ...")
    assert Paths(tmp_path).failure.read_text() == "ClientError: xgboost: wrong\n\nTraceback ...\n"


def test_long_message_says_within_what_is_shown_that_there_is_more(tmp_path: Path) -> None:
    message = "a" * 5000
    write_failure(Paths(tmp_path), "ClientError", message)
    text = Paths(tmp_path).failure.read_text()
    assert text[:SHOWN_CHARACTERS].rstrip().endswith("a … (the log has all of it)")
    assert message in text


def test_text_beyond_unicode_is_written(tmp_path: Path) -> None:
    write_failure(Paths(tmp_path), "ClientError", "bad \udcff byte")
    assert Paths(tmp_path).failure.read_text() == "ClientError: bad \\udcff byte\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_wrote_belongs_to_the_owner_of_the_mount(tmp_path: Path) -> None:
    root = tmp_path / "ml"
    paths = Paths(root)
    for folder in (paths.model, paths.output_data):
        folder.mkdir(parents=True)
    (paths.model / "model").write_text("x")
    os.chown(root, 1234, 1235)
    hand_over(paths, paths.checkpoints)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (paths.model / "model", paths.output_data)}
    assert owners == {(1234, 1235)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_root_stay_where_the_mount_is_roots(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "a" / "b" / "ml")
    paths.model.mkdir(parents=True)
    hand_over(paths, paths.checkpoints)
    assert paths.model.stat().st_uid == 0
