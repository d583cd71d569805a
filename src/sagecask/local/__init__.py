"""Training jobs, endpoints and batch transforms on this machine, as host processes or as containers."""
