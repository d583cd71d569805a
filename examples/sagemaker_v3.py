"""Train with version 3 of the SageMaker Python SDK, `ModelTrainer` in local container mode.

It needs a Docker engine, docker-compose and `pip install "sagemaker>=3"`; no account, no credentials, no network.

    python examples/sagemaker_v3.py --image sagecask/xgboost:cpu
"""

from __future__ import annotations

import argparse
import os
import random
import tarfile
import tempfile
from pathlib import Path

# the SDK's AWS client insists on a region and credentials, even where it calls nothing
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
os.environ.setdefault("AWS_ACCESS_KEY_ID", "none")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "none")

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import Compute, InputData
from sagemaker.train.model_trainer import Mode, ModelTrainer

ROLE = "arn:aws:iam::000000000000:role/none"
# or the SDK reports every call over the network
QUIET = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}


def write_csv(folder: Path, count: int, seed: int) -> str:
    """Write rows of a label and two features; the label is 1 where the features' sum is positive."""
    draw = random.Random(seed)
    folder.mkdir(parents=True)
    with (folder / "rows.csv").open("w") as file:
        for _ in range(count):
            first, second = draw.uniform(-1, 1), draw.uniform(-1, 1)
            file.write(f"{int(first + second > 0)},{first},{second}\n")
    return str(folder)


def channel(name: str, folder: str) -> InputData:
    return InputData(channel_name=name, data_source=folder, content_type="text/csv")


def main(image: str, folder: Path) -> None:
    trainer = ModelTrainer(
        training_image=image,
        training_mode=Mode.LOCAL_CONTAINER,
        sagemaker_session=Session(sagemaker_config=QUIET),
        role=ROLE,
        base_job_name="sagecask",
        compute=Compute(instance_type="local_cpu", instance_count=1),
        hyperparameters={"num_round": 20, "objective": "binary:logistic", "eval_metric": "auc", "eta": 0.3},
        local_container_root=str(folder),
    )
    trainer.train(
        input_data_config=[
            channel("train", write_csv(folder / "train", 2000, seed=1)),
            channel("validation", write_csv(folder / "validation", 500, seed=2)),
        ]
    )
    archive = folder / "compressed_artifacts" / "model.tar.gz"
    with tarfile.open(archive) as tar:
        print(f"model: {archive} with {', '.join(sorted(tar.getnames()))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="sagecask/xgboost:cpu")
    parser.add_argument("--folder", type=Path, help="where all files go; a temporary folder unless given")
    arguments = parser.parse_args()
    if arguments.folder is None:
        with tempfile.TemporaryDirectory() as name:
            main(arguments.image, Path(name))
    else:
        main(arguments.image, arguments.folder.resolve())
