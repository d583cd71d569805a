import io
import re

import pytest

from sagecask.report import Report, round_pattern


def test_round_line_has_the_form_of_the_closed_container() -> None:
    stream = io.StringIO()
    Report(stream).round(3, {"train-auc": 0.5, "validation-auc": 0.123456789})
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
