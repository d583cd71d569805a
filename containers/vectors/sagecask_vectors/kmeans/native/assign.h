/* The two loops of an assignment pass that are no matrix product. */
#ifndef SAGECASK_KMEANS_ASSIGN_H
#define SAGECASK_KMEANS_ASSIGN_H

#include <stddef.h>
#include <stdint.h>

/* For each row the center j with the highest products[j] - halves[j], the first of equal ones, and the squared distance
 * squares - 2 x that, at least 0. `halves` holds half the square lengths of the centers, `squares` those of the rows. */
void assign_closest(const float *products, const float *halves, const float *squares, size_t n_rows, size_t n_centers,
                    int64_t *labels, float *squared);

/* Add each row, 1 and its squared distance to what its center has; labels must be below n_centers. */
void assign_tally(const float *rows, const int64_t *labels, const float *squared, size_t n_rows, size_t width,
                  double *sums, double *counts, double *errors);

#endif
