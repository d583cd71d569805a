from pathlib import Path

import pytest

from sagecask.errors import PlatformError, UsageError
from sagecask.local.build import build


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").write_text(
        'image:\n\t@test "$(FAMILY)" = boosting && echo $(DEVICE) "$(ALGORITHM)" >built\n'
    )
    (tmp_path / "Dockerfile.cpu").touch()
    (tmp_path / "containers" / "boosting").mkdir(parents=True)
    (tmp_path / "containers" / "boosting" / "pyproject.toml").touch()
    return tmp_path


@pytest.mark.parametrize(("algorithm", "built"), [(None, "cpu \n"), ("xgboost", "cpu xgboost\n")])
def test_build_is_make_image(checkout, algorithm, built):
    build(checkout, "boosting", algorithm, "cpu")
    assert (checkout / "built").read_text() == built


def test_family_that_the_checkout_does_not_have_is_refused(checkout):
    with pytest.raises(UsageError) as caught:
        build(checkout, "bosting", None, "cpu")
    assert str(caught.value) == 'build: the family must be one of boosting; got "bosting"'


def test_folder_that_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(UsageError) as caught:
        build(tmp_path, "boosting", None, "cpu")
    assert str(caught.value) == f'build: --source must be a checkout of sagecask; got "{tmp_path}"'


def test_failed_build_is_told(checkout, capfd):
    (checkout / "Makefile").write_text("image:\n\t@false\n")
    with pytest.raises(PlatformError) as caught:
        build(checkout, "boosting", None, "cpu")
    assert str(caught.value) == "build: make image must end with 0; got 2"
    assert "Error 1" in capfd.readouterr().err
