from pathlib import Path

import pytest

from sagecask.errors import UsageError
from sagecask.local.description import JobDescription, LocalChannel, read_yaml
from sagecask.local.options import job_description, pairs

OPTIONS = {
    "train": None, "validation": None, "channel": (), "content_type": (), "input_mode": None, "hyperparameter": (),
    "environment": (), "image": None, "output": None, "checkpoints": None, "hosts": None, "sharded": (),
}  # fmt: skip


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        read_yaml(written(tmp_path, text))
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_yaml_job_is_read_whole(tmp_path):
    job = read_yaml(
        written(
            tmp_path,
            """
algorithm: xgboost
channels:
  train: {path: data, content_type: text/csv, input_mode: FastFile}
  validation: /elsewhere/v.csv
hyperparameters: {num_round: 10, eta: 0.2, early: true, layers: [1, 2], objective: "reg:squarederror"}
environment: {OMP_NUM_THREADS: 1}
image: mine:1
output: out
checkpoints: kept
""",
        )
    )
    assert job == JobDescription(
        algorithm="xgboost",
        channels={
            "train": LocalChannel(tmp_path / "data", "text/csv", "FastFile"),
            "validation": LocalChannel(Path("/elsewhere/v.csv")),
        },
        hyperparameters={
            "num_round": "10", "eta": "0.2", "early": "true", "layers": "[1, 2]", "objective": "reg:squarederror",
        },
        environment={"OMP_NUM_THREADS": "1"},
        image="mine:1",
        output=tmp_path / "out",
        checkpoints=tmp_path / "kept",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "algorithm: a\nchanels: {}",
            "job.yaml: keys must be among algorithm, channels, hyperparameters, environment, image, output, "
            'checkpoints, hosts; got "chanels"; did you mean "channels"?',
        ),
        (
            "algorithm: a\nchannels: {train: {path: x, content-type: text/csv}}",
            'job.yaml, channels, "train": keys must be among path, content_type, input_mode, data_type, '
            'attribute_names, record_wrapper, compression, shuffle_seed, distribution; got "content-type"; '
            'did you mean "content_type"?',
        ),
        ("channels: {}", 'job.yaml: must have the key "algorithm"; got none'),
        ("[1]", "job.yaml: the file must hold a mapping; got list"),
        ("algorithm: 5", 'job.yaml: "algorithm" must be text; got int'),
        ("algorithm: a\nhyperparameters: [1]", 'job.yaml: "hyperparameters" must be a mapping; got list'),
        ("algorithm: a\nchannels: {train: {}}", 'job.yaml, channels, "train": must have the key "path"; got none'),
        (
            "algorithm: a\nchannels: {train: 5}",
            'job.yaml, channels, "train": must be a path or a mapping with path; got int',
        ),
        ("algorithm: a\nchannels: {train: {path: 5}}", 'job.yaml, channels, "train": "path" must be text; got int'),
        ("algorithm: a\nhyperparameters: {eta: }", 'job.yaml, hyperparameters, "eta": must have a value; got none'),
        (
            "algorithm: a\nhyperparameters: {when: 2024-01-01}",
            'job.yaml, hyperparameters, "when": must be text, a number, a boolean or a list; got date',
        ),
    ],
)
def test_yaml_job_that_cannot_be_is_refused(tmp_path, text, message):
    assert refusal(tmp_path, text) == message


def test_text_that_is_no_yaml_is_refused(tmp_path):
    assert refusal(tmp_path, "a: [").startswith("job.yaml: the file must be YAML in UTF-8; got while parsing")


def test_options_win_over_the_file(tmp_path):
    file = written(
        tmp_path,
        "{algorithm: a, channels: {train: {path: x, content_type: text/csv}}, hyperparameters: {n: 1, m: 2}, "
        "output: o}",
    )
    options = OPTIONS | {
        "train": Path("y"), "channel": ("test=z",), "hyperparameter": ("n=5",), "output": Path("p"),
        "input_mode": "FastFile",
    }  # fmt: skip
    assert job_description(None, file, options) == JobDescription(
        algorithm="a",
        channels={
            "train": LocalChannel(Path("y"), "text/csv", "FastFile"),
            "test": LocalChannel(Path("z"), None, "FastFile"),
        },
        hyperparameters={"n": "5", "m": "2"},
        output=Path("p"),
    )


def test_content_type_goes_to_all_channels_or_to_the_one_named():
    options = OPTIONS | {
        "train": Path("x"), "validation": Path("v"),
        "content_type": ("text/csv; label_size=0", "validation=text/libsvm; a=b"),
    }  # fmt: skip
    assert {name: channel.content_type for name, channel in job_description("a", None, options).channels.items()} == {
        "train": "text/csv; label_size=0",
        "validation": "text/libsvm; a=b",
    }


def test_content_type_of_a_channel_that_the_job_does_not_have_is_refused():
    with pytest.raises(UsageError) as caught:
        job_description("a", None, OPTIONS | {"train": Path("x"), "content_type": ("valid=text/csv",)})
    assert str(caught.value) == '--content-type: the channel must be one of the job\'s (train); got "valid"'


def test_pair_without_equals_sign_is_refused():
    with pytest.raises(UsageError) as caught:
        pairs(["eta"], "--hyperparameter")
    assert str(caught.value) == '--hyperparameter: must have the form NAME=VALUE; got "eta"'


@pytest.mark.parametrize(
    ("name", "channel", "message"),
    [
        ("a b", LocalChannel(Path("/")), 'channel "a b": the name must be 1 to 64 letters, digits, dots, hyphens or '
         'underscores; got "a b"'),
        ("t", LocalChannel(Path("/"), None, "file"), 'channel "t": input mode must be File or FastFile or Pipe; got '
         '"file"'),
        ("t", LocalChannel(Path("/"), data_type="S3"), 'channel "t": data type must be S3Prefix or ManifestFile or '
         'AugmentedManifestFile; got "S3"'),
        ("t", LocalChannel(Path("/"), record_wrapper="x"), 'channel "t": record wrapper must be None or RecordIO; got '
         '"x"'),
        ("t", LocalChannel(Path("/"), compression="zip"), 'channel "t": compression must be None or Gzip; got "zip"'),
        ("t", LocalChannel(Path("/"), shuffle_seed=1), 'channel "t": shuffle seed must not be given in input mode '
         "File; got one"),
        ("t", LocalChannel(Path("/"), compression="Gzip"), 'channel "t": compression must be None in input mode File; '
         'got "Gzip"'),
        ("t", LocalChannel(Path("/"), data_type="AugmentedManifestFile", attribute_names=("a",)), 'channel "t": input '
         'mode must be Pipe with an augmented manifest; got "File"'),
        ("t", LocalChannel(Path("/"), None, "Pipe", "AugmentedManifestFile"), 'channel "t": 1 to 16 attribute names '
         "must be given with data type AugmentedManifestFile; got 0"),
        ("t", LocalChannel(Path("/"), attribute_names=("a",)), 'channel "t": no attribute names must be given with '
         "data type S3Prefix; got 1"),
        ("t", LocalChannel(Path("/"), None, "FastFile", "ManifestFile"), 'channel "t": data type must be S3Prefix in '
         'input mode FastFile; got "ManifestFile"'),
        ("t", LocalChannel(Path("/"), data_type="ManifestFile"), 'channel "t": the path of a manifest must be a file; '
         'got "/"'),
        ("t", LocalChannel(Path("/nowhere")), 'channel "t": the path must be a file or folder; got "/nowhere", which '
         "does not exist"),
    ],
)  # fmt: skip
def test_channel_that_cannot_be_is_refused(name, channel, message):
    with pytest.raises(UsageError) as caught:
        JobDescription("a", {name: channel}).checked()
    assert str(caught.value) == message


def test_job_without_channels_is_refused():
    with pytest.raises(UsageError) as caught:
        JobDescription("a").checked()
    assert str(caught.value) == "run: a training job must have at least one channel; got none"


def test_hosts_and_sharded_channels_come_from_options_and_file(tmp_path):
    (tmp_path / "d").mkdir()
    text = "algorithm: a\nhosts: 3\nchannels: {train: {path: d, distribution: ShardedByS3Key}, test: d}"
    job = read_yaml(written(tmp_path, text))
    assert (job.hosts, job.channels["train"].distribution) == (3, "ShardedByS3Key")
    job = job_description(None, tmp_path / "job.yaml", OPTIONS | {"hosts": 2, "sharded": ("test",)})
    assert (job.hosts, job.channels["test"].distribution) == (2, "ShardedByS3Key")
    assert [job.of_host(1).channels[name].share for name in ("train", "test")] == [(1, 2), (1, 2)]


@pytest.mark.parametrize("hosts", [0, 65])
def test_hosts_are_counted_within_reason(tmp_path, hosts):
    with pytest.raises(UsageError) as caught:
        JobDescription("a", {"train": LocalChannel(tmp_path)}, hosts=hosts).checked()
    assert str(caught.value) == f"run: hosts must be in [1, 64]; got {hosts}"
