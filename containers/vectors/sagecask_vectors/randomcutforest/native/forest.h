/* Random cut trees in flat arrays: building them, checking those of a file, scoring rows. Nothing here knows Python.
 *
 * A file has a tree of k leaves as k - 1 nodes, each before its left subtree and that before its right one, and leaves
 * from left to right. With the number of leaves below a node's left child this is the whole tree: the node i whose
 * subtree begins at leaf a has its left subtree at node i + 1, leaf a, its right one at node i + left, leaf a + left.
 * A subtree of one leaf has no node. */
#ifndef SAGECASK_RANDOMCUTFOREST_H
#define SAGECASK_RANDOMCUTFOREST_H

#include <stddef.h>
#include <stdint.h>

/* What building writes, with room for one leaf a row. */
typedef struct {
    uint32_t *order;        /* the row whose values a leaf has */
    uint32_t *counts;       /* rows that share a leaf */
    float *cuts;
    uint32_t *dimensions;
    uint32_t *left;         /* leaves of the left subtree */
} Building;

/* The arrays of a file: an item a leaf, a node or a tree, those of all trees one after another. */
typedef struct {
    size_t n_trees, n_leaves, n_nodes, width;
    const float *points;    /* (n_leaves, width) */
    const uint32_t *counts, *leaves, *dimensions, *left;
    const float *cuts;
} Arrays;

/* On the way down: a row goes to `child` where its value is at most the cut, else to child + 1. A leaf has an infinite
 * cut and itself as child, so that a row which has arrived stays. */
typedef struct {
    float cut;
    uint32_t dimension;
    uint32_t child;
} Step;

/* On the way up, for a step that is a leaf. */
typedef struct {
    uint32_t leaf, depth;
    uint32_t parent;        /* the box around it, NONE for a tree of one leaf */
} End;

#define NONE UINT32_MAX

/* On the way up: the box of all points below a node. */
typedef struct {
    double span;            /* sum of the sides */
    float inverse;          /* 1 / (depth + 1) */
    uint32_t parent;        /* the box around it, or NONE */
    float sides[];          /* (2, stride): lowest, then highest values; zeros behind the last feature */
} Box;

typedef struct {
    uint32_t root;
    double mass;            /* rows it was built from, repeated ones counted each time */
    double scale;           /* log2(mass + 1) / number of trees */
} Tree;

typedef struct {
    size_t n_trees, width;
    size_t stride;          /* width up to a multiple of LANE */
    size_t box_size;        /* bytes */
    Tree *trees;
    Step *steps;            /* (2 n_leaves - n_trees,) */
    End *ends;              /* as many */
    char *boxes;            /* (n_nodes,) of box_size */
    uint32_t *counts;
    const float *points;    /* (n_leaves, width), the caller's */
} Forest;

#define LANE 4

static inline Box *forest_box(const Forest *forest, size_t node) {
    return (Box *)(forest->boxes + node * forest->box_size);
}

/* Build a tree from rows (n_rows, width) of finite values. Returns its leaves, or 0 without memory. */
size_t forest_build(const float *rows, size_t n_rows, size_t width, uint64_t seed, Building *to);

/* Make a forest of arrays whose lengths fit, if every walk stays inside and ends. NULL, or what is wrong; "" without
 * memory. What was allocated is to be freed in either case. */
const char *forest_make(Forest *forest, const Arrays *arrays);
void forest_free(Forest *forest);

/* Rows (n_rows, width) of finite values to their scores. Returns 0 without memory. */
int forest_score(const Forest *forest, const float *rows, size_t n_rows, float *scores);

#endif
