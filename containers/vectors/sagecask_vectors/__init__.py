"""Algorithms over streamed vectors: dense or sparse rows in, a small model out."""
