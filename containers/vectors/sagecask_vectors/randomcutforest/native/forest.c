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
        uint32_t right = at.n_leaves - left, depth = at.depth + 1;
        pending[n_pending++] = (Subtree){at.node + left, at.leaf + left, right, next + 1, at.node, depth};
        pending[n_pending++] = (Subtree){at.node + 1, at.leaf, left, next, at.node, depth};
        next += 2;
    }
    return NULL;
}

/* The lowest and the highest values below a child: those of its box, or of its point. */
static void sides_of(const Forest *forest, uint32_t node, uint32_t leaf, uint32_t n_leaves, const float *sides[2]) {
    const Box *box = n_leaves > 1 ? forest_box(forest, node) : NULL;
    sides[0] = box ? box->sides : forest->points + (size_t)leaf * forest->width;
    sides[1] = box ? box->sides + forest->stride : sides[0];
}

static void enclose(Forest *forest, const Arrays *arrays, const Subtree *at) {
    uint32_t left = arrays->left[at->node];
    const float *one[2], *other[2];
    sides_of(forest, at->node + 1, at->leaf, left, one);
    sides_of(forest, at->node + left, at->leaf + left, at->n_leaves - left, other);
    Box *box = forest_box(forest, at->node);
    memset(box, 0, forest->box_size);
    float *lowest = box->sides, *highest = box->sides + forest->stride;
    for (size_t j = 0; j < forest->width; j++) {
        lowest[j] = one[0][j] < other[0][j] ? one[0][j] : other[0][j];
        highest[j] = one[1][j] > other[1][j] ? one[1][j] : other[1][j];
        box->span += (double)highest[j] - lowest[j];
    }
    box->inverse = 1.0f / ((float)at->depth + 1.0f);
    box->parent = at->parent;
}

/* Leaves of tree t, which begins at leaf `first`; 0 where they are not those of the arrays. */
static uint32_t leaves_of(const Arrays *arrays, size_t t, size_t first) {
    /* each tree behind it has one at least, the last one all that are left */
    size_t behind = arrays->n_trees - 1 - t, room = arrays->n_leaves - first - behind, n_leaves = arrays->leaves[t];
    return n_leaves <= room && (behind || n_leaves == room) ? (uint32_t)n_leaves : 0;
}

/* Returns 0 where a leaf stands for no row. */
static int weigh(Forest *forest, const Arrays *arrays, Tree *tree, size_t first, size_t n_leaves) {
    int sound = 1;
    tree->mass = 0.0;
    for (size_t i = first; i < first + n_leaves; i++) {
        forest->counts[i] = arrays->counts[i];
        tree->mass += arrays->counts[i];
        sound &= arrays->counts[i] > 0;
    }
    tree->scale = log2(tree->mass + 1.0) / (double)arrays->n_trees;
    return sound;
}

const char *forest_make(Forest *forest, const Arrays *arrays) {
    Subtree *scratch = malloc(2 * arrays->n_leaves * sizeof *scratch);
    const char *fault = allocate(forest, arrays) && scratch ? NULL : "";
    size_t leaf = 0;
    for (size_t t = 0; t < arrays->n_trees && !fault; t++) {
        Tree *tree = &forest->trees[t];
        uint32_t n_leaves = leaves_of(arrays, t, leaf), step = (uint32_t)(2 * leaf - t);
        Subtree root = {(uint32_t)(leaf - t), (uint32_t)leaf, n_leaves, step, NONE, 0};
        Subtree *subtrees = scratch + arrays->n_leaves;
        tree->root = root.step;
        if (!root.n_leaves)
            fault = "trees of other leaves";
        else if (!weigh(forest, arrays, tree, leaf, root.n_leaves))
            fault = "a leaf of no rows";
        else
            fault = lay_out(forest, arrays, root, scratch, subtrees);
        /* the last node first, so that the boxes of its children are there */
        for (uint32_t i = root.n_leaves; i-- > 1 && !fault;)
            enclose(forest, arrays, &subtrees[i - 1]);
        leaf += root.n_leaves;
    }
    free(scratch);
    return fault;
}
