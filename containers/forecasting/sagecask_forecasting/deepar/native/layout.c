/* Sizes and places of packed weights, tapes and shares; and what is done once a mini-batch. */
#include <string.h>

#include "recurrent.h"

/* a gate is 1 / (1 + 2^x): of the sigmoid x = -log2(e) y, of tanh(y) = 2 sigmoid(2 y) - 1 twice as much */
static const float factors[GATES] = {-1.44269504f, -1.44269504f, -2.88539008f, -1.44269504f};

static size_t up(size_t number, size_t unit) {
    return (number + unit - 1) / unit * unit;
}

size_t blocks_of(size_t rows) {
    return up(rows, ROWS) / ROWS;
}

size_t layer_inputs(const Sizes *sizes, size_t layer) {
    return layer ? sizes->cells : sizes->lags + sizes->features;
}

static size_t forward_size(const Sizes *sizes, size_t layer) {
    return up(sizes->cells, PAIR) * GATES * (sizes->cells + layer_inputs(sizes, layer));
}

static size_t backward_size(const Sizes *sizes, size_t layer) {
    return up(sizes->cells + layer_inputs(sizes, layer), STRIP) * GATES * sizes->cells;
}

size_t packed_size(const Sizes *sizes) {
    size_t total = sizes->outputs * (sizes->cells + 1);
    for (size_t l = 0; l < sizes->layers; l++)
        total += forward_size(sizes, l) + backward_size(sizes, l) + GATES * up(sizes->cells, PAIR);
    return total;
}

Network packed_network(const Sizes *sizes, const float *packed) {
    Network network = {.sizes = *sizes};
    for (size_t l = 0; l < sizes->layers; l++) {
        network.layers[l] = (Layer){layer_inputs(sizes, l), packed, packed + forward_size(sizes, l),
                                    packed + forward_size(sizes, l) + backward_size(sizes, l)};
        packed = network.layers[l].bias + GATES * up(sizes->cells, PAIR);
    }
    network.head = packed;
    network.head_bias = packed + sizes->outputs * sizes->cells;
    return network;
}

static void pack_layer(size_t cells, size_t inputs, const float *const *weights, const Layer *layer) {
    float *forward = (float *)layer->forward, *backward = (float *)layer->backward, *bias = (float *)layer->bias;
    size_t seen = cells + inputs;
    for (size_t u = 0; u < up(cells, PAIR); u++)
        for (size_t g = 0; g < GATES; g++) {
            int real = u < cells;
            const float *input = weights[0] + (g * cells + u) * inputs;
            const float *recurrent = weights[1] + (g * cells + u) * cells;
            float *to = forward + u / PAIR * seen * PAIR * GATES + u % PAIR * GATES + g;
            for (size_t k = 0; k < seen; k++) {
                float weight = !real ? 0 : k < cells ? recurrent[k] : input[k - cells];
                to[k * PAIR * GATES] = weight * factors[g];
                if (real)
                    backward[(k / STRIP * GATES * cells + u * GATES + g) * STRIP + k % STRIP] = weight;
            }
            bias[u * GATES + g] = real ? weights[2][g * cells + u] * factors[g] : 0;
            for (size_t k = seen; real && k < up(seen, STRIP); k++)
                backward[(k / STRIP * GATES * cells + u * GATES + g) * STRIP + k % STRIP] = 0;
        }
}

void pack(const Sizes *sizes, const float *const *weights, float *packed) {
    Network network = packed_network(sizes, packed);
    for (size_t l = 0; l < sizes->layers; l++, weights += 3)
        pack_layer(sizes->cells, layer_inputs(sizes, l), weights, &network.layers[l]);
    memcpy((float *)network.head, weights[0], sizes->outputs * sizes->cells * sizeof(float));
    memcpy((float *)network.head_bias, weights[1], sizes->outputs * sizeof(float));
}

Tape tape_of(const Sizes *sizes) {
    Tape tape = {.total = 0};
    for (size_t l = 0; l < sizes->layers; l++) {
        tape.seen[l] = tape.total;
        tape.kept[l] = tape.seen[l] + (sizes->steps + 1) * (sizes->cells + layer_inputs(sizes, l)) * ROWS;
        tape.cell[l] = tape.kept[l] + sizes->steps * KEPT * sizes->cells * ROWS;
        tape.total = tape.cell[l] + (sizes->steps + 1) * sizes->cells * ROWS;
    }
    /* a strip may read beyond the last step */
    tape.total += STRIP * ROWS;
    return tape;
}

Share share_of(const Sizes *sizes) {
    Share share = {.total = 0};
    for (size_t l = 0; l < sizes->layers; l++) {
        share.weights[l] = share.total;
        share.biases[l] = share.weights[l] + GATES * sizes->cells * (sizes->cells + layer_inputs(sizes, l));
        share.total = share.biases[l] + GATES * sizes->cells;
    }
    share.head = share.total;
    share.head_bias = share.head + MOST_OUTPUTS * sizes->cells;
    share.total = share.head_bias + MOST_OUTPUTS;
    return share;
}

void spread(const Sizes *sizes, const float *encoded, size_t per_series, float *state) {
    size_t width = sizes->layers * 2 * sizes->cells;
    for (size_t row = 0; row < blocks_of(sizes->rows) * ROWS; row++) {
        /* rows beyond the last repeat it, so that they stay numbers */
        const float *from = encoded + (row < sizes->rows ? row : sizes->rows - 1) / per_series * width;
        float *to = state + row / ROWS * width * ROWS + row % ROWS;
        for (size_t i = 0; i < width; i++)
            to[i * ROWS] = from[i];
    }
}

const Kernels *kernels_for(size_t lanes) {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
    if ((lanes == 0 || lanes == 16) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return &avx512_kernels;
    if ((lanes == 0 || lanes == 8) && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &avx2_kernels;
#endif
    return lanes == 0 || lanes == 4 ? &portable_kernels : NULL;
}
