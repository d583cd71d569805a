/* Recurrent layers over blocks of rows: what a network's sizes, weights and memory look like.
 *
 * Rows come in blocks of ROWS, and one number of all rows of a block is one run of ROWS floats, so that vectors run over
 * rows and every number of cells is as good as another. Letters: T steps, H cells, V inputs of a layer, K = H + V what a
 * layer looks at in a step: its own state first, then its inputs. Gates of a unit stand together: input, forget, cell,
 * output. */
#ifndef SAGECASK_DEEPAR_RECURRENT_H
#define SAGECASK_DEEPAR_RECURRENT_H

#include <stddef.h>
#include <stdint.h>

enum {
    ROWS = 32,
    /* units of a tile of the forward pass, gates of one unit, kept values of a unit: gates and tanh of the cell */
    PAIR = 2,
    GATES = 4,
    KEPT = 5,
    /* inputs of a tile of the backward pass; most outputs of the head, padded */
    STRIP = 8,
    MOST_OUTPUTS = 4,
    /* steps whose share of the weights' gradient is found at once */
    CHUNK = 16,
    MOST_LAYERS = 64,
};

typedef struct {
    size_t rows, steps, points, lags, features, cells, layers, outputs;
} Sizes;

/* Units that keep their state. With `threshold` above 0 a random choice of units does, by a hash of the seeds and the
 * place; else every unit keeps the share `keep` of its state. */
typedef struct {
    uint32_t first, second, threshold;
    float keep;
} Zoneout;

/* One layer of packed weights. forward: a pair of units after another, for each of K inputs the gates of both, times
 * the factor of the exponent. backward: a strip of inputs after another, for each of 4 H gates its inputs' weights. */
typedef struct {
    size_t inputs;
    const float *forward, *backward, *bias;
} Layer;

typedef struct {
    Sizes sizes;
    Layer layers[MOST_LAYERS];
    /* outputs x H, outputs */
    const float *head, *head_bias;
} Network;

/* Where things are in the tape of a block: of each layer, what it saw (T + 1 of K), gates (T of KEPT H), cells. */
typedef struct {
    size_t seen[MOST_LAYERS], kept[MOST_LAYERS], cell[MOST_LAYERS], total;
} Tape;

/* A share of the gradient: of each layer 4 H x K weights and 4 H biases, then 4 x H of the head and 4. */
typedef struct {
    size_t weights[MOST_LAYERS], biases[MOST_LAYERS], head, head_bias, total;
} Share;

typedef struct {
    /* rows x points, lags, rows x T x features, rows x 4 H */
    const float *history;
    const int64_t *places;
    const float *features, *base;
    Zoneout zoneout;
    /* of all blocks; NULL where nothing is to be kept */
    float *tape;
    /* rows x T x outputs; rows x layers x 2 x H, the state after the last step; NULL where not wanted */
    float *raw, *state;
} Passing;

typedef struct {
    Zoneout zoneout;
    float *tape;
    /* rows x T x outputs; rows x 4 H; of this share */
    const float *raw_gradient;
    float *base_gradient, *share;
} Returning;

/* One step of sample paths; rows are those of one series after another, `per_series` of each. */
typedef struct {
    size_t per_series, step, stride;
    /* series x 4 H, what all paths of a series have in common; steps x stride, what was drawn */
    const float *common, *drawn;
    const int64_t *lags;
    Zoneout zoneout;
    /* blocks x layers x 2 x H x ROWS; outputs x stride */
    float *state, *raw;
} Sampling;

size_t layer_inputs(const Sizes *sizes, size_t layer);
size_t packed_size(const Sizes *sizes);
Network packed_network(const Sizes *sizes, const float *packed);
Tape tape_of(const Sizes *sizes);
Share share_of(const Sizes *sizes);
size_t blocks_of(size_t rows);

/* `weights`: per layer 4 H x V inputs, 4 H x H recurrent, 4 H bias, in the order of gates; head, head bias. */
void pack(const Sizes *sizes, const float *const *weights, float *packed);
void spread(const Sizes *sizes, const float *encoded, size_t per_series, float *state);

/* Work on blocks from `first` to before `last`; 0 is success, -1 that memory is short. */
typedef struct {
    int (*pass)(const Network *, const Passing *, size_t first, size_t last);
    int (*go_back)(const Network *, const Returning *, size_t first, size_t last);
    int (*sample)(const Network *, const Sampling *, size_t first, size_t last);
    void (*squash)(const float *from, size_t n, float *sigmoid, float *tanh);
} Kernels;

extern const Kernels portable_kernels, avx2_kernels, avx512_kernels;
/* those of 4, 8 or 16 lanes, of 0 the widest; NULL where this machine has none such */
const Kernels *kernels_for(size_t lanes);

#endif
