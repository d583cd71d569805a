"""The image of XGBoost as a multi-model endpoint, short of memory."""

import json

import pytest

from sagecask.testing.container import TrackedContainer, mounted

pytestmark = pytest.mark.image

REFUSED = r"[\d:, -]+ WARNING \S+: request \S+: status 507: .*"
ROW = b"0.1,0.2,0.3,0.4,0.5\n"
# models take less than a megabyte each; the reserve leaves room for some of them
LIMIT, RESERVE_MB, MOST = "320m", "160", 600


def load(container, name):
    url = "/opt/ml/model"
    return container.request("POST", "/models", json.dumps({"model_name": name, "url": url}).encode())


def invoke(container, name):
    return container.request("POST", f"/models/{name}/invoke", ROW, {"Content-Type": "text/csv"})


def test_models_are_refused_before_the_memory_of_the_container_runs_out(image, trained):
    options = {
        "mem_limit": LIMIT,
        "memswap_limit": LIMIT,
        "read_only": True,
        "tmpfs": {"/tmp": ""},
        "volumes": mounted(trained.root, "ro"),
        "environment": {"SAGEMAKER_MULTI_MODEL": "true", "SAGECASK_MEMORY_RESERVE_MB": RESERVE_MB},
    }
    with TrackedContainer(image, "serve", expected=(REFUSED,), **options) as container:
        container.wait_until_ready()
        loaded = 0
        while (answer := load(container, f"m{loaded}")).status == 200:
            loaded += 1
            assert loaded < MOST
        assert answer.status == 507
        assert "above the reserve" in json.loads(answer.body)["error"]
        assert loaded > 3
        answers = {invoke(container, f"m{number}").body for number in range(loaded)}
        assert len(answers) == 1
        # more than the few pages by which the engine's own bookkeeping moves
        for number in range(loaded - 1):
            assert container.request("DELETE", f"/models/m{number}").status == 200
        assert load(container, "another").status == 200
        assert invoke(container, "another").body in answers
        assert not container.state["OOMKilled"]
