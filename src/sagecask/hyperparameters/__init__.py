"""Tables of hyperparameters: declared once, read from a job's texts, printed as the reference."""

from sagecask.hyperparameters.base import Hyperparameters
from sagecask.hyperparameters.declared import Form, Json, hyperparameter, when

__all__ = ["Form", "Hyperparameters", "Json", "hyperparameter", "when"]
