#include "machine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* sqrtf may set errno, which would keep it out of vectors */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-math-errno")
#endif

/* One binary for every x86-64; fused multiply-add brings vectors of eight with it. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__) && defined(__GLIBC__)
#define CLONES __attribute__((target_clones("fma", "default")))
#else
#define CLONES
#endif
#define INLINE static inline __attribute__((always_inline))

enum { LANES = 8 };
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

static const float BETA1 = 0.9f, BETA2 = 0.999f;
/* from here on 0.999^steps is lost in a float's rounding of 1 */
enum { N_CORRECTIONS = 16640 };

const char *rows_fault(const Rows *rows, size_t n_features) {
    if (rows->width != n_features)
        return "rows of another width";
    if (!rows->columns)
        return NULL;
    if (rows->ends[0] != 0)
        return "a first row that does not begin at 0";
    for (size_t row = 0; row < rows->n_rows; row++)
        if (rows->ends[row + 1] < rows->ends[row])
            return "a row that ends before it begins";
    uint32_t highest = 0;
    for (int64_t entry = 0; entry < rows->ends[rows->n_rows]; entry++)
        highest = (uint32_t)rows->columns[entry] > highest ? (uint32_t)rows->columns[entry] : highest;
    return rows->ends[rows->n_rows] && highest >= n_features ? "a column beyond the last" : NULL;
}

/* The entries of one row; columns is NULL where they are numbered from 0. */
typedef struct {
    const float *values;
    const int32_t *columns;
    size_t count;
} Row;

INLINE Row row_of(const Rows *rows, size_t index) {
    if (!rows->columns)
        return (Row){rows->values + index * rows->width, NULL, rows->width};
    int64_t start = rows->ends[index];
    return (Row){rows->values + start, rows->columns + start, (size_t)(rows->ends[index + 1] - start)};
}

/* a = b times x, added to sums; squares gets the sum of a^2 */
INLINE void accumulate(const float *restrict factors, float x, size_t n, float *restrict sums, Lanes *squares,
                       float *rest) {
    size_t at = 0;
    for (; at + LANES <= n; at += LANES) {
        Lanes product = *(const Lanes *)(factors + at) * x;
        *(Lanes *)(sums + at) += product;
        *squares += product * product;
    }
    for (; at < n; at++) {
        float product = factors[at] * x;
        sums[at] += product;
        *rest += product * product;
    }
}

INLINE float score(const Weights *weights, Row row, size_t n, float *restrict sums) {
    memset(sums, 0, n * sizeof *sums);
    Lanes squares = {0};
    float rest = 0;
    double linear = *weights->bias;
    for (size_t entry = 0; entry < row.count; entry++) {
        float x = row.values[entry];
        if (x == 0)
            continue;
        size_t feature = row.columns ? (size_t)row.columns[entry] : entry;
        linear += (double)(weights->linear[feature] * x);
        accumulate(weights->factors + feature * n, x, n, sums, &squares, &rest);
    }
    size_t at = 0;
    squares = -squares;
    rest = -rest;
    for (; at + LANES <= n; at += LANES)
        squares += *(Lanes *)(sums + at) * *(Lanes *)(sums + at);
    for (; at < n; at++)
        rest += sums[at] * sums[at];
    for (int lane = 0; lane < LANES; lane++)
        rest += squares[lane];
    return (float)(linear + 0.5 * (double)rest);
}

CLONES void scores_of(const Weights *weights, const Rows *rows, float *sums, float *scores) {
    for (size_t row = 0; row < rows->n_rows; row++)
        scores[row] = score(weights, row_of(rows, row), weights->n_factors, sums);
}

INLINE size_t slot_of(Gradient *gradient, size_t feature, size_t n) {
    if (!gradient->slot_of[feature]) {
        size_t slot = gradient->n_touched++;
        gradient->touched[slot] = (int32_t)feature;
        gradient->slot_of[feature] = (int32_t)gradient->n_touched;
        gradient->linear[slot] = 0;
        memset(gradient->factors + slot * n, 0, n * sizeof(float));
        return slot;
    }
    return (size_t)gradient->slot_of[feature] - 1;
}

/* The derivative of the pair term by v_ij is x_i (sum_l v_lj x_l - v_ij x_i). */
INLINE void spread(Machine *machine, Row row, size_t n, float error) {
    Gradient *gradient = &machine->gradient;
    const float *restrict sums = machine->sums;
    for (size_t entry = 0; entry < row.count; entry++) {
        float x = row.values[entry];
        if (x == 0)
            continue;
        size_t feature = row.columns ? (size_t)row.columns[entry] : entry;
        size_t slot = slot_of(gradient, feature, n);
        float share = error * x;
        gradient->linear[slot] += share;
        const float *restrict factors = machine->weights.factors + feature * n;
        float *restrict target = gradient->factors + slot * n;
        size_t at = 0;
        for (; at + LANES <= n; at += LANES)
            *(Lanes *)(target + at) +=
                share * (*(const Lanes *)(sums + at) - x * *(const Lanes *)(factors + at));
        for (; at < n; at++)
            target[at] += share * (sums[at] - x * factors[at]);
    }
}

INLINE void add(Machine *machine, const Rows *rows, size_t start, size_t stop, const float *labels, float *scores) {
    size_t n = machine->weights.n_factors;
    for (size_t index = start; index < stop; index++) {
        Row row = row_of(rows, index);
        float value = score(&machine->weights, row, n, machine->sums);
        scores[index] = value;
        float answer = machine->settings.loss == LOGISTIC ? 1 / (1 + expf(-value)) : value;
        float error = answer - labels[index];
        machine->gradient.bias += (double)error;
        spread(machine, row, n, error);
    }
    machine->gradient.n_rows += stop - start;
}

CLONES void machine_add(Machine *machine, const Rows *rows, size_t start, size_t stop, const float *labels,
                        float *scores) {
    add(machine, rows, start, stop, labels, scores);
}

typedef struct {
    float rate, decay, epsilon, clip, scale;
} Step;

/* Adam as MXNet has it: decay joins the gradient before it is clipped, epsilon the uncorrected root. */
INLINE void adam(size_t n, const float *restrict gradient, float *restrict weights, float *restrict means,
                 float *restrict squares, Step step) {
    for (size_t at = 0; at < n; at++) {
        float slope = step.scale * gradient[at] + step.decay * weights[at];
        slope = slope > step.clip ? step.clip : slope;
        slope = slope < -step.clip ? -step.clip : slope;
        means[at] += (1 - BETA1) * (slope - means[at]);
        squares[at] += (1 - BETA2) * (slope * slope - squares[at]);
        weights[at] -= step.rate * means[at] / (sqrtf(squares[at]) + step.epsilon);
    }
}

INLINE Step step_of(const Settings *settings, int group, float scale, float correction) {
    return (Step){settings->rate[group] * correction, settings->decay[group], settings->epsilon, settings->clip, scale};
}

INLINE float corrected(const Moments *moments, Moment *moment) {
    moment->steps += moment->steps < N_CORRECTIONS;
    return moments->correction[moment->steps - 1];
}

INLINE void step_feature(Machine *machine, size_t feature, const float *linear, const float *factors, float scale) {
    Moments *moments = &machine->moments;
    Moment *moment = moments->linear + feature;
    size_t n = machine->weights.n_factors;
    float correction = corrected(moments, moment), *means = moments->factors + 2 * feature * n;
    adam(1, linear, machine->weights.linear + feature, &moment->mean, &moment->square,
         step_of(&machine->settings, LINEAR, scale, correction));
    adam(n, factors, machine->weights.factors + feature * n, means, means + n,
         step_of(&machine->settings, FACTORS, scale, correction));
}

INLINE void step_bias(Machine *machine, double bias, float scale) {
    Moment *moment = &machine->moments.bias;
    float slope = (float)bias;
    adam(1, &slope, machine->weights.bias, &moment->mean, &moment->square,
         step_of(&machine->settings, BIAS, scale, corrected(&machine->moments, moment)));
}

/* A step by the gradient that was added up. */
INLINE void step(Machine *machine, float scale) {
    const Gradient *gradient = &machine->gradient;
    size_t n_features = machine->weights.n_features, n = machine->weights.n_factors;
    step_bias(machine, gradient->bias, scale);
    /* in the order of memory where most of it is touched: half the time of that in which features came */
    if (gradient->n_touched > n_features / 4) {
        for (size_t feature = 0; feature < n_features; feature++)
            if (gradient->slot_of[feature]) {
                size_t slot = (size_t)gradient->slot_of[feature] - 1;
                step_feature(machine, feature, gradient->linear + slot, gradient->factors + slot * n, scale);
            }
        return;
    }
    for (size_t slot = 0; slot < gradient->n_touched; slot++)
        step_feature(machine, (size_t)gradient->touched[slot], gradient->linear + slot, gradient->factors + slot * n,
                     scale);
}

CLONES void machine_step(Machine *machine, const int32_t *touched, size_t n_touched, double bias, const float *linear,
                         const float *factors, float scale) {
    step_bias(machine, bias, scale);
    for (size_t slot = 0; slot < n_touched; slot++)
        step_feature(machine, (size_t)touched[slot], linear + slot, factors + slot * machine->weights.n_factors, scale);
}

void machine_clear(Machine *machine) {
    Gradient *gradient = &machine->gradient;
    for (size_t slot = 0; slot < gradient->n_touched; slot++)
        gradient->slot_of[gradient->touched[slot]] = 0;
    gradient->n_touched = gradient->n_rows = 0;
    gradient->bias = 0;
}

CLONES void machine_train(Machine *machine, const Rows *rows, size_t size, const float *labels, float scale,
                          float *scores) {
    for (size_t start = 0; start < rows->n_rows; start += size) {
        size_t stop = rows->n_rows - start < size ? rows->n_rows : start + size;
        add(machine, rows, start, stop, labels, scores);
        step(machine, scale > 0 ? scale : 1 / (float)(stop - start));
        machine_clear(machine);
    }
}

int machine_make(Machine *machine) {
    size_t n_features = machine->weights.n_features, n_factors = machine->weights.n_factors;
    Moments *moments = &machine->moments;
    /* pages that no feature touches are never taken from the system */
    moments->linear = calloc(n_features, sizeof *moments->linear);
    moments->factors = calloc(n_features, 2 * n_factors * sizeof(float));
    moments->correction = malloc(N_CORRECTIONS * sizeof(float));
    machine->gradient.slot_of = calloc(n_features, sizeof(int32_t));
    machine->sums = malloc(n_factors * sizeof(float));
    if (!moments->linear || !moments->factors || !moments->correction || !machine->gradient.slot_of || !machine->sums)
        return 0;
    double power1 = 1, power2 = 1;
    for (int steps = 0; steps < N_CORRECTIONS; steps++) {
        power1 *= (double)BETA1;
        power2 *= (double)BETA2;
        moments->correction[steps] = (float)(sqrt(1 - power2) / (1 - power1));
    }
    return 1;
}

void machine_free(Machine *machine) {
    Gradient *gradient = &machine->gradient;
    free(machine->moments.linear);
    free(machine->moments.factors);
    free(machine->moments.correction);
    free(gradient->slot_of);
    free(gradient->touched);
    free(gradient->linear);
    free(gradient->factors);
    free(machine->sums);
}

/* The most features that `size` consecutive rows, and those touched before them, can have. */
static size_t most_touched(const Machine *machine, const Rows *rows, size_t size) {
    size_t n_features = machine->weights.n_features, most = 0;
    if (!rows->columns)
        return n_features;
    for (size_t start = 0; start < rows->n_rows; start += size) {
        size_t stop = rows->n_rows - start < size ? rows->n_rows : start + size;
        size_t entries = (size_t)(rows->ends[stop] - rows->ends[start]);
        most = entries > most ? entries : most;
    }
    most += machine->gradient.n_touched;
    return most < n_features ? most : n_features;
}

int machine_reserve(Machine *machine, const Rows *rows, size_t size) {
    Gradient *gradient = &machine->gradient;
    size_t room = most_touched(machine, rows, size);
    if (room <= gradient->room)
        return 1;
    int32_t *touched = realloc(gradient->touched, room * sizeof *touched);
    gradient->touched = touched ? touched : gradient->touched;
    float *linear = realloc(gradient->linear, room * sizeof *linear);
    gradient->linear = linear ? linear : gradient->linear;
    float *factors = realloc(gradient->factors, room * machine->weights.n_factors * sizeof *factors);
    gradient->factors = factors ? factors : gradient->factors;
    if (!touched || !linear || !factors)
        return 0;
    gradient->room = room;
    return 1;
}
