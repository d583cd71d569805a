"""Forecasts of many related time series."""
