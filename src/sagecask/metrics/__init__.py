"""Figures of merit over labels and predictions: one file a metric or family, numpy only, unweighted."""

from sagecask.metrics.accuracy import accuracy, balanced_accuracy
from sagecask.metrics.f1 import f1_binary, f1_macro
from sagecask.metrics.mae import mae
from sagecask.metrics.mse import mse, rmse
from sagecask.metrics.precision import precision, precision_macro, precision_micro
from sagecask.metrics.r2 import r2
from sagecask.metrics.recall import recall, recall_macro, recall_micro

__all__ = [
    "accuracy",
    "balanced_accuracy",
    "f1_binary",
    "f1_macro",
    "mae",
    "mse",
    "precision",
    "precision_macro",
    "precision_micro",
    "r2",
    "recall",
    "recall_macro",
    "recall_micro",
    "rmse",
]
