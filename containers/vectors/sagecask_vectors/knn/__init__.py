"""k-nearest neighbours: a sample of labelled rows, an index over it, and votes."""
