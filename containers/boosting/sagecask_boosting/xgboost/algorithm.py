"""XGBoost: what it declares, and training from a job to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sagecask.algorithm import Algorithm, Declaration
from sagecask.errors import UserError
from sagecask_boosting.xgboost.declaration import DECLARATION

if TYPE_CHECKING:
    from pathlib import Path

    import xgboost as xgb

    from sagecask.algorithm import InferenceSettings, Job
    from sagecask_boosting.xgboost.hyperparameters import XGBoostHyperparameters
    from sagecask_boosting.xgboost.model import XGBoostModel


class XGBoost(Algorithm):
    """Gradient-boosted trees, or a boosted linear model.

    Round t adds the function f_t that minimises the sum over rows i of

        g_i f_t(x_i) + h_i f_t(x_i)² / 2,  plus  gamma T + lambda |w|² / 2 + alpha |w|

    where g_i and h_i are the first and second derivatives of the loss at the prediction so far, and f_t has T leaves
    with weights w; gamma, lambda and alpha are the hyperparameters of these names.

    The wrong choice for images, sound and text, for targets that must be extrapolated beyond the range seen in
    training, and where a linear relation in very many sparse features is all there is.

    Reference: Chen and Guestrin, XGBoost: A Scalable Tree Boosting System, KDD 2016, section 2, equations 2 to 7.
    """

    declaration: ClassVar[Declaration] = DECLARATION

    @classmethod
    def hyperparameters(cls) -> type[XGBoostHyperparameters]:
        from sagecask_boosting.xgboost.hyperparameters import (  # noqa: PLC0415 - serving does without it
            XGBoostHyperparameters,
        )

        return XGBoostHyperparameters

    def fit(self, job: Job[XGBoostHyperparameters]) -> XGBoostModel:
        # serving does without what training imports
        from sagecask_boosting.xgboost import checks  # noqa: PLC0415
        from sagecask_boosting.xgboost.boosting import Boosting  # noqa: PLC0415
        from sagecask_boosting.xgboost.crossvalidation import cross_validate  # noqa: PLC0415
        from sagecask_boosting.xgboost.data import Data, matrix  # noqa: PLC0415
        from sagecask_boosting.xgboost.model import XGBoostModel  # noqa: PLC0415
        from sagecask_boosting.xgboost.parameters import check_gpu_training  # noqa: PLC0415

        given = job.hyperparameters
        if job.cluster.size > 1:
            raise UserError(f"xgboost: this version trains on one host; got {job.cluster.size} hosts")
        check_gpu_training(given, job.gpus, job.channels["train"].content_type.essence)
        numbered = given.kfold is not None
        boosters: list[xgb.Booster] = []

        def save(booster: xgb.Booster) -> None:
            if given.save_model_on_termination == "true":
                job.save(XGBoostModel([*boosters, booster], numbered=numbered))

        boosting = Boosting.of(job, save)
        data = Data.read(job.channels, given)
        checkpoints = job.checkpoints.within(".", "xgboost-checkpoint")
        checks.check_settings(given, data.train.width)
        if numbered:
            cross_validate(boosting, data.merged(), checkpoints, job.output_data, boosters)
        else:
            train = matrix(data.train, given)
            validation = None if data.validation is None else matrix(data.validation, given)
            # the library has its own copy
            del data
            boosters.append(boosting.train(train, validation, checkpoints)[0])
        return XGBoostModel(boosters, numbered=numbered)

    def load(self, folder: Path, settings: InferenceSettings) -> XGBoostModel:
        from sagecask_boosting.xgboost.loading import load  # noqa: PLC0415 - imports the library
        from sagecask_boosting.xgboost.model import XGBoostModel  # noqa: PLC0415 - imports the library

        model = XGBoostModel(load(folder, settings), settings=settings)
        model.prepare()
        return model
