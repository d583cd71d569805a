"""One container of the family's image as a multi-model endpoint for models of two of its algorithms."""

import json
import shutil
from pathlib import Path

import pytest

from sagecask.testing.container import TrackedContainer

pytestmark = pytest.mark.image

PAYLOADS = Path(__file__).parents[2] / "conformance" / "payloads"
ALGORITHMS = ("factorization-machines", "knn")


def answered_exchange(algorithm: str) -> Path:
    """Return the folder of a request that any server of the model answers."""
    for path in sorted((PAYLOADS / algorithm).glob("*/exchange.json")):
        exchange = json.loads(path.read_text())
        if exchange["status"] == 200 and "environment" not in exchange:
            return path.parent
    raise AssertionError(f"no exchange of {algorithm} with status 200")


def test_models_of_two_algorithms_answer_side_by_side(family_image, tmp_path):
    cases = {algorithm: answered_exchange(algorithm) for algorithm in ALGORITHMS}
    exchanges = {name: json.loads((case / "exchange.json").read_text()) for name, case in cases.items()}
    for name, exchange in exchanges.items():
        folder = shutil.copytree(PAYLOADS / name / "models" / exchange["model"], tmp_path / name / "model")
        # as a training job leaves it beside the model's own files
        (folder / "sagecask.json").write_text(json.dumps({"algorithm": name}))
    volumes = {str(tmp_path): {"bind": "/opt/ml/models", "mode": "ro"}}
    environment = {"SAGEMAKER_MULTI_MODEL": "true"}
    with TrackedContainer(family_image, "serve", volumes=volumes, environment=environment) as container:
        container.wait_until_ready()
        for name in ALGORITHMS:
            about = {"model_name": name, "url": f"/opt/ml/models/{name}/model"}
            assert container.request("POST", "/models", json.dumps(about).encode()).status == 200
        # in turn, twice: what one algorithm leaves behind must not reach the other
        for name in ALGORITHMS * 2:
            (request,), (response,) = cases[name].glob("request.*"), cases[name].glob("response.*")
            answer = container.request(
                "POST", f"/models/{name}/invoke", request.read_bytes(), exchanges[name]["headers"]
            )
            assert (answer.status, answer.body) == (200, response.read_bytes())
        assert container.request("DELETE", f"/models/{ALGORITHMS[0]}").status == 200
        assert container.request("GET", f"/models/{ALGORITHMS[1]}").status == 200
