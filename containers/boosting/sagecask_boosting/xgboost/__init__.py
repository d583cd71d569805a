"""XGBoost behind the interface of the built-in algorithm."""
