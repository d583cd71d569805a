/* One step of gradient descent for a matrix of weights, a column a model's output. */
#ifndef SAGECASK_LINEAR_STEP_H
#define SAGECASK_LINEAR_STEP_H

#include <stddef.h>

/* rows of the matrix of coefficients, as in optimizers.py */
enum { C1, K1, C2, K2, S, E, WD, L1, N_COEFFICIENTS };

/* Matrices are of n_rows x n_columns, one row after another. */
typedef struct {
    size_t n_rows, n_columns;
    float *weights, *first, *second, *average;
    const float *gradient;
    /* n_columns; N_COEFFICIENTS x n_columns */
    const float *rates, *coefficients;
    /* the gradient counts times this; share of the new weights in the average */
    float scale, recency;
} Step;

void step_take(const Step *step);

#endif
