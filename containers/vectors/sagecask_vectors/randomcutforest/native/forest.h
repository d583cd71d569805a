/* Random cut trees in flat arrays: building them, checking those of a file, and scoring rows. Nothing here knows Python.
 *
 * A tree of k leaves has k - 1 nodes. Nodes are numbered from the root, each before its left subtree and that before its
 * right one; leaves from left to right. With the number of leaves below a node's left child this is the whole tree: a
 * node i whose subtree begins at leaf a has its left subtree at node i + 1, leaf a, and its right one at node i + left,
 * leaf a + left. A subtree of one leaf has no node. */
#ifndef SAGECASK_RANDOMCUTFOREST_H
#define SAGECASK_RANDOMCUTFOREST_H

#include <stddef.h>
#include <stdint.h>

/* A row goes left where its value in `dimension` is at most `cut`. */
typedef struct {
    float cut;
    uint32_t dimension;
    uint32_t left;          /* leaves of the left subtree */
} Node;

typedef struct {
    uint32_t leaf, node;    /* the first ones */
    uint32_t n_leaves;
    double mass;            /* rows it was built from, repeated ones counted each time */
    double scale;           /* log2(mass + 1) / number of trees */
} Tree;

/* Arrays of one item a leaf, a node or a tree, those of all trees one after another. */
typedef struct {
    size_t n_trees, n_leaves, n_nodes, width, depth;
    Tree *trees;
    Node *nodes;            /* and one more, which is read but never followed */
    const float *points;    /* (n_leaves, width) */
    const uint32_t *counts; /* rows that share a leaf */
    float *boxes;           /* (n_nodes, 2, width): lowest and highest value below a node */
    double *spans;          /* (n_nodes,): sum of a box's side lengths */
} Forest;

/* What building writes, with room for one leaf a row. */
typedef struct {
    uint32_t *order;        /* the row whose values a leaf has */
    uint32_t *counts;
    float *cuts;
    uint32_t *dimensions, *left;
} Building;

/* Build a tree from rows (n_rows, width) of finite values. Returns its leaves, or 0 without memory. */
size_t forest_build(const float *rows, size_t n_rows, size_t width, uint64_t seed, Building *to);

/* Whether every walk stays inside and ends; sets nodes, leaves and mass of the trees, and the greatest depth.
 * NULL, or what is wrong; "" without memory. */
const char *forest_check(Forest *forest);

/* Fill boxes and spans of a checked forest. Returns 0 without memory. */
int forest_enclose(Forest *forest);

/* Rows (n_rows, width) of finite values to their scores. Returns 0 without memory. */
int forest_score(const Forest *forest, const float *rows, size_t n_rows, float *scores);

#endif
