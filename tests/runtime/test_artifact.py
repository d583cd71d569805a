import io
import tarfile
from pathlib import Path

import pytest

from sagecask import artifact, registry
from sagecask.algorithm import Model
from sagecask.errors import ModelDataError
from sagecask.formats import Batch, MediaType, Predictions

DECLARATION = registry.load(registry.names()[0]).declaration


class Texts(Model):
    """A model of plain files."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def save(self, folder: Path) -> None:
        for name, text in self.files.items():
            (folder / name).write_text(text)

    def predict(self, batch: Batch, accept: MediaType) -> Predictions:
        return Predictions({"score": [0.0] * len(batch)})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_saved_folder_names_its_algorithm(tmp_path: Path) -> None:
    artifact.save(Texts({"model": "1"}), tmp_path / "model", DECLARATION)
    assert artifact.algorithm_of(tmp_path / "model") == DECLARATION.name
    assert names(tmp_path / "model") == {"model", "sagecask.json"}


def test_second_save_replaces_the_files_of_the_first_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("of the user")
    artifact.save(Texts({"model-0": "1", "model-1": "1"}), tmp_path, DECLARATION)
    artifact.save(Texts({"model-0": "2"}), tmp_path, DECLARATION)
    assert names(tmp_path) == {"model-0", "notes.txt", "sagecask.json"}
    assert (tmp_path / "model-0").read_text() == "2"


def test_folder_without_manifest_has_no_algorithm(tmp_path: Path) -> None:
    assert artifact.algorithm_of(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"other": 1}'])
def test_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "sagecask.json").write_text(text)
    with pytest.raises(ModelDataError, match=r"sagecask\.json: "):
        artifact.algorithm_of(tmp_path)


def test_packed_folder_unpacks_to_the_same_files(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "inference.py").write_text("pass\n")
    (folder / "model").write_text("1")
    artifact.pack(folder, tmp_path / "model.tar.gz")
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        assert sorted(tar.getnames()) == ["code", "code/inference.py", "model"]
    artifact.unpack(tmp_path / "model.tar.gz", tmp_path / "again")
    assert (tmp_path / "again" / "code" / "inference.py").read_text() == "pass\n"


@pytest.mark.parametrize("name", ["../outside", "/etc/outside"])
def test_member_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    if name.startswith("/"):
        # an absolute name is taken as relative, as tar does
        artifact.unpack(archive, tmp_path / "model")
        assert (tmp_path / "model" / "etc" / "outside").exists()
    else:
        with pytest.raises(ModelDataError):
            artifact.unpack(archive, tmp_path / "model")
    assert not (tmp_path / "outside").exists()


def test_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("model")
        member.type, member.linkname = tarfile.SYMTYPE, "../../etc/passwd"
        tar.addfile(member)
    with pytest.raises(ModelDataError):
        artifact.unpack(archive, tmp_path / "model")


def test_hard_link_to_a_member_that_is_not_there_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("model")
        member.type, member.linkname = tarfile.LNKTYPE, "other"
        tar.addfile(member)
    with pytest.raises(ModelDataError, match=r"a model archive \(tar, gzip-compressed\); got .*other' not found"):
        artifact.unpack(archive, tmp_path / "model")


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x1f\x8b\x08\x00broken"])
def test_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(content)
    with pytest.raises(ModelDataError, match=r"a model archive \(tar, gzip-compressed\); got [^\n]*$"):
        artifact.unpack(archive, tmp_path / "model")


def test_archive_whose_checksum_is_wrong_is_refused(tmp_path: Path) -> None:
    folder, archive = tmp_path / "model", tmp_path / "model.tar.gz"
    folder.mkdir()
    (folder / "model").write_bytes(bytes(100_000))
    artifact.pack(folder, archive)
    content = bytearray(archive.read_bytes())
    # the checksum of the content is the first half of the last eight bytes (RFC 1952, section 2.3.1)
    content[-8] ^= 1
    archive.write_bytes(content)
    for read in (artifact.unpacked_size, lambda archive: artifact.unpack(archive, tmp_path / "other")):
        with pytest.raises(ModelDataError, match=r"a model archive \(tar, gzip-compressed\); got CRC check failed"):
            read(archive)


def test_size_of_the_files_is_known_before_they_are_unpacked(tmp_path: Path) -> None:
    folder, archive = tmp_path / "model", tmp_path / "model.tar.gz"
    (folder / "deep").mkdir(parents=True)
    (folder / "model").write_bytes(bytes(100_000))
    (folder / "deep" / "part").write_bytes(bytes(23))
    artifact.pack(folder, archive)
    assert artifact.unpacked_size(archive) == 100_023
