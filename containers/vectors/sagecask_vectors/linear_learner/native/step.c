/* The formula of optimizers.py in one pass: what a weight needs is read once, and nothing is put down in between. */
#include "step.h"

#include <math.h>

/* a square root that need not set errno is one instruction for several numbers */
#pragma GCC optimize("no-math-errno", "no-trapping-math")

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
#define FOR_EVERY_MACHINE __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define FOR_EVERY_MACHINE
#endif

FOR_EVERY_MACHINE
static void row(size_t n, float *restrict weights, float *restrict first, float *restrict second,
                float *restrict average, const float *restrict gradient, const float *restrict rates,
                const float *restrict of, float scale, float recency) {
    const float *restrict c1 = of + C1 * n, *restrict k1 = of + K1 * n, *restrict c2 = of + C2 * n;
    const float *restrict k2 = of + K2 * n, *restrict s = of + S * n, *restrict e = of + E * n;
    const float *restrict wd = of + WD * n, *restrict l1 = of + L1 * n;
    for (size_t i = 0; i < n; i++) {
        float g = scale * gradient[i] + wd[i] * weights[i];
        first[i] = c1[i] * first[i] + k1[i] * g;
        second[i] = c2[i] * second[i] + k2[i] * g * g;
        float length = rates[i] / (s[i] * sqrtf(second[i]) + e[i]);
        float moved = weights[i] - length * first[i];
        float most = length * l1[i];
        /* written so that what is no number stays none */
        float pull = moved > most ? most : moved;
        pull = pull < -most ? -most : pull;
        weights[i] = moved - pull;
        average[i] += recency * (weights[i] - average[i]);
    }
}

void step_take(const Step *step) {
    size_t n = step->n_columns;
    for (size_t at = 0; at < step->n_rows * n; at += n)
        row(n, step->weights + at, step->first + at, step->second + at, step->average + at, step->gradient + at,
            step->rates, step->coefficients, step->scale, step->recency);
}
