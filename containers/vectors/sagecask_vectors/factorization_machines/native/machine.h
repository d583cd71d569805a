/* A factorization machine over rows of which only the values other than zero cost time, and its optimizer.
 *
 * A row x scores  f(x) = w0 + sum_i w_i x_i + 1/2 sum_j [ (sum_i v_ij x_i)^2 - sum_i v_ij^2 x_i^2 ]  (Rendle, Factorization
 * Machines, ICDM 2010, lemma 3.1). A value of zero counts as absent, so that dense and sparse rows do the same. */
#ifndef SAGECASK_MACHINE_H
#define SAGECASK_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* columns and ends are NULL for dense rows; row r of sparse ones has the entries ends[r] to ends[r + 1] */
typedef struct {
    size_t n_rows, width;
    const float *values;
    const int32_t *columns;
    const int64_t *ends;
} Rows;

/* linear has a number a feature, factors has n_factors of them */
typedef struct {
    size_t n_features, n_factors;
    float *bias, *linear, *factors;
} Weights;

enum { BIAS, LINEAR, FACTORS, N_GROUPS };
enum { SQUARED, LOGISTIC, N_LOSSES };

typedef struct {
    int loss;
    float rate[N_GROUPS], decay[N_GROUPS];
    /* clip is infinite where gradients stay as they are */
    float epsilon, clip;
} Settings;

/* What the optimizer keeps of a single weight, and how many mini-batches its feature took part in. */
typedef struct {
    float mean, square;
    int32_t steps;
} Moment;

/* factors has n_factors means of a feature, then its n_factors means of squares: neighbours, as they are used together */
typedef struct {
    Moment bias, *linear;
    float *factors, *correction;
} Moments;

/* Sums over the rows of a mini-batch, a slot for each of its features; slot_of holds slot + 1, or 0 for none. */
typedef struct {
    size_t n_touched, room, n_rows;
    int32_t *slot_of, *touched;
    float *linear, *factors;
    double bias;
} Gradient;

typedef struct {
    Weights weights;
    Settings settings;
    Moments moments;
    Gradient gradient;
    /* sum_i v_ij x_i of one row */
    float *sums;
} Machine;

/* What is wrong with the rows, or NULL. */
const char *rows_fault(const Rows *rows, size_t n_features);

/* Scores of rows; `sums` has room for n_factors numbers. */
void scores_of(const Weights *weights, const Rows *rows, float *sums, float *scores);

/* 0 where memory is short; machine_free is due either way. The weights stay the caller's. */
int machine_make(Machine *machine);
void machine_free(Machine *machine);

/* Room for gradients of any `size` consecutive rows; 0 where memory is short. */
int machine_reserve(Machine *machine, const Rows *rows, size_t size);

/* Add the rows from `start` to `stop` to the gradient, write their scores under the weights as they are. */
void machine_add(Machine *machine, const Rows *rows, size_t start, size_t stop, const float *labels, float *scores);

/* One step by the sums of a mini-batch times `scale`; each touched feature once. Their order makes no difference. */
void machine_step(Machine *machine, const int32_t *touched, size_t n_touched, double bias, const float *linear,
                  const float *factors, float scale);

/* Forget the gradient. */
void machine_clear(Machine *machine);

/* Mini-batches of `size` rows one after another; `scale` of 0 takes the mean over each one's rows. */
void machine_train(Machine *machine, const Rows *rows, size_t size, const float *labels, float scale, float *scores);

#endif
