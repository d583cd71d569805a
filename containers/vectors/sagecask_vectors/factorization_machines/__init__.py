"""Factorization machines: a linear model with factored interactions of feature pairs, for sparse rows."""
