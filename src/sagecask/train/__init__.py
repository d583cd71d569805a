"""A training job from the contract to its outcome: a small supervisor, and the process that trains."""
