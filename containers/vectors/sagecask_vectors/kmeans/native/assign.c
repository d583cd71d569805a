#include "assign.h"

#include <math.h>
#include <string.h>

/* vectors of the compiler, which makes of them what the machine has */
#define LANES 16
typedef float Floats __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t Ints __attribute__((vector_size(LANES * sizeof(int32_t))));

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__)
#define VECTORS __attribute__((target_clones("avx512f", "avx2,fma", "default")))
#else
#define VECTORS
#endif

VECTORS void assign_closest(const float *restrict products, const float *restrict halves,
                            const float *restrict squares, size_t n_rows, size_t n_centers, int64_t *restrict labels,
                            float *restrict squared) {
    size_t whole = n_centers - n_centers % LANES;
    Ints first;
    Floats none;
    for (int l = 0; l < LANES; l++) {
        first[l] = l;
        none[l] = -INFINITY;
    }
    for (size_t i = 0; i < n_rows; i++, products += n_centers) {
        Floats best = none;
        Ints where = first, here = first;
        for (size_t j = 0; j < whole; j += LANES, here += LANES) {
            Floats product, half;
            memcpy(&product, products + j, sizeof product);
            memcpy(&half, halves + j, sizeof half);
            Floats gain = product - half;
            Ints higher = gain > best;
            best = (Floats)(((Ints)gain & higher) | ((Ints)best & ~higher));
            where = (here & higher) | (where & ~higher);
        }
        float top = best[0];
        int32_t label = where[0];
        for (int l = 1; l < LANES; l++)
            if (best[l] > top || (best[l] == top && where[l] < label)) {
                top = best[l];
                label = where[l];
            }
        for (size_t j = whole; j < n_centers; j++)
            if (products[j] - halves[j] > top) {
                top = products[j] - halves[j];
                label = (int32_t)j;
            }
        labels[i] = label;
        float distance = squares[i] - 2 * top;
        squared[i] = distance > 0 ? distance : 0;
    }
}

VECTORS void assign_tally(const float *restrict rows, const int64_t *restrict labels, const float *restrict squared,
                          size_t n_rows, size_t width, double *restrict sums, double *restrict counts,
                          double *restrict errors) {
    for (size_t i = 0; i < n_rows; i++, rows += width) {
        size_t label = (size_t)labels[i];
        double *restrict sum = sums + label * width;
        for (size_t j = 0; j < width; j++)
            sum[j] += (double)rows[j];
        counts[label] += 1;
        errors[label] += (double)squared[i];
    }
}
