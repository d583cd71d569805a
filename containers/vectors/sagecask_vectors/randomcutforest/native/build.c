/* Guha, Mishra, Roy and Schrijvers, Robust Random Cut Forest Based Anomaly Detection on Streams, ICML 2016, def. 1. */
#include <math.h>
#include <stdlib.h>

#include "forest.h"

/* Rows [from, to) of the index that become a right subtree, once what is left of it is done. */
typedef struct {
    uint32_t from, to;
    uint32_t parent, leaf;  /* the node, and the first leaf below it */
} Pending;

typedef struct {
    const float *rows;
    size_t width;
    uint64_t state;
    uint32_t *index;
    float *lowest, *highest;
} Builder;

/* splitmix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014), to [0, 1). */
static double draw(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* The box of some rows; returns the sum of its sides. */
static double enclose(const Builder *builder, uint32_t from, uint32_t to) {
    size_t width = builder->width;
    float *restrict lowest = builder->lowest, *restrict highest = builder->highest;
    const float *first = builder->rows + builder->index[from] * width;
    for (size_t j = 0; j < width; j++)
        lowest[j] = highest[j] = first[j];
    for (uint32_t i = from + 1; i < to; i++) {
        const float *restrict row = builder->rows + builder->index[i] * width;
        for (size_t j = 0; j < width; j++) {
            lowest[j] = row[j] < lowest[j] ? row[j] : lowest[j];
            highest[j] = row[j] > highest[j] ? row[j] : highest[j];
        }
    }
    double span = 0.0;
    for (size_t j = 0; j < width; j++)
        span += (double)highest[j] - lowest[j];
    return span;
}

/* A dimension with the weight of its side, and a place in it with values on either side. */
static uint32_t cut(Builder *builder, double span, float *place) {
    double left = draw(&builder->state) * span, side;
    size_t chosen = 0;
    for (size_t j = 0; j < builder->width; j++) {
        side = (double)builder->highest[j] - builder->lowest[j];
        if (side > 0.0) {
            /* the last one with a side, where rounding leaves something over */
            chosen = j;
            if (left < side)
                break;
            left -= side;
        }
    }
    float low = builder->lowest[chosen], high = builder->highest[chosen];
    *place = (float)(low + draw(&builder->state) * ((double)high - low));
    if (*place >= high)
        *place = nextafterf(high, low);
    return (uint32_t)chosen;
}

/* Move the rows that go left to the front; returns where the others begin. */
static uint32_t part(const Builder *builder, uint32_t from, uint32_t to, uint32_t dimension, float place) {
    uint32_t *index = builder->index;
    for (uint32_t i = from; i < to; i++) {
        uint32_t row = index[i];
        if (builder->rows[row * builder->width + dimension] <= place) {
            index[i] = index[from];
            index[from++] = row;
        }
    }
    return from;
}

static size_t grow(Builder *builder, size_t n_rows, Pending *pending, Building *to) {
    uint32_t n_leaves = 0, n_nodes = 0, n_pending = 0, from = 0, end = (uint32_t)n_rows;
    for (;;) {
        double span = enclose(builder, from, end);
        if (span > 0.0) {
            uint32_t dimension = cut(builder, span, &to->cuts[n_nodes]);
            uint32_t middle = part(builder, from, end, dimension, to->cuts[n_nodes]);
            to->dimensions[n_nodes] = dimension;
            pending[n_pending++] = (Pending){middle, end, n_nodes++, n_leaves};
            end = middle;
            continue;
        }
        to->order[n_leaves] = builder->index[from];
        to->counts[n_leaves++] = end - from;
        if (!n_pending)
            return n_leaves;
        Pending next = pending[--n_pending];
        to->left[next.parent] = n_leaves - next.leaf;
        from = next.from;
        end = next.to;
    }
}

size_t forest_build(const float *rows, size_t n_rows, size_t width, uint64_t seed, Building *to) {
    Builder builder = {.rows = rows, .width = width, .state = seed};
    Pending *pending = malloc(n_rows * sizeof *pending);
    builder.index = malloc(n_rows * sizeof *builder.index);
    builder.lowest = malloc(2 * width * sizeof *builder.lowest);
    builder.highest = builder.lowest ? builder.lowest + width : NULL;
    size_t n_leaves = 0;
    if (pending && builder.index && builder.lowest) {
        for (size_t i = 0; i < n_rows; i++)
            builder.index[i] = (uint32_t)i;
        n_leaves = grow(&builder, n_rows, pending, to);
    }
    free(builder.lowest);
    free(builder.index);
    free(pending);
    return n_leaves;
}
