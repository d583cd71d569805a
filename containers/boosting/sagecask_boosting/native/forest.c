/* Walking trees: several at once, since the next node of one is known long after the next of another was asked for. */
#include "forest.h"

#include <math.h>

/* Walks under way at the same time; what a core can keep track of. */
#define LANES 8
/* Rows that a tree meets one after another; their features stay in the nearest caches. */
#define BLOCK 64
#define LOW_BITS (~MISSING_RIGHT)

const char *forest_fault(const Forest *forest) {
    for (size_t i = 0; i < forest->n_nodes; i++) {
        const Node *node = &forest->nodes[i];
        int leaf = isnan(node->threshold);
        if ((node->feature & LOW_BITS) >= forest->n_features)
            return "a feature that rows do not have";
        if (leaf ? node->child != i || node->feature & MISSING_RIGHT : node->child <= i)
            return "a node that leads back";
        if (!leaf && (size_t)node->child + 1 >= forest->n_nodes)
            return "a node that leads out";
    }
    for (size_t i = 0; i < forest->n_trees; i++)
        if (forest->roots[i] >= forest->n_nodes || forest->groups[i] >= forest->n_groups)
            return "a tree without root or output";
    return NULL;
}

int forest_finite(const float *values, size_t n) {
    int infinite = 0;
    for (size_t i = 0; i < n; i++)
        infinite |= fabsf(values[i]) == INFINITY;
    return !infinite;
}

/* The node after this one. */
static inline uint32_t step(const Node *node, const float *row) {
    float x = row[node->feature & LOW_BITS];
    uint32_t right = (x >= node->threshold) | ((x != x) & (node->feature >> 31));
    return node->child + right;
}

/* From each lane's node to a leaf; unused lanes are at one from the start. */
static inline void walk(const Node *nodes, uint32_t at[LANES], const float *const rows[LANES]) {
    uint32_t moved;
    do {
        moved = 0;
#pragma GCC unroll 8
        for (int k = 0; k < LANES; k++) {
            uint32_t next = step(&nodes[at[k]], rows[k]);
            moved |= next ^ at[k];
            at[k] = next;
        }
    } while (moved);
}

static inline void add(const Forest *forest, size_t tree, uint32_t leaf, float *sums) {
    float value = forest->values[leaf];
    if (forest->weights)
        value *= forest->weights[tree];
    sums[forest->groups[tree]] += value;
}

static void one_row(const Forest *forest, const float *row, float *sums) {
    const float *const rows[LANES] = {row, row, row, row, row, row, row, row};
    uint32_t at[LANES];
    for (size_t tree = 0; tree < forest->n_trees; tree += LANES) {
        size_t n = forest->n_trees - tree < LANES ? forest->n_trees - tree : LANES;
        for (size_t k = 0; k < LANES; k++)
            at[k] = forest->roots[tree + (k < n ? k : 0)];
        walk(forest->nodes, at, rows);
        for (size_t k = 0; k < n; k++)
            add(forest, tree + k, at[k], sums);
    }
}

/* Of `n_rows`, a multiple of the lanes: each tree meets all of them while it is at hand. */
static void some_rows(const Forest *forest, const float *first, size_t n_rows, float *sums) {
    const float *rows[LANES];
    uint32_t at[LANES];
    for (size_t tree = 0; tree < forest->n_trees; tree++)
        for (size_t row = 0; row < n_rows; row += LANES) {
            for (size_t k = 0; k < LANES; k++) {
                rows[k] = first + (row + k) * forest->n_features;
                at[k] = forest->roots[tree];
            }
            walk(forest->nodes, at, rows);
            for (size_t k = 0; k < LANES; k++)
                add(forest, tree, at[k], sums + (row + k) * forest->n_groups);
        }
}

void forest_margins(const Forest *forest, const float *rows, size_t n_rows, float *sums) {
    size_t width = forest->n_features, groups = forest->n_groups, row = 0;
    for (size_t i = 0; i < n_rows; i++)
        for (size_t g = 0; g < groups; g++)
            sums[i * groups + g] = forest->base[g];
    while (row + LANES <= n_rows) {
        size_t block = n_rows - row < BLOCK ? (n_rows - row) / LANES * LANES : BLOCK;
        some_rows(forest, rows + row * width, block, sums + row * groups);
        row += block;
    }
    for (; row < n_rows; row++)
        one_row(forest, rows + row * width, sums + row * groups);
}

void forest_unlink(int link, float *base, size_t n_groups) {
    for (size_t k = 0; k < n_groups; k++)
        if (link == SIGMOID)
            base[k] = -logf(1.0f / base[k] - 1.0f);
        else if (link == EXPONENTIAL)
            base[k] = logf(base[k]);
}

static float sigmoid(float x) {
    /* the library's guard against an infinite exponential */
    float bounded = -x < 88.7f ? -x : 88.7f;
    return 1.0f / (expf(bounded) + 1.0f + 1e-16f);
}

static void softmax(float *margins, size_t n) {
    float highest = margins[0];
    double total = 0.0;
    for (size_t k = 1; k < n; k++)
        highest = fmaxf(margins[k], highest);
    for (size_t k = 0; k < n; k++) {
        margins[k] = expf(margins[k] - highest);
        total += margins[k];
    }
    for (size_t k = 0; k < n; k++)
        margins[k] /= (float)total;
}

static float highest_of(const float *margins, size_t n) {
    size_t best = 0;
    for (size_t k = 1; k < n; k++)
        if (margins[k] > margins[best])
            best = k;
    return (float)best;
}

void forest_link(int link, float *sums, size_t n_rows, size_t n_groups) {
    size_t n = n_rows * n_groups;
    if (link == SOFTMAX)
        for (size_t i = 0; i < n_rows; i++)
            softmax(sums + i * n_groups, n_groups);
    else if (link == ARGMAX)
        for (size_t i = 0; i < n_rows; i++)
            sums[i] = highest_of(sums + i * n_groups, n_groups);
    else if (link != IDENTITY)
        for (size_t i = 0; i < n; i++)
            sums[i] = link == SIGMOID ? sigmoid(sums[i]) : link == HINGE ? (float)(sums[i] > 0) : expf(sums[i]);
}
