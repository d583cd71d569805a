/* A forest that came from a file: whether it is one, and the boxes that the file does without. */
#include <math.h>
#include <stdlib.h>

#include "forest.h"

/* A subtree still to be looked at. */
typedef struct {
    uint32_t node, leaf, n_leaves;
    size_t depth;
} Subtree;

/* NULL where the tree's nodes make a tree of its leaves; the deepest leaf raises the forest's depth. */
static const char *check_tree(Forest *forest, const Tree *tree, Subtree *pending) {
    size_t n_pending = 0;
    pending[n_pending++] = (Subtree){tree->node, tree->leaf, tree->n_leaves, 0};
    while (n_pending) {
        Subtree at = pending[--n_pending];
        if (at.n_leaves == 1) {
            forest->depth = at.depth > forest->depth ? at.depth : forest->depth;
            continue;
        }
        Node node = forest->nodes[at.node];
        if (!node.left || node.left >= at.n_leaves)
            return "a node that leads out";
        if (node.dimension >= forest->width)
            return "a dimension that is none";
        /* no more subtrees wait than there are leaves, since each has one at least */
        pending[n_pending++] = (Subtree){at.node + node.left, at.leaf + node.left, at.n_leaves - node.left, at.depth + 1};
        pending[n_pending++] = (Subtree){at.node + 1, at.leaf, node.left, at.depth + 1};
    }
    return NULL;
}

const char *forest_check(Forest *forest) {
    size_t leaf = 0, most = 0;
    for (size_t t = 0; t < forest->n_trees; t++) {
        Tree *tree = &forest->trees[t];
        if (!tree->n_leaves || tree->n_leaves > forest->n_leaves - leaf)
            return "trees of other leaves";
        tree->leaf = (uint32_t)leaf;
        tree->node = (uint32_t)(leaf - t);
        tree->mass = 0.0;
        for (size_t i = leaf; i < leaf + tree->n_leaves; i++) {
            if (!forest->counts[i])
                return "a leaf of no rows";
            tree->mass += forest->counts[i];
        }
        tree->scale = log2(tree->mass + 1.0) / (double)forest->n_trees;
        leaf += tree->n_leaves;
        most = tree->n_leaves > most ? tree->n_leaves : most;
    }
    if (leaf != forest->n_leaves || forest->n_nodes != forest->n_leaves - forest->n_trees)
        return "trees of other leaves";
    Subtree *pending = malloc((most + 1) * sizeof *pending);
    const char *fault = pending ? NULL : "";
    for (size_t t = 0; t < forest->n_trees && !fault; t++)
        fault = check_tree(forest, &forest->trees[t], pending);
    free(pending);
    return fault;
}

/* Boxes of one tree's nodes, last node first, so that those of both children are there. */
static void enclose_tree(Forest *forest, const Tree *tree, uint32_t *first_leaf, uint32_t *n_below) {
    size_t width = forest->width;
    uint32_t n_nodes = tree->n_leaves - 1;
    first_leaf[0] = 0;
    n_below[0] = tree->n_leaves;
    for (uint32_t i = 0; i < n_nodes; i++) {
        uint32_t left = forest->nodes[tree->node + i].left, right = n_below[i] - left;
        if (left > 1) {
            first_leaf[i + 1] = first_leaf[i];
            n_below[i + 1] = left;
        }
        if (right > 1) {
            first_leaf[i + left] = first_leaf[i] + left;
            n_below[i + left] = right;
        }
    }
    for (uint32_t i = n_nodes; i-- > 0;) {
        uint32_t left = forest->nodes[tree->node + i].left;
        const float *low[2], *high[2];
        uint32_t child[2] = {i + 1, i + left}, leaf[2] = {first_leaf[i], first_leaf[i] + left};
        uint32_t size[2] = {left, n_below[i] - left};
        for (int side = 0; side < 2; side++) {
            const float *box = forest->boxes + ((size_t)tree->node + child[side]) * 2 * width;
            const float *point = forest->points + ((size_t)tree->leaf + leaf[side]) * width;
            low[side] = size[side] > 1 ? box : point;
            high[side] = size[side] > 1 ? box + width : point;
        }
        float *box = forest->boxes + ((size_t)tree->node + i) * 2 * width;
        double span = 0.0;
        for (size_t j = 0; j < width; j++) {
            box[j] = low[0][j] < low[1][j] ? low[0][j] : low[1][j];
            box[width + j] = high[0][j] > high[1][j] ? high[0][j] : high[1][j];
            span += (double)box[width + j] - box[j];
        }
        forest->spans[tree->node + i] = span;
    }
}

int forest_enclose(Forest *forest) {
    size_t most = 1;
    for (size_t t = 0; t < forest->n_trees; t++)
        most = forest->trees[t].n_leaves > most ? forest->trees[t].n_leaves : most;
    uint32_t *scratch = malloc(2 * most * sizeof *scratch);
    if (!scratch)
        return 0;
    for (size_t t = 0; t < forest->n_trees; t++)
        enclose_tree(forest, &forest->trees[t], scratch, scratch + most);
    free(scratch);
    return 1;
}
