/* From the arrays of a file to a forest that scores: whether they are one, and the boxes that a file does without. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forest.h"

/* A subtree: its node and first leaf, where its leaves are more than one, and where it stands among the steps. */
typedef struct {
    uint32_t node, leaf, n_leaves;
    uint32_t step, parent, depth;
} Subtree;

static int allocate(Forest *forest, const Arrays *arrays) {
    size_t n_steps = 2 * arrays->n_leaves - arrays->n_trees;
    forest->n_trees = arrays->n_trees;
    forest->width = arrays->width;
    forest->stride = (arrays->width + LANE - 1) / LANE * LANE;
    forest->box_size = sizeof(Box) + 2 * forest->stride * sizeof(float);
    forest->points = arrays->points;
    forest->trees = malloc(arrays->n_trees * sizeof *forest->trees);
    forest->steps = malloc(n_steps * sizeof *forest->steps);
    forest->ends = malloc(n_steps * sizeof *forest->ends);
    forest->boxes = malloc(arrays->n_nodes * forest->box_size + 1);
    forest->counts = malloc(arrays->n_leaves * sizeof *forest->counts);
    return forest->trees && forest->steps && forest->ends && forest->boxes && forest->counts;
}

void forest_free(Forest *forest) {
    free(forest->trees);
    free(forest->steps);
    free(forest->ends);
    free(forest->boxes);
    free(forest->counts);
}

/* Lay out one tree's steps from `first` on; `subtrees` gets those with nodes, by node from the tree's own first. */
static const char *lay_out(Forest *forest, const Arrays *arrays, Subtree root, Subtree *pending, Subtree *subtrees) {
    size_t n_pending = 0;
    uint32_t next = root.step + 1;
    pending[n_pending++] = root;
    while (n_pending) {
        Subtree at = pending[--n_pending];
        if (at.n_leaves == 1) {
            forest->steps[at.step] = (Step){INFINITY, 0, at.step};
            forest->ends[at.step] = (End){at.leaf, at.depth, at.parent};
            continue;
        }
        uint32_t left = arrays->left[at.node];
        if (!left || left >= at.n_leaves)
            return "a node that leads out";
        if (arrays->dimensions[at.node] >= arrays->width)
            return "a dimension that is none";
        subtrees[at.node - root.node] = at;
        forest->steps[at.step] = (Step){arrays->cuts[at.node], arrays->dimensions[at.node], next};
        /* no more subtrees wait than there are leaves, since each has one at least */
        pending[n_pending++] = (Subtree){at.node + left, at.leaf + left, at.n_leaves - left, next + 1, at.node, at.depth + 1};
        pending[n_pending++] = (Subtree){at.node + 1, at.leaf, left, next, at.node, at.depth + 1};
        next += 2;
    }
    return NULL;
}

/* The lowest and highest values below a child: those of its box, or of its point. */
static const float *sides_of(const Forest *forest, uint32_t node, uint32_t leaf, uint32_t n_leaves, const float **highest) {
    if (n_leaves == 1)
        return *highest = forest->points + (size_t)leaf * forest->width;
    const Box *box = forest_box(forest, node);
    *highest = box->sides + forest->stride;
    return box->sides;
}

static void enclose(Forest *forest, const Arrays *arrays, const Subtree *at) {
    uint32_t left = arrays->left[at->node];
    const float *high[2], *low[2] = {
        sides_of(forest, at->node + 1, at->leaf, left, &high[0]),
        sides_of(forest, at->node + left, at->leaf + left, at->n_leaves - left, &high[1]),
    };
    Box *box = forest_box(forest, at->node);
    memset(box, 0, forest->box_size);
    float *lowest = box->sides, *highest = box->sides + forest->stride;
    for (size_t j = 0; j < forest->width; j++) {
        lowest[j] = low[0][j] < low[1][j] ? low[0][j] : low[1][j];
        highest[j] = high[0][j] > high[1][j] ? high[0][j] : high[1][j];
        box->span += (double)highest[j] - lowest[j];
    }
    box->inverse = 1.0f / ((float)at->depth + 1.0f);
    box->parent = at->parent;
}

const char *forest_make(Forest *forest, const Arrays *arrays) {
    Subtree *scratch = malloc(2 * arrays->n_leaves * sizeof *scratch), *subtrees = scratch + arrays->n_leaves;
    const char *fault = allocate(forest, arrays) && scratch ? NULL : "";
    size_t leaf = 0;
    for (size_t t = 0; t < arrays->n_trees && !fault; t++) {
        uint32_t n_leaves = arrays->leaves[t];
        if (!n_leaves || n_leaves > arrays->n_leaves - leaf || (t + 1 == arrays->n_trees && leaf + n_leaves < arrays->n_leaves)) {
            fault = "trees of other leaves";
            break;
        }
        Tree *tree = &forest->trees[t];
        *tree = (Tree){(uint32_t)(2 * leaf - t), 0.0, 0.0};
        for (size_t i = leaf; i < leaf + n_leaves; i++) {
            forest->counts[i] = arrays->counts[i];
            tree->mass += arrays->counts[i];
            fault = arrays->counts[i] ? fault : "a leaf of no rows";
        }
        tree->scale = log2(tree->mass + 1.0) / (double)arrays->n_trees;
        Subtree root = {(uint32_t)(leaf - t), (uint32_t)leaf, n_leaves, tree->root, NONE, 0};
        fault = fault ? fault : lay_out(forest, arrays, root, scratch, subtrees);
        /* the last node first, so that the boxes of its children are there */
        for (uint32_t i = n_leaves - 1; i-- > 0 && !fault;)
            enclose(forest, arrays, &subtrees[i]);
        leaf += n_leaves;
    }
    free(scratch);
    return fault;
}
