"""Figures of merit over labels and predictions: one file a metric or family, numpy only, unweighted."""

from sagecask.metrics.accuracy import accuracy, balanced_accuracy
from sagecask.metrics.dcg import dcg
from sagecask.metrics.f1 import f1_binary, f1_macro
from sagecask.metrics.f_beta import f_beta_binary, f_beta_macro, f_beta_of_counts
from sagecask.metrics.log_loss import log_loss
from sagecask.metrics.mae import mae
from sagecask.metrics.mse import mse, rmse
from sagecask.metrics.precision import precision, precision_macro, precision_micro
from sagecask.metrics.quantile_loss import quantile_loss, weighted_quantile_loss
from sagecask.metrics.r2 import r2
from sagecask.metrics.ranking import ranks
from sagecask.metrics.recall import recall, recall_macro, recall_micro
from sagecask.metrics.roc_auc import roc_auc, roc_auc_of_counts
from sagecask.metrics.top_k import top_k_accuracy

__all__ = [
    "accuracy",
    "balanced_accuracy",
    "dcg",
    "f1_binary",
    "f1_macro",
    "f_beta_binary",
    "f_beta_macro",
    "f_beta_of_counts",
    "log_loss",
    "mae",
    "mse",
    "precision",
    "precision_macro",
    "precision_micro",
    "quantile_loss",
    "r2",
    "ranks",
    "recall",
    "recall_macro",
    "recall_micro",
    "rmse",
    "roc_auc",
    "roc_auc_of_counts",
    "top_k_accuracy",
    "weighted_quantile_loss",
]
