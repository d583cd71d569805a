"""Early stopping, with its state in attributes of the booster, so that a checkpoint carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import xgboost as xgb

    from sagecask.checkpoints import Checkpoints


class EarlyStopping:
    """Stops when a metric has not improved for some rounds; only a strictly better value is an improvement.

    Boosters of plain trees are cut to the best round by slicing. In dart later rounds rescale earlier trees, and a
    linear booster has no trees, so of those the model of the best round is kept whole.

    metric : key of the watched value, such as `validation-auc`
    rises : whether higher is better
    patience : rounds without improvement after which training ends
    kept : where the model of the best round outlives a restart; None for plain trees
    """

    def __init__(self, metric: str, *, rises: bool, patience: int, kept: Checkpoints | None) -> None:
        self.metric = metric
        self._rises = rises
        self._patience = patience
        self._kept = kept
        self._best: bytes | None = None

    def resume(self) -> None:
        """Take up the best model of an earlier run of this job."""
        latest = self._kept.latest() if self._kept is not None else None
        if latest is not None:
            self._best = latest[1].read_bytes()

    def update(self, booster: xgb.Booster, index: int, value: float) -> bool:
        """Note the value of round `index`; return whether to stop."""
        score = booster.attr("best_score")
        if score is None or (value > float(score) if self._rises else value < float(score)):
            booster.set_attr(best_score=repr(value), best_iteration=str(index))
            if self._kept is not None:
                self._best = bytes(booster.save_raw("ubj"))
                self._kept.save(index, self._write)
        return self.exhausted(booster, index)

    def exhausted(self, booster: xgb.Booster, index: int) -> bool:
        """Tell whether round `index` lies too far behind the best one."""
        best = booster.attr("best_iteration")
        return best is not None and index - int(best) >= self._patience

    def cut(self, booster: xgb.Booster) -> xgb.Booster:
        """Return the model as it was after the best round."""
        best = booster.attr("best_iteration")
        if best is None or int(best) + 1 >= booster.num_boosted_rounds():
            return booster
        if self._best is None:
            return booster[: int(best) + 1]
        booster.load_model(bytearray(self._best))
        return booster

    def _write(self, path: Path) -> None:
        assert self._best is not None
        path.write_bytes(self._best)
