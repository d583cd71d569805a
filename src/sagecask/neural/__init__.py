"""What every algorithm that is a neural network needs: the epoch loop, checkpoints, data parallelism. Imports torch."""
