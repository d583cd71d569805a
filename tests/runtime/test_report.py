import io
import re

import pytest

from sagecask.report import Report, quality_pattern, round_pattern


def test_round_line_has_the_form_of_the_closed_container() -> None:
    stream = io.StringIO()
    Report(stream=stream).round(3, {"train-auc": 0.5, "validation-auc": 0.123456789})
    assert stream.getvalue() == "[3]\ttrain-auc:0.50000\tvalidation-auc:0.12346\n"


@pytest.mark.parametrize("tab", ["\t", "#011"])
def test_pattern_reads_the_line_as_printed_and_as_the_platform_shows_it(tab: str) -> None:
    line = "[12]\ttrain-auc:0.93000\tvalidation-auc:0.91000\tvalidation-aucpr:0.80000".replace("\t", tab)
    match = re.search(round_pattern("validation:auc"), line)
    assert match is not None
    assert match.group(1) == "0.91000"
    pr = re.search(round_pattern("validation:aucpr"), line)
    assert pr is not None
    assert pr.group(1) == "0.80000"


def printed(write) -> str:
    stream = io.StringIO()
    write(Report("algo-1", stream))
    return stream.getvalue()


def test_quality_lines_have_the_form_of_the_closed_containers() -> None:
    final = printed(lambda report: report.quality("test", "msd", "loss", 38.5))
    epoch = printed(lambda report: report.quality("train", "mse_objective", "loss", 0.38, epoch=3))
    batch = printed(lambda report: report.quality("train", "rmse", "loss", 72.2, epoch=0, batch=500))
    assert final == "#quality_metric: host=algo-1, test msd <loss>=38.5\n"
    assert epoch == "#quality_metric: host=algo-1, epoch=3, train mse_objective <loss>=0.38\n"
    assert batch == "#quality_metric: host=algo-1, epoch=0, batch=500 train rmse <loss>=72.2\n"


def test_quality_patterns_tell_epochs_from_the_final_model() -> None:
    final = printed(lambda report: report.quality("validation", "binary_f_1.000", "score", 0.5))
    epoch = printed(lambda report: report.quality("validation", "binary_f_1.000", "score", 0.25, epoch=7))
    of_epochs = quality_pattern("validation", r"binary_f_\S+", "score", epoch=True)
    of_the_end = quality_pattern("validation", r"binary_f_\S+", "score")
    assert [re.findall(of_epochs, line) for line in (final, epoch)] == [[], ["0.25"]]
    assert [re.findall(of_the_end, line) for line in (final, epoch)] == [["0.5"], []]


def test_other_lines_have_the_form_of_the_closed_containers() -> None:
    assert printed(lambda report: report.score("test", "mse", 85617.1)) == "#test_score (algo-1) : ('mse', 85617.1)\n"
    assert printed(lambda report: report.named_score("test", "RMSE", 0.302)) == "#test_score (algo-1, RMSE): 0.302\n"
    assert printed(lambda report: report.progress(3, 30)) == "#progress_metric: host=algo-1, completed 10 % of epochs\n"
    line = "#throughput_metric: host=algo-1, train throughput=1200.5 records/second\n"
    assert printed(lambda report: report.throughput(1200.5)) == line
    line = "#early_stopping_criteria_metric: host=algo-1, epoch=2, criteria=sampled_accuracy, value=0.75\n"
    assert printed(lambda report: report.early_stopping("sampled_accuracy", 0.75, epoch=2)) == line
