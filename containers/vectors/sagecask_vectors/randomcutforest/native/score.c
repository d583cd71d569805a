/* Scores of rows: how soon a row would be cut off from the points of each tree, were it put in.
 *
 * Put into a tree, a row x outside of a node's box is cut off right there with probability p = e / (e + s), where s is
 * the sum of the box's sides and e what they must grow by to hold x (Guha et al., section 3). The expected reciprocal
 * depth of its leaf follows from the leaf that the cuts lead to upwards:
 *
 *     f(leaf) = 1 / (d + 1), or (1 - c / 2n) / (d + log2(c + 1)) at a point equal to x that c of n rows share
 *     f(node) = p / (d + 1) + (1 - p) f(child)
 *
 * with the depth d of leaf or node. From the first box that holds x upwards p is 0. The score is the mean over trees of
 * f(root) log2(n + 1). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forest.h"

/* rows or trees that are walked at once, since a single walk would wait for memory at each step */
#define WALKS 8
/* rows that meet a tree while it is in the nearest cache, where they are not too wide */
#define BLOCK 256
#define BLOCK_BYTES 65536

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
/* lanes add up in an order of their own, so that both versions have the same sums */
#define VERSIONS __attribute__((target_clones("avx2", "default")))
#else
#define VERSIONS
#endif
#define INLINE static inline __attribute__((always_inline))

typedef float Floats __attribute__((vector_size(4 * LANE)));
typedef int32_t Mask __attribute__((vector_size(4 * LANE)));

INLINE Floats load(const float *from) {
    Floats floats;
    memcpy(&floats, from, sizeof floats);
    return floats;
}

INLINE Floats positive(Floats x) {
    return (Floats)((Mask)x & (x > 0.0f));
}

INLINE Floats beyond(const float *row, const float *lowest, const float *highest) {
    Floats x = load(row);
    return positive(load(lowest) - x) + positive(x - load(highest));
}

/* By how much a box must grow to hold a row; infinite where float32 cannot hold that. */
INLINE float growth(const float *row, const float *sides, size_t stride) {
    const float *lowest = sides, *highest = sides + stride;
    size_t j = LANE;
    Floats sum = beyond(row, lowest, highest);
    if (stride >= 4 * LANE) {
        Floats second = {0}, third = {0}, fourth = {0};
        for (; j + 4 * LANE <= stride; j += 4 * LANE) {
            sum += beyond(row + j, lowest + j, highest + j);
            second += beyond(row + j + LANE, lowest + j + LANE, highest + j + LANE);
            third += beyond(row + j + 2 * LANE, lowest + j + 2 * LANE, highest + j + 2 * LANE);
            fourth += beyond(row + j + 3 * LANE, lowest + j + 3 * LANE, highest + j + 3 * LANE);
        }
        sum += second + (third + fourth);
    }
    for (; j < stride; j += LANE)
        sum += beyond(row + j, lowest + j, highest + j);
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

static double exact_growth(const float *row, const float *sides, size_t stride) {
    double sum = 0.0;
    for (size_t j = 0; j < stride; j++) {
        double below = (double)sides[j] - row[j], above = (double)row[j] - sides[stride + j];
        sum += below > 0.0 ? below : above > 0.0 ? above : 0.0;
    }
    return sum;
}

INLINE int equal(const float *row, const float *point, size_t width) {
    for (size_t j = 0; j < width; j++)
        if (row[j] != point[j])
            return 0;
    return 1;
}

/* Down to leaves. */
INLINE void descend(const Step *steps, const float *const rows[WALKS], uint32_t at[WALKS]) {
    uint32_t moved;
    do {
        moved = 0;
#pragma GCC unroll 8
        for (int k = 0; k < WALKS; k++) {
            const Step *step = &steps[at[k]];
            uint32_t next = step->child + (rows[k][step->dimension] > step->cut);
            moved |= next ^ at[k];
            at[k] = next;
        }
    } while (moved);
}

/* From a leaf up to the first box that holds the row. */
INLINE double ascend(const Forest *forest, const Tree *tree, const float *row, uint32_t at, size_t stride) {
    End end = forest->ends[at];
    if (equal(row, forest->points + end.leaf * forest->width, forest->width)) {
        double count = forest->counts[end.leaf], shared = count > 1.0 ? log2(count + 1.0) : 1.0;
        return (1.0 - count / (2.0 * tree->mass)) / (end.depth + shared);
    }
    double value = 1.0 / (end.depth + 1.0);
    for (uint32_t node = end.parent; node != NONE;) {
        const Box *box = forest_box(forest, node);
        double out = growth(row, box->sides, stride);
        if (out == 0.0)
            break;
        if (isinf(out))
            out = exact_growth(row, box->sides, stride);
        value += out / (out + box->span) * (box->inverse - value);
        node = box->parent;
    }
    return value;
}

/* Each tree meets all rows, a multiple of the walks. */
INLINE void meet(const Forest *forest, const float *rows, size_t n_rows, double *sums, size_t stride) {
    const float *walkers[WALKS];
    uint32_t at[WALKS];
    for (const Tree *tree = forest->trees; tree < forest->trees + forest->n_trees; tree++)
        for (size_t row = 0; row < n_rows; row += WALKS) {
            for (size_t k = 0; k < WALKS; k++) {
                walkers[k] = rows + (row + k) * stride;
                at[k] = tree->root;
            }
            descend(forest->steps, walkers, at);
            for (size_t k = 0; k < WALKS; k++)
                sums[row + k] += tree->scale * ascend(forest, tree, walkers[k], at[k], stride);
        }
}

VERSIONS
static void score_rows(const Forest *forest, const float *rows, size_t n_rows, double *sums) {
    if (forest->stride == LANE)
        meet(forest, rows, n_rows, sums, LANE);
    else
        meet(forest, rows, n_rows, sums, forest->stride);
}

/* One row meets some trees at once; they add to its sum in their order, as above. */
VERSIONS
static void score_row(const Forest *forest, const float *row, double *sum) {
    const float *walkers[WALKS];
    uint32_t at[WALKS];
    for (size_t k = 0; k < WALKS; k++)
        walkers[k] = row;
    for (size_t t = 0; t < forest->n_trees; t += WALKS) {
        size_t n = forest->n_trees - t < WALKS ? forest->n_trees - t : WALKS;
        for (size_t k = 0; k < WALKS; k++)
            at[k] = forest->trees[t + (k < n ? k : 0)].root;
        descend(forest->steps, walkers, at);
        for (size_t k = 0; k < n; k++) {
            const Tree *tree = &forest->trees[t + k];
            *sum += tree->scale * ascend(forest, tree, row, at[k], forest->stride);
        }
    }
}

/* Some rows, copied to where zeros follow the last feature. */
static void score_block(const Forest *forest, float *block, const float *rows, size_t n_rows, float *scores) {
    double sums[BLOCK] = {0};
    size_t many = n_rows / WALKS * WALKS;
    for (size_t i = 0; i < n_rows; i++)
        memcpy(block + i * forest->stride, rows + i * forest->width, forest->width * sizeof *rows);
    score_rows(forest, block, many, sums);
    for (size_t i = many; i < n_rows; i++)
        score_row(forest, block + i * forest->stride, &sums[i]);
    for (size_t i = 0; i < n_rows; i++)
        scores[i] = (float)sums[i];
}

int forest_score(const Forest *forest, const float *rows, size_t n_rows, float *scores) {
    size_t room = BLOCK_BYTES / (forest->stride * sizeof *rows) / WALKS * WALKS;
    size_t size = room > BLOCK ? BLOCK : room < WALKS ? WALKS : room;
    float *block = calloc(size * forest->stride, sizeof *block);
    for (size_t start = 0; block && start < n_rows; start += size) {
        size_t n = n_rows - start < size ? n_rows - start : size;
        score_block(forest, block, rows + start * forest->width, n, scores + start);
    }
    free(block);
    return block != NULL;
}
