import pytest

from sagecask.errors import UsageError
from sagecask.local.endpoint import EndpointDescription
from sagecask.local.variants import ONLY_VARIANT, pipeline, read_config


def refusal(path, text):
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_config(path)
    return str(caught.value).removeprefix(str(path))


def test_short_file_has_the_platforms_defaults(tmp_path):
    (tmp_path / "census.yaml").write_text("production_variants: [{name: a, model: m.tar.gz}]")
    config = read_config(tmp_path / "census.yaml")
    assert (config.name, config.port, config.timeout_seconds, config.max_payload_mb) == ("census", 8080, 60, 6)
    (variant,) = config.production_variants
    assert (variant.initial_weight, variant.instances, config.data_capture) == (1.0, 1, None)
    assert variant.series[0].description(tmp_path).model == tmp_path / "m.tar.gz"


def test_capture_folder_is_relative_to_the_file(tmp_path):
    (tmp_path / "e.yaml").write_text("production_variants: [{name: a, model: m}]\ndata_capture: {folder: kept}")
    capture = read_config(tmp_path / "e.yaml").data_capture
    assert capture is not None
    assert (capture.folder, capture.sampling_percentage) == (tmp_path / "kept", 100.0)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("production_variants: []", ", production_variants: list should have at least 1 item"),
        ("production_variants: [{name: a}]",
         ", production_variants.0: either model or image, or containers, must be given"),
        ("production_variants: [{name: a, model: m, wieght: 2}]",
         ", production_variants.0.wieght: extra inputs are not permitted"),
        ("production_variants: [{name: a, model: m, initial_weight: 0}]",
         ": a production variant must have a weight over 0"),
        ("production_variants: [{name: a, model: m}, {name: a, model: n}]", ": names of variants must differ"),
        ("production_variants: [{name: a, model: m}]\nshadow_variants: [{name: b, model: m}]",
         ": data_capture must say where the answers of shadow variants are kept"),
        ("production_variants: [{name: a, model: m}]\ndata_capture: {folder: c, sampling_percentage: 101}",
         ", data_capture.sampling_percentage: input should be less than or equal to 100"),
        ("production_variants: [{name: a, containers: [{model: m}]}]",
         ", production_variants.0.containers: list should have at least 2 items; got 1"),
    ],
)  # fmt: skip
def test_file_that_cannot_be_is_refused(tmp_path, text, fault):
    assert refusal(tmp_path / "e.yaml", text) == fault


def test_all_faults_are_told_at_once(tmp_path):
    text = "production_variants: [{name: a, model: m, instances: 0}]\nport: 70000"
    assert refusal(tmp_path / "e.yaml", text).splitlines() == [
        ", production_variants.0.instances: input should be greater than or equal to 1",
        f"{tmp_path}/e.yaml, port: input should be less than or equal to 65535",
    ]


def test_several_models_are_one_variant(tmp_path):
    config = pipeline([EndpointDescription(tmp_path / "a"), EndpointDescription(tmp_path / "b", "xgboost")], 9000)
    (variant,) = config.production_variants
    assert (variant.name, [each.algorithm for each in variant.series]) == (ONLY_VARIANT, [None, "xgboost"])


def test_sixteen_models_are_refused(tmp_path):
    with pytest.raises(UsageError) as caught:
        pipeline([EndpointDescription(tmp_path)] * 16, 9000)
    assert str(caught.value) == "endpoint: a pipeline must have at most 15 models; got 16"
