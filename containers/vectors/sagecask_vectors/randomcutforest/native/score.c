/* Scores of rows: how soon a row would be cut off from the points of each tree, were it put in.
 *
 * Put into a tree, a row x outside of a node's box is cut off right there with probability p = e / (e + s), where s is
 * the sum of the box's sides and e what the box must grow by to hold x (Guha et al., section 3). The expected reciprocal
 * depth of its leaf follows from the leaf that the cuts lead to upwards:
 *
 *     f(leaf) = 1 / (d + 1), or (1 - c / 2n) / (d + log2(c + 1)) at a point equal to x that c of n rows share
 *     f(node) = p / (d + 1) + (1 - p) f(child)
 *
 * with the depth d of leaf or node. From the first box that holds x upwards p is 0. The score is the mean over the trees
 * of f(root) log2(n + 1). */
#include <math.h>
#include <stdlib.h>

#include "forest.h"

/* rows or trees that are walked at once, since a single walk would wait for memory at each node */
#define LANES 8
/* rows that meet a tree while it is in the nearest cache */
#define BLOCK 256
#define NARROW 4
#define WIDE 16

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
/* lanes add up in an order of their own, so that every version has the same sums */
#define VERSIONS __attribute__((target_clones("avx2", "default")))
#else
#define VERSIONS
#endif

typedef struct {
    const float *row;
    const Tree *tree;
    uint32_t node, leaf, n_leaves, depth;
} Walk;

static inline float beyond(float x, float low, float high) {
    float below = low - x, above = x - high;
    float out = below > above ? below : above;
    return out > 0.0f ? out : 0.0f;
}

/* By how much a box must grow to hold a row; infinite where float32 cannot hold that. */
static inline float growth(const float *restrict row, const float *restrict box, size_t width) {
    const float *restrict low = box, *restrict high = box + width;
    float wide[WIDE] = {0}, sum[NARROW] = {0};
    size_t j = 0;
    for (; j + WIDE <= width; j += WIDE)
        for (size_t k = 0; k < WIDE; k++)
            wide[k] += beyond(row[j + k], low[j + k], high[j + k]);
    for (; j + NARROW <= width; j += NARROW)
        for (size_t k = 0; k < NARROW; k++)
            sum[k] += beyond(row[j + k], low[j + k], high[j + k]);
    for (; j < width; j++)
        sum[0] += beyond(row[j], low[j], high[j]);
    for (size_t k = 0; k < WIDE; k++)
        sum[k % NARROW] += wide[k];
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

static double exact_growth(const float *row, const float *box, size_t width) {
    double sum = 0.0;
    for (size_t j = 0; j < width; j++) {
        double below = (double)box[j] - row[j], above = (double)row[j] - box[width + j];
        sum += below > 0.0 ? below : above > 0.0 ? above : 0.0;
    }
    return sum;
}

static inline int equal(const float *row, const float *point, size_t width) {
    for (size_t j = 0; j < width; j++)
        if (row[j] != point[j])
            return 0;
    return 1;
}

/* From the roots to leaves; `path` gets the nodes that each lane comes by. */
static inline void descend(const Node *nodes, Walk walks[LANES], uint32_t *path) {
    uint32_t going;
    do {
        going = 0;
#pragma GCC unroll 8
        for (int k = 0; k < LANES; k++) {
            Walk *walk = &walks[k];
            Node node = nodes[walk->node];
            /* all ones until the walk is at a leaf */
            uint32_t on = -(uint32_t)(walk->n_leaves > 1), right = -(uint32_t)(walk->row[node.dimension] > node.cut);
            path[k] = walk->node;
            walk->node += on & ((right & (node.left - 1)) + 1);
            walk->leaf += on & right & node.left;
            walk->n_leaves = on & right ? walk->n_leaves - node.left : on ? node.left : 1;
            walk->depth -= on;
            going |= on;
        }
        path += LANES;
    } while (going);
}

/* From a leaf back to the first box that holds the row. */
static inline double ascend(const Forest *forest, const Walk *walk, const uint32_t *path) {
    size_t width = forest->width;
    double depth = walk->depth, mass = walk->tree->mass;
    if (equal(walk->row, forest->points + walk->leaf * width, width)) {
        double count = forest->counts[walk->leaf];
        return (1.0 - count / (2.0 * mass)) / (depth + (count > 1.0 ? log2(count + 1.0) : 1.0));
    }
    double value = 1.0 / (depth + 1.0);
    for (uint32_t d = walk->depth; d-- > 0;) {
        size_t node = path[d * LANES];
        double out = growth(walk->row, forest->boxes + node * 2 * width, width);
        if (out == 0.0)
            break;
        if (isinf(out))
            out = exact_growth(walk->row, forest->boxes + node * 2 * width, width);
        double cut_off = out / (out + forest->spans[node]);
        value += cut_off * (1.0 / (d + 1.0) - value);
    }
    return value;
}

static inline Walk at_root(const float *row, const Tree *tree) {
    return (Walk){row, tree, tree->node, tree->leaf, tree->n_leaves, 0};
}

/* Each tree meets all rows, a multiple of the lanes. */
VERSIONS
static void score_rows(const Forest *forest, const float *rows, size_t n_rows, uint32_t *path, double *sums) {
    Walk walks[LANES];
    for (size_t t = 0; t < forest->n_trees; t++)
        for (size_t row = 0; row < n_rows; row += LANES) {
            for (size_t k = 0; k < LANES; k++)
                walks[k] = at_root(rows + (row + k) * forest->width, &forest->trees[t]);
            descend(forest->nodes, walks, path);
            for (size_t k = 0; k < LANES; k++)
                sums[row + k] += forest->trees[t].scale * ascend(forest, &walks[k], path + k);
        }
}

/* One row meets some trees at once, in the same order. */
VERSIONS
static void score_row(const Forest *forest, const float *row, uint32_t *path, double *sum) {
    Walk walks[LANES];
    for (size_t t = 0; t < forest->n_trees; t += LANES) {
        size_t n = forest->n_trees - t < LANES ? forest->n_trees - t : LANES;
        for (size_t k = 0; k < LANES; k++)
            walks[k] = at_root(row, &forest->trees[t + (k < n ? k : 0)]);
        descend(forest->nodes, walks, path);
        for (size_t k = 0; k < n; k++)
            *sum += walks[k].tree->scale * ascend(forest, &walks[k], path + k);
    }
}

int forest_score(const Forest *forest, const float *rows, size_t n_rows, float *scores) {
    uint32_t *path = malloc((forest->depth + 1) * LANES * sizeof *path);
    double sums[BLOCK];
    if (!path)
        return 0;
    for (size_t start = 0; start < n_rows; start += BLOCK) {
        size_t n = n_rows - start < BLOCK ? n_rows - start : BLOCK, many = n / LANES * LANES;
        const float *first = rows + start * forest->width;
        for (size_t i = 0; i < n; i++)
            sums[i] = 0.0;
        score_rows(forest, first, many, path, sums);
        for (size_t i = many; i < n; i++)
            score_row(forest, first + i * forest->width, path, &sums[i]);
        for (size_t i = 0; i < n; i++)
            scores[start + i] = (float)sums[i];
    }
    free(path);
    return 1;
}
