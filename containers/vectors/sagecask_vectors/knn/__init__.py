"""k-nearest neighbours: a sample of labelled rows, an index over it, and votes."""

import logging

# says four times how it looks for processor features before it loads; this comes before it is imported
logging.getLogger("faiss.loader").setLevel(logging.WARNING)
