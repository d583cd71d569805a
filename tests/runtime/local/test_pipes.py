import gzip
import json
from pathlib import Path

import pytest

from sagecask.channels import Channel, open_channel
from sagecask.channels.images import manifest_images
from sagecask.contract import ChannelConfig
from sagecask.errors import UserError
from sagecask.formats import Layout, MediaType
from sagecask.local.channel import LocalChannel
from sagecask.local.description import JobDescription
from sagecask.local.pipes import Feeder
from sagecask.local.run import run

TRAINING = Layout(label_size=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "rows").mkdir()
    for number in range(6):
        (tmp_path / "rows" / f"{number}.csv").write_text(f"{number},{number * 2}\n")
    return tmp_path


def opened(folder: Path, wrapper: str | None = None) -> Channel:
    config = ChannelConfig("train", "Pipe", record_wrapper=wrapper)
    return open_channel(config, folder / "data" / "train", MediaType.parse("text/csv"), 20)


def epochs(folder: Path, channel: LocalChannel, count: int = 3) -> list[list[float]]:
    with Feeder({"train": channel}, folder / "data"):
        reader = opened(folder, None if channel.record_wrapper == "None" else channel.record_wrapper)
        return [reader.read(TRAINING).labels.tolist() for _ in range(count)]


def piped(path: Path, **facts: object) -> LocalChannel:
    return LocalChannel(path, "text/csv", "Pipe", **facts)


def test_folder_is_fed_as_many_epochs_as_are_read(folder: Path):
    assert epochs(folder, piped(folder / "rows"), 4) == [[0, 1, 2, 3, 4, 5]] * 4


def test_nothing_is_left_behind(folder: Path):
    epochs(folder, piped(folder / "rows"))
    assert list((folder / "data").iterdir()) == []


def test_one_file_is_fed(folder: Path):
    assert epochs(folder, piped(folder / "rows" / "3.csv")) == [[3]] * 3


def test_wrapped_objects_need_no_last_line_end(folder: Path):
    (folder / "rows" / "2.csv").write_text("2,4")
    assert epochs(folder, piped(folder / "rows", record_wrapper="RecordIO")) == [[0, 1, 2, 3, 4, 5]] * 3


@pytest.mark.parametrize("wrapper", ["None", "RecordIO"])
def test_gzip_is_undone_on_the_way(folder: Path, wrapper: str):
    for path in (folder / "rows").iterdir():
        path.write_bytes(gzip.compress(path.read_bytes()))
    channel = piped(folder / "rows", compression="Gzip", record_wrapper=wrapper)
    assert epochs(folder, channel) == [[0, 1, 2, 3, 4, 5]] * 3


def test_seed_orders_the_objects_anew_in_each_epoch_and_alike_in_each_job(folder: Path):
    first = epochs(folder, piped(folder / "rows", shuffle_seed=7))
    assert first == epochs(folder, piped(folder / "rows", shuffle_seed=7))
    assert first != epochs(folder, piped(folder / "rows", shuffle_seed=8))
    assert len({tuple(epoch) for epoch in first}) == 3
    assert all(sorted(epoch) == [0, 1, 2, 3, 4, 5] for epoch in first)


def test_epoch_that_is_closed_early_is_followed_by_a_whole_one(folder: Path):
    (folder / "rows" / "0.csv").write_text("0,0\n" * 8_000_000)
    with Feeder({"train": piped(folder / "rows")}, folder / "data"):
        reader = opened(folder)
        batches = reader.batches(TRAINING)
        next(batches)
        batches.close()
        assert sum(len(batch) for batch in reader.batches(TRAINING)) == 8_000_005


def test_channels_are_fed_independently(folder: Path):
    channels = {name: piped(folder / "rows" / name) for name in ("1.csv", "2.csv")}
    with Feeder(channels, folder / "data"):
        for name in reversed(channels):
            config = ChannelConfig(name, "Pipe")
            reader = open_channel(config, folder / "data" / name, MediaType.parse("text/csv"), 20)
            assert reader.read(TRAINING).labels.tolist() == [int(name[0])]


def test_manifest_names_the_objects_and_their_order(folder: Path):
    manifest = folder / "objects.manifest"
    manifest.write_text(json.dumps([{"prefix": "rows/"}, "4.csv", "1.csv"]))
    assert epochs(folder, piped(manifest, data_type="ManifestFile"), 1) == [[4, 1]]
    manifest.write_text(json.dumps([{"prefix": f"file://{folder}/ro"}, "ws/5.csv"]))
    assert epochs(folder, piped(manifest, data_type="ManifestFile"), 1) == [[5]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "JSON is needed; got Expecting value: line 1 column 2 (char 1)"),
        ('["a"]', 'a JSON list that begins with {"prefix": "..."} is needed; got another'),
        ('[{"prefix": ""}, "a"]', 'a JSON list that begins with {"prefix": "..."} is needed; got another'),
        ('[{"prefix": "rows/"}]', "one or more names are needed behind the prefix; got none"),
        ('[{"prefix": "rows/"}, 1]', "names as texts are needed; got 1"),
        ('[{"prefix": "rows/"}, "../a"]', 'names below the prefix are needed; got "../a"'),
        ('[{"prefix": "s3://bucket/"}, "a"]', 'a file of this machine is needed in a local job; got "s3://bucket/a"'),
        ('[{"prefix": "rows/"}, "9.csv"]', 'a file that exists is needed; got "rows/9.csv"'),
        ('[{"prefix": "s3://["}, "a"]', 'an address is needed; got "s3://[a" (Invalid IPv6 URL)'),
        (f'[{{"prefix": "rows/"}}, "{"a" * 300}"]', f'a file that exists is needed; got "rows/{"a" * 300}"'),
    ],
)
def test_manifest_that_is_none_is_refused(folder: Path, text: str, message: str):
    (folder / "m.json").write_text(text)
    with pytest.raises(UserError) as caught:
        Feeder({"train": piped(folder / "m.json", data_type="ManifestFile")}, folder / "data")
    assert str(caught.value) == f'channel "train", m.json: {message}'


LINES = [
    {"source-ref": "rows/0.csv", "class": 0, "class-metadata": {"job": "x"}},
    {"class": "[1, 0]", "source-ref": "rows/1.csv"},
    {"source-ref": "rows/2.csv", "other": None, "class": [2, 3]},
]


def manifest(folder: Path, *lines: object) -> LocalChannel:
    path = folder / "lines.manifest"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return LocalChannel(
        path, "application/x-recordio", "Pipe", "AugmentedManifestFile", ("source-ref", "class"), "RecordIO"
    )


def test_augmented_manifest_feeds_attribute_by_attribute(folder: Path):
    with Feeder({"train": manifest(folder, *LINES)}, folder / "data"):
        images = [image for group in manifest_images(opened(folder, "RecordIO")) for image in group]
    assert [image.content for image in images] == [b"0,0\n", b"1,2\n", b"2,4\n"]
    assert [image.labels.tolist() for image in images] == [[0], [1, 0], [2, 3]]


def test_augmented_manifest_without_the_wrapper_is_joined_without_a_border(folder: Path):
    path = folder / "lines.manifest"
    # of all that Unicode calls line ends, only one ends a line
    path.write_text('{"line": "1,2\\n", "more": 3, "none": "\u2028"}\n{"more": 7, "line": ",9\\n"}\n')
    channel = piped(path, data_type="AugmentedManifestFile", attribute_names=("more", "line"))
    with Feeder({"train": channel}, folder / "data"):
        assert [each.stream.read() for each in opened(folder).objects()] == [b"31,2\n7,9\n"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([1], "a JSON object is needed; got list"),
        ({"source-ref": "rows/0.csv"}, 'the attribute "class" is needed; got source-ref'),
        ({"source-ref": 1, "class": 0}, '"source-ref" must be text; got int'),
        ({"source-ref": "rows/9.csv", "class": 0}, 'a file that exists is needed; got "rows/9.csv"'),
        ({"source-ref": "s3://b/k", "class": 0}, 'a file of this machine is needed in a local job; got "s3://b/k"'),
    ],
)
def test_faulty_line_of_an_augmented_manifest_is_named(folder: Path, line: object, message: str):
    with pytest.raises(UserError) as caught:
        Feeder({"train": manifest(folder, LINES[0], line)}, folder / "data")
    assert str(caught.value) == f'channel "train", lines.manifest, line 2: {message}'


def test_object_that_goes_away_ends_the_job(folder: Path):
    told: list[int] = []

    def fed() -> None:
        with Feeder({"train": piped(folder / "rows")}, folder / "data") as feeder:
            feeder.failed = lambda: told.append(1)
            (folder / "rows" / "5.csv").unlink()
            assert opened(folder).read(TRAINING).labels.tolist() == [0, 1, 2, 3, 4]

    with pytest.raises(UserError) as caught:
        fed()
    assert str(caught.value).startswith('channel "train": [Errno 2] No such file or directory: ')
    assert told == [1]


@pytest.fixture
def files(folder: Path, rows) -> Path:
    (folder / "many").mkdir()
    for number in range(3):
        rows(folder / "many" / f"{number}.csv", 200, label=True, seed=number)
    (folder / "many.manifest").write_text(json.dumps([{"prefix": "many/"}, "0.csv", "1.csv", "2.csv"]))
    return folder


@pytest.mark.parametrize(
    "channel",
    [
        {"input_mode": "Pipe"},
        {"input_mode": "Pipe", "record_wrapper": "RecordIO"},
        {"input_mode": "FastFile"},
        {"path": "many.manifest", "data_type": "ManifestFile"},
        {"path": "many.manifest", "data_type": "ManifestFile", "input_mode": "Pipe"},
    ],
)
def test_job_learns_the_same_in_every_mode(files: Path, environ: dict[str, str], channel: dict[str, str]):
    def trained(name: str, facts: dict[str, str]) -> bytes:
        path = files / facts.pop("path", "many")
        job = JobDescription(
            "xgboost",
            {"train": LocalChannel(path, "text/csv", **facts)},
            {"num_round": "3", "objective": "binary:logistic"},
            output=files / name,
        )
        assert run(job, "process", environ, terminal=False) == 0
        assert not [path for path in (files / name / "input" / "data").iterdir() if path.is_fifo()]
        return (files / name / "model" / "xgboost-model").read_bytes()

    assert trained("other", dict(channel)) == trained("file", {})


def test_job_that_ends_without_reading_leaves_no_feeder(files: Path, environ: dict[str, str]):
    job = JobDescription(
        "xgboost", {"train": LocalChannel(files / "many", "text/csv", "Pipe")}, {"num_round": "none"},
        output=files / "out",
    )  # fmt: skip
    assert run(job, "process", environ, terminal=False) == 1
    assert list((files / "out" / "input" / "data").iterdir()) == []
