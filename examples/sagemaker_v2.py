"""Train, deploy, predict and transform with version 2 of the SageMaker Python SDK in local mode.

It needs a Docker engine, docker-compose and `pip install "sagemaker<3"`; no account, no credentials, no network.

    python examples/sagemaker_v2.py --image sagecask/xgboost:cpu
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from pathlib import Path

# the SDK's AWS client insists on a region and credentials, even where it calls nothing
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
os.environ.setdefault("AWS_ACCESS_KEY_ID", "none")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "none")

from sagemaker.deserializers import CSVDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.local import LocalSession
from sagemaker.serializers import CSVSerializer

ROLE = "arn:aws:iam::000000000000:role/none"
# or the SDK reports every call over the network
QUIET = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}


def rows(count: int, seed: int) -> list[list[float]]:
    """Return rows of a label and two features; the label is 1 where the features' sum is positive."""
    draw = random.Random(seed)
    features = [[draw.uniform(-1, 1), draw.uniform(-1, 1)] for _ in range(count)]
    return [[float(sum(pair) > 0), *pair] for pair in features]


def write_csv(path: Path, table: list[list[float]]) -> str:
    """Write rows as CSV without a header and return the address of their folder."""
    path.parent.mkdir(parents=True)
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in table))
    return f"file://{path.parent}"


def main(image: str, folder: Path, port: int) -> None:
    session = LocalSession(sagemaker_config=QUIET)
    session.config = {"local": {"container_root": str(folder), "serving_port": port}}
    train = write_csv(folder / "train" / "train.csv", rows(2000, seed=1))
    validation = write_csv(folder / "validation" / "validation.csv", rows(500, seed=2))
    test = rows(200, seed=3)

    estimator = Estimator(
        image_uri=image,
        role=ROLE,
        instance_count=1,
        instance_type="local",
        sagemaker_session=session,
        output_path=f"file://{folder / 'output'}",
        hyperparameters={"num_round": 20, "objective": "binary:logistic", "eval_metric": "auc", "eta": 0.3},
    )
    estimator.fit(
        {
            "train": TrainingInput(train, content_type="text/csv"),
            "validation": TrainingInput(validation, content_type="text/csv"),
        }
    )
    print(f"model: {estimator.model_data}")

    predictor = estimator.deploy(
        initial_instance_count=1,
        instance_type="local",
        serializer=CSVSerializer(),
        deserializer=CSVDeserializer(),
    )
    try:
        scores = [float(score) for line in predictor.predict([row[1:] for row in test]) for score in line]
    finally:
        predictor.delete_endpoint()
    right = sum((score > 0.5) == (row[0] == 1) for score, row in zip(scores, test, strict=True))
    print(f"predicted: {len(scores)} rows, accuracy {right / len(test):.3f}")

    source = write_csv(folder / "batch" / "batch.csv", [row[1:] for row in test])
    transformer = estimator.transformer(
        instance_count=1,
        instance_type="local",
        strategy="MultiRecord",
        assemble_with="Line",
        accept="text/csv",
        output_path=f"file://{folder / 'transformed'}",
    )
    # logs would be asked of CloudWatch even in local mode
    transformer.transform(source, content_type="text/csv", split_type="Line", wait=True, logs=False)
    lines = (folder / "transformed" / "batch.csv.out").read_text().split()
    same = all(abs(float(line) - score) < 1e-6 for line, score in zip(lines, scores, strict=True))
    print(f"transformed: {len(lines)} rows, {'the same' if same else 'other'} scores")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="sagecask/xgboost:cpu")
    parser.add_argument("--folder", type=Path, help="where all files go; a temporary folder unless given")
    parser.add_argument("--port", type=int, default=8080, help="port of the local endpoint")
    arguments = parser.parse_args()
    if arguments.folder is None:
        with tempfile.TemporaryDirectory() as name:
            main(arguments.image, Path(name), arguments.port)
    else:
        main(arguments.image, arguments.folder.resolve(), arguments.port)
