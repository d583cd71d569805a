"""Hosting: one model behind /ping, /invocations and /execution-parameters, in worker processes."""
