"""sagecask: open training and serving containers with the interface of the SageMaker built-in algorithms."""

__version__ = "0.1.0"
