/* Decision trees in one array, for the first few rows that a library has not warmed up for. Nothing here knows
 * Python, allocates, or writes to the forest once it is checked. */
#ifndef SAGECASK_FOREST_H
#define SAGECASK_FOREST_H

#include <stddef.h>
#include <stdint.h>

/* A row goes to `child` where its feature is below `threshold`, else to child + 1. A leaf's threshold is NaN and its
 * child itself, so that a row which has arrived stays there whatever its features are. */
typedef struct {
    float threshold;
    uint32_t feature;       /* with MISSING_RIGHT where NaN goes to child + 1 */
    uint32_t child;
} Node;

#define MISSING_RIGHT 0x80000000u

typedef struct {
    size_t n_nodes, n_trees, n_features, n_groups;
    const Node *nodes;
    const float *values;        /* (n_nodes,), of leaves */
    const uint32_t *roots;      /* (n_trees,) */
    const uint32_t *groups;     /* (n_trees,), output that a tree adds to */
    const float *weights;       /* (n_trees,), or NULL: a tree's answer counts once */
    const float *base;          /* (n_groups,), what the sums start from */
} Forest;

/* The margins become answers in place; the last two make one column of all. */
enum { IDENTITY, SIGMOID, EXPONENTIAL, HINGE, SOFTMAX, ARGMAX, N_LINKS };

/* Whether walking the forest stays inside of it and ends; NULL, or what is wrong. */
const char *forest_fault(const Forest *forest);

/* Whether none of the values is infinite; NaN is none. */
int forest_finite(const float *values, size_t n);

/* Rows (n_rows, n_features) to sums (n_rows, n_groups), in float32 and in the order of the trees. */
void forest_margins(const Forest *forest, const float *rows, size_t n_rows, float *sums);

/* What the sums start from, in place of the answer that no tree at all would give. */
void forest_unlink(int link, float *base, size_t n_groups);

void forest_link(int link, float *sums, size_t n_rows, size_t n_groups);

#endif
