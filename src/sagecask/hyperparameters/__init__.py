"""Tables of hyperparameters: declared once, read from a job's texts, printed as the reference."""

from sagecask.hyperparameters.base import Hyperparameters
from sagecask.hyperparameters.declared import Json, hyperparameter, when

__all__ = ["Hyperparameters", "Json", "hyperparameter", "when"]
