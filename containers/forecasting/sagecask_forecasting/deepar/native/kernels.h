/* The work on blocks, for vectors of LANES floats; a file of each width includes this with its own names. */
#include <stdlib.h>
#include <string.h>

#include "recurrent.h"

/* vectors of the compiler, at any address */
typedef float V __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef int32_t I __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(4), may_alias));
typedef uint32_t U __attribute__((vector_size(LANES * sizeof(uint32_t)), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define VECTORS 2
#define STEP (VECTORS * LANES)
/* as many sums as registers hold beside what is multiplied */
#if LANES == 16
#define UNITS 2
#define STRIP_PART 8
#else
#define UNITS 1
#define STRIP_PART 4
#endif

#define AT(pointer) (*(V *)(pointer))
#define READ(pointer) (*(const V *)(pointer))

static const float scales[GATES] = {-1.44269504f, -1.44269504f, -2.88539008f, -1.44269504f};

/* 1 / (1 + 2^x), to 1e-7 */
INLINE V squashed(V x) {
    const V least = (V){} - 126.0f, most = (V){} + 126.0f, magic = (V){} + 12582912.0f;
    I low = x < least, high = x > most;
    x = (V)((low & (I)least) | (high & (I)most) | (~(low | high) & (I)x));
    /* the sum's last bits are the closest whole number */
    V shifted = x + magic;
    V part = x - (shifted - magic);
    /* of least relative error, 8e-8, from -0.5 to 0.5 */
    V power = part * 1.327645150e-3f + 9.675540961e-3f;
    power = power * part + 5.550713465e-2f;
    power = power * part + 2.402212024e-1f;
    power = power * part + 6.931469440e-1f;
    power = power * part + 1.000000119f;
    power = (V)((I)power + ((I)shifted << 23));
    return 1.0f / (1.0f + power);
}

/* all bits of the lanes whose units keep their state; those of h and of c */
typedef struct {
    I hidden, cell;
} Kept;

INLINE Kept kept(const Zoneout *zoneout, uint32_t place) {
    U x;
    for (uint32_t i = 0; i < LANES; i++)
        x[i] = i;
    /* a hash of 32 bits without a visible bias (C. Wellons, Prospecting for Hash Functions, 2018: lowbias32) */
    x += place + zoneout->first;
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x ^= zoneout->second;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return (Kept){(I)((x & 0xffffu) < zoneout->threshold), (I)((x >> 16) < zoneout->threshold)};
}

INLINE V chosen(I mask, V one, V other) {
    return (V)((mask & (I)one) | (~mask & (I)other));
}

/* One step of a layer in one block. */
typedef struct {
    const float *weights, *base, *seen;
    /* inputs that are there, of those that weights are packed for */
    size_t there, all, cells;
    const float *cell_before;
    float *gates, *tanhs, *cell_after, *hidden;
    const Zoneout *zoneout;
    /* of the first unit, and from unit to unit */
    uint32_t place, rows;
} Moving;

INLINE void move_unit(const Moving *m, size_t u, size_t at, const V *sums) {
    float *gates = m->gates + u * GATES * ROWS + at;
    V in = squashed(sums[0]), forget = squashed(sums[1]);
    V new = 2.0f * squashed(sums[2]) - 1.0f, out = squashed(sums[3]);
    V cell_before = READ(m->cell_before + u * ROWS + at), hidden_before = READ(m->seen + u * ROWS + at);
    V cell = forget * cell_before + in * new;
    V tanh = 2.0f * squashed(cell * -2.88539008f) - 1.0f;
    V hidden = out * tanh;
    AT(gates) = in;
    AT(gates + ROWS) = forget;
    AT(gates + 2 * ROWS) = new;
    AT(gates + 3 * ROWS) = out;
    AT(m->tanhs + u * ROWS + at) = tanh;
    if (m->zoneout->threshold) {
        Kept mask = kept(m->zoneout, m->place + (uint32_t)u * m->rows + (uint32_t)at);
        hidden = chosen(mask.hidden, hidden_before, hidden);
        cell = chosen(mask.cell, cell_before, cell);
    } else {
        hidden += m->zoneout->keep * (hidden_before - hidden);
        cell += m->zoneout->keep * (cell_before - cell);
    }
    AT(m->cell_after + u * ROWS + at) = cell;
    AT(m->hidden + u * ROWS + at) = hidden;
}

static void move(const Moving *m) {
    for (size_t u = 0; u < m->cells; u += UNITS) {
        const float *weights = m->weights + u / PAIR * m->all * PAIR * GATES + u % PAIR * GATES;
        for (size_t at = 0; at < ROWS; at += STEP) {
            V sums[UNITS * GATES][VECTORS];
            for (int j = 0; j < UNITS * GATES; j++)
                for (int v = 0; v < VECTORS; v++)
                    sums[j][v] = READ(m->base + (u * GATES + j) * ROWS + at + v * LANES);
            const float *w = weights, *seen = m->seen + at;
            for (size_t k = 0; k < m->there; k++, w += PAIR * GATES, seen += ROWS) {
                V x[VECTORS];
                for (int v = 0; v < VECTORS; v++)
                    x[v] = READ(seen + v * LANES);
                for (int j = 0; j < UNITS * GATES; j++)
                    for (int v = 0; v < VECTORS; v++)
                        sums[j][v] += w[j] * x[v];
            }
            for (int i = 0; i < UNITS && u + i < m->cells; i++)
                for (int v = 0; v < VECTORS; v++) {
                    V of[GATES];
                    for (int g = 0; g < GATES; g++)
                        of[g] = sums[i * GATES + g][v];
                    move_unit(m, u + i, at + v * LANES, of);
                }
        }
    }
}

/* The head's outputs for a block, one run of ROWS each. */
static void look(const Network *n, const float *hidden, float *outputs) {
    for (size_t o = 0; o < n->sizes.outputs; o++)
        for (size_t at = 0; at < ROWS; at += STEP) {
            V sums[VECTORS];
            for (int v = 0; v < VECTORS; v++)
                sums[v] = (V){} + n->head_bias[o];
            for (size_t k = 0; k < n->sizes.cells; k++)
                for (int v = 0; v < VECTORS; v++)
                    sums[v] += n->head[o * n->sizes.cells + k] * READ(hidden + k * ROWS + at + v * LANES);
            for (int v = 0; v < VECTORS; v++)
                AT(outputs + o * ROWS + at + v * LANES) = sums[v];
        }
}

/* Rows of `width` numbers, `stride` from one to the next, as `width` runs of ROWS; rows that are not there are 0. */
static void turn(const float *from, size_t rows, size_t width, size_t stride, float *to) {
    for (size_t r = 0; r < ROWS; r++)
        for (size_t i = 0; i < width; i++)
            to[i * ROWS + r] = r < rows ? from[r * stride + i] : 0;
}

/* What is added to the gates of each unit, from rows of 4 H in the order of gates. */
static void turn_base(const float *from, size_t rows, size_t cells, float *to) {
    for (size_t g = 0; g < GATES; g++)
        for (size_t u = 0; u < cells; u++)
            for (size_t r = 0; r < ROWS; r++)
                to[(u * GATES + g) * ROWS + r] = r < rows ? from[(r * GATES + g) * cells + u] * scales[g] : 0;
}

static size_t rows_of(const Sizes *s, size_t block) {
    return s->rows - block * ROWS < ROWS ? s->rows - block * ROWS : ROWS;
}

static float *borrow(size_t count) {
    size_t bytes = (count * sizeof(float) + 63) / 64 * 64;
    float *found = aligned_alloc(64, bytes);
    if (found)
        memset(found, 0, bytes);
    return found;
}

#define PADDED(cells) (((cells) + PAIR - 1) / PAIR * PAIR * GATES * ROWS)

/* What one thread works with. */
typedef struct {
    Tape tape;
    float *history, *bases, *outputs, *own;
} Desk;

static void pass_block(const Network *n, const Passing *p, size_t block, const Desk *desk) {
    const Sizes *s = &n->sizes;
    const Tape tape = desk->tape;
    size_t H = s->cells, rows = rows_of(s, block), first = block * ROWS;
    /* with nothing to be kept a step is written over the one before the last */
    int keeping = p->tape != NULL;
    float *memory = keeping ? p->tape + block * tape.total : desk->own;
    turn(p->history + first * s->points, rows, s->points, s->points, desk->history);
    turn_base(p->base + first * GATES * H, rows, H, desk->bases);
    for (size_t l = 0; l < s->layers; l++) {
        memset(memory + tape.cell[l], 0, H * ROWS * sizeof(float));
        memset(memory + tape.seen[l], 0, H * ROWS * sizeof(float));
    }
    for (size_t t = 0; t < s->steps; t++) {
        size_t now = keeping ? t : t % 2, next = keeping ? t + 1 : (t + 1) % 2;
        float *inputs = memory + tape.seen[0] + (now * (H + layer_inputs(s, 0)) + H) * ROWS;
        for (size_t k = 0; k < s->lags; k++)
            memcpy(inputs + k * ROWS, desk->history + ((size_t)p->places[k] + t) * ROWS, ROWS * sizeof(float));
        turn(p->features + (first * s->steps + t) * s->features, rows, s->features, s->steps * s->features,
             inputs + s->lags * ROWS);
        const float *hidden = NULL;
        for (size_t l = 0; l < s->layers; l++) {
            size_t K = H + layer_inputs(s, l);
            float *seen = memory + tape.seen[l] + now * K * ROWS;
            if (l)
                memcpy(seen + H * ROWS, hidden, H * ROWS * sizeof(float));
            float *gates = memory + tape.kept[l] + (keeping ? t : 0) * KEPT * H * ROWS;
            Moving m = {.weights = n->layers[l].forward,
                        .base = desk->bases + l * PADDED(H),
                        .seen = seen,
                        .there = K,
                        .all = K,
                        .cells = H,
                        .cell_before = memory + tape.cell[l] + now * H * ROWS,
                        .gates = gates,
                        .tanhs = gates + GATES * H * ROWS,
                        .cell_after = memory + tape.cell[l] + next * H * ROWS,
                        .hidden = memory + tape.seen[l] + next * K * ROWS,
                        .zoneout = &p->zoneout,
                        .rows = (uint32_t)(blocks_of(s->rows) * ROWS)};
            m.place = (uint32_t)((l * s->steps + t) * H) * m.rows + (uint32_t)first;
            move(&m);
            hidden = m.hidden;
        }
        if (p->raw) {
            look(n, hidden, desk->outputs);
            for (size_t r = 0; r < rows; r++)
                for (size_t o = 0; o < s->outputs; o++)
                    p->raw[((first + r) * s->steps + t) * s->outputs + o] = desk->outputs[o * ROWS + r];
        }
    }
    size_t end = keeping ? s->steps : s->steps % 2;
    for (size_t l = 0; p->state && l < s->layers; l++)
        for (size_t r = 0; r < rows; r++)
            for (size_t u = 0; u < H; u++) {
                float *to = p->state + (((first + r) * s->layers + l) * 2 * H) + u;
                to[0] = memory[tape.seen[l] + (end * (H + layer_inputs(s, l)) + u) * ROWS + r];
                to[H] = memory[tape.cell[l] + (end * H + u) * ROWS + r];
            }
}

/* The biases of the layers above the first, for all rows alike. */
static void fill_bases(const Network *n, float *bases) {
    for (size_t l = 1; l < n->sizes.layers; l++)
        for (size_t j = 0; j < PADDED(n->sizes.cells) / ROWS; j++)
            for (size_t r = 0; r < ROWS; r++)
                bases[l * PADDED(n->sizes.cells) + j * ROWS + r] = n->layers[l].bias[j];
}

static int pass(const Network *n, const Passing *p, size_t first, size_t last) {
    const Sizes *s = &n->sizes;
    Sizes kept = *s;
    if (!p->tape)
        kept.steps = 1;
    Tape tape = tape_of(&kept);
    size_t own = p->tape ? 0 : tape.total;
    size_t history = s->points * ROWS, bases = s->layers * PADDED(s->cells), outputs = MOST_OUTPUTS * ROWS;
    float *memory = borrow(history + bases + outputs + own);
    if (!memory)
        return -1;
    Desk desk = {.tape = tape, .history = memory, .bases = memory + history, .outputs = memory + history + bases,
                 .own = memory + history + bases + outputs};
    fill_bases(n, desk.bases);
    for (size_t block = first; block < last; block++)
        pass_block(n, p, block, &desk);
    free(memory);
    return 0;
}

INLINE float total(V sums) {
    float halves[LANES];
    memcpy(halves, &sums, sizeof halves);
    for (int width = LANES / 2; width; width /= 2)
        for (int i = 0; i < width; i++)
            halves[i] += halves[i + width];
    return halves[0];
}

/* to[j][k] += sum over steps and rows of left[j] right[k], for GATES runs of left and n runs of right. */
static void outer(const float *left, size_t left_stride, const float *right, size_t right_stride, size_t steps,
                  size_t n, float *to) {
    for (size_t k = 0; k < n; k += STRETCH) {
        V sums[GATES][STRETCH];
        for (int j = 0; j < GATES; j++)
            for (int i = 0; i < STRETCH; i++)
                sums[j][i] = (V){};
        const float *a = left, *b = right + k * ROWS;
        for (size_t t = 0; t < steps; t++, a += left_stride, b += right_stride)
            for (size_t at = 0; at < ROWS; at += LANES) {
                V x[GATES];
                for (int j = 0; j < GATES; j++)
                    x[j] = READ(a + j * ROWS + at);
                for (int i = 0; i < STRETCH; i++) {
                    V y = READ(b + i * ROWS + at);
                    for (int j = 0; j < GATES; j++)
                        sums[j][i] += x[j] * y;
                }
            }
        for (int j = 0; j < GATES; j++)
            for (int i = 0; i < STRETCH && k + i < n; i++)
                to[j * n + k + i] += total(sums[j][i]);
    }
}

/* to[k] = sum over j of left[j] times the weight of input k in gate j, for the first n inputs, a strip at a time. */
static void strips(const float *weights, const float *left, size_t gates, size_t n, float *to) {
    for (size_t k = 0; k < n; k += STRIP_PART) {
        const float *strip = weights + k / STRIP * gates * STRIP + k % STRIP;
        for (size_t at = 0; at < ROWS; at += STEP) {
            V sums[STRIP_PART][VECTORS];
            for (int i = 0; i < STRIP_PART; i++)
                for (int v = 0; v < VECTORS; v++)
                    sums[i][v] = (V){};
            const float *w = strip, *a = left + at;
            for (size_t j = 0; j < gates; j++, w += STRIP, a += ROWS) {
                V x[VECTORS];
                for (int v = 0; v < VECTORS; v++)
                    x[v] = READ(a + v * LANES);
                for (int i = 0; i < STRIP_PART; i++)
                    for (int v = 0; v < VECTORS; v++)
                        sums[i][v] += w[i] * x[v];
            }
            for (int i = 0; i < STRIP_PART; i++)
                for (int v = 0; v < VECTORS; v++)
                    AT(to + (k + i) * ROWS + at + v * LANES) = sums[i][v];
        }
    }
}

/* One step of a layer on the way back. */
typedef struct {
    size_t cells;
    /* gates become the gradient before their sigmoid or tanh */
    float *gates;
    const float *tanhs, *cell_before;
    /* gradients: of the state shown at this step, of the cell; of what the state was before, as far as units kept it */
    const float *shown;
    float *cell, *passed, *sums;
    const Zoneout *zoneout;
    uint32_t place, rows;
} Leaving;

static void leave(const Leaving *m) {
    for (size_t u = 0; u < m->cells; u++)
        for (size_t at = 0; at < ROWS; at += LANES) {
            float *gates = m->gates + u * GATES * ROWS + at;
            V in = AT(gates), forget = AT(gates + ROWS), new = AT(gates + 2 * ROWS), out = AT(gates + 3 * ROWS);
            V tanh = READ(m->tanhs + u * ROWS + at), shown = READ(m->shown + u * ROWS + at);
            V cell = READ(m->cell + u * ROWS + at), cell_before = READ(m->cell_before + u * ROWS + at);
            V passed, stayed;
            if (m->zoneout->threshold) {
                const I none = {0};
                Kept mask = kept(m->zoneout, m->place + (uint32_t)u * m->rows + (uint32_t)at);
                passed = chosen(mask.hidden, shown, (V)none);
                stayed = chosen(mask.cell, cell, (V)none);
            } else {
                passed = m->zoneout->keep * shown;
                stayed = m->zoneout->keep * cell;
            }
            V hidden = shown - passed;
            V of_cell = cell - stayed + hidden * out * (1.0f - tanh * tanh);
            V of_in = of_cell * new * in * (1.0f - in), of_forget = of_cell * cell_before * forget * (1.0f - forget);
            V of_new = of_cell * in * (1.0f - new * new), of_out = hidden * tanh * out * (1.0f - out);
            AT(m->passed + u * ROWS + at) = passed;
            AT(m->cell + u * ROWS + at) = stayed + of_cell * forget;
            AT(gates) = of_in;
            AT(gates + ROWS) = of_forget;
            AT(gates + 2 * ROWS) = of_new;
            AT(gates + 3 * ROWS) = of_out;
            float *sums = m->sums + u * GATES * ROWS + at;
            AT(sums) += of_in;
            AT(sums + ROWS) += of_forget;
            AT(sums + 2 * ROWS) += of_new;
            AT(sums + 3 * ROWS) += of_out;
        }
}

/* What one thread works with on the way back: gradients of outputs of all steps, then of each layer those of state and
 * cell that come from later, sums over steps of gates' gradients; of one step those of inputs, and of the state. */
typedef struct {
    float *outputs, *hidden, *cell, *sums, *inputs, *shown, *passed;
} Back;

static void gather(const Network *n, const Returning *p, size_t block, size_t first, size_t last) {
    const Sizes *s = &n->sizes;
    Tape tape = tape_of(s);
    Share share = share_of(s);
    float *memory = p->tape + block * tape.total;
    for (size_t l = 0; l < s->layers; l++) {
        size_t H = s->cells, K = H + layer_inputs(s, l);
        for (size_t u = 0; u < H; u++)
            outer(memory + tape.kept[l] + (first * KEPT * H + u * GATES) * ROWS, KEPT * H * ROWS,
                  memory + tape.seen[l] + first * K * ROWS, K * ROWS, last - first, K,
                  p->share + share.weights[l] + u * GATES * K);
    }
}

static void go_back_block(const Network *n, const Returning *p, size_t block, const Back *b) {
    const Sizes *s = &n->sizes;
    Tape tape = tape_of(s);
    Share share = share_of(s);
    size_t H = s->cells, rows = rows_of(s, block), first = block * ROWS, top = s->layers - 1;
    float *memory = p->tape + block * tape.total;
    for (size_t t = 0; t < s->steps; t++)
        turn(p->raw_gradient + (first * s->steps + t) * s->outputs, rows, s->outputs, s->steps * s->outputs,
             b->outputs + t * MOST_OUTPUTS * ROWS);
    memset(b->hidden, 0, s->layers * H * ROWS * sizeof(float));
    memset(b->cell, 0, s->layers * H * ROWS * sizeof(float));
    memset(b->sums, 0, s->layers * GATES * H * ROWS * sizeof(float));
    size_t chunk_end = s->steps;
    for (size_t t = s->steps; t-- > 0;) {
        for (size_t l = s->layers; l-- > 0;) {
            size_t V_ = layer_inputs(s, l);
            for (size_t u = 0; u < H; u++)
                for (size_t at = 0; at < ROWS; at += LANES) {
                    V shown = READ(b->hidden + (l * H + u) * ROWS + at);
                    if (l == top)
                        for (size_t o = 0; o < s->outputs; o++)
                            shown += n->head[o * H + u] * READ(b->outputs + (t * MOST_OUTPUTS + o) * ROWS + at);
                    else
                        shown += READ(b->inputs + (H + u) * ROWS + at);
                    AT(b->shown + u * ROWS + at) = shown;
                }
            float *gates = memory + tape.kept[l] + t * KEPT * H * ROWS;
            Leaving m = {.cells = H,
                         .gates = gates,
                         .tanhs = gates + GATES * H * ROWS,
                         .cell_before = memory + tape.cell[l] + t * H * ROWS,
                         .shown = b->shown,
                         .cell = b->cell + l * H * ROWS,
                         .passed = b->passed,
                         .sums = b->sums + l * GATES * H * ROWS,
                         .zoneout = &p->zoneout,
                         .rows = (uint32_t)(blocks_of(s->rows) * ROWS)};
            m.place = (uint32_t)((l * s->steps + t) * H) * m.rows + (uint32_t)first;
            leave(&m);
            strips(n->layers[l].backward, gates, GATES * H, l ? H + V_ : H, b->inputs);
            for (size_t i = 0; i < H * ROWS; i += LANES)
                AT(b->hidden + l * H * ROWS + i) = READ(b->inputs + i) + READ(b->passed + i);
        }
        if (t % CHUNK == 0) {
            gather(n, p, block, t, chunk_end);
            chunk_end = t;
        }
    }
    size_t seen = H + layer_inputs(s, top);
    outer(b->outputs, MOST_OUTPUTS * ROWS, memory + tape.seen[top] + seen * ROWS, seen * ROWS, s->steps, H,
          p->share + share.head);
    for (size_t i = 0; i < s->steps * MOST_OUTPUTS * ROWS; i++)
        p->share[share.head_bias + i / ROWS % MOST_OUTPUTS] += b->outputs[i];
    for (size_t l = 0; l < s->layers; l++)
        for (size_t j = 0; j < GATES * H; j++) {
            float sum = 0;
            for (size_t r = 0; r < rows; r++) {
                float of = b->sums[(l * GATES * H + j) * ROWS + r];
                sum += of;
                if (!l)
                    p->base_gradient[((first + r) * GATES + j % GATES) * H + j / GATES] = of;
            }
            p->share[share.biases[l] + j] += sum;
        }
}

static int go_back(const Network *n, const Returning *p, size_t first, size_t last) {
    const Sizes *s = &n->sizes;
    size_t H = s->cells, widest = 2 * H + STRIP;
    size_t outputs = s->steps * MOST_OUTPUTS * ROWS, state = s->layers * H * ROWS;
    float *memory = borrow(outputs + 2 * state + GATES * state + widest * ROWS + 2 * H * ROWS);
    if (!memory)
        return -1;
    Back b = {.outputs = memory};
    b.hidden = b.outputs + outputs;
    b.cell = b.hidden + state;
    b.sums = b.cell + state;
    b.inputs = b.sums + GATES * state;
    b.shown = b.inputs + widest * ROWS;
    b.passed = b.shown + H * ROWS;
    for (size_t block = first; block < last; block++)
        go_back_block(n, p, block, &b);
    free(memory);
    return 0;
}

/* The gates' share of the series that the rows of a block belong to. */
static void spread_base(const Network *n, const Sampling *p, size_t block, float *base) {
    size_t H = n->sizes.cells, first = block * ROWS, last = first + rows_of(&n->sizes, block);
    I lane;
    for (int i = 0; i < LANES; i++)
        lane[i] = i;
    for (size_t row = first; row < last;) {
        size_t series = row / p->per_series;
        const float *common = p->common + series * GATES * H;
        size_t begin = row - first, end = (series + 1) * p->per_series - first;
        for (size_t at = begin / LANES * LANES; at < ROWS && at < end; at += LANES) {
            /* lanes before the run keep what the series before has put there */
            I mask = lane + (int32_t)at >= (I){} + (int32_t)begin;
            for (size_t u = 0; u < H; u++)
                for (size_t g = 0; g < GATES; g++) {
                    float *to = base + (u * GATES + g) * ROWS + at;
                    AT(to) = chosen(mask, (V){} + common[g * H + u] * scales[g], READ(to));
                }
        }
        row = first + end;
    }
}

static void sample_block(const Network *n, const Sampling *p, size_t block, float *memory, float *bases) {
    const Sizes *s = &n->sizes;
    size_t H = s->cells, width = H * ROWS;
    float *seen = memory, *hidden = seen + (H + (s->lags > H ? s->lags : H)) * ROWS, *gates = hidden + width;
    float *state = p->state + block * s->layers * 2 * width;
    spread_base(n, p, block, bases);
    for (size_t l = 0; l < s->layers; l++, state += 2 * width) {
        memcpy(seen, state, width * sizeof(float));
        size_t there = H;
        if (l) {
            memcpy(seen + width, hidden, width * sizeof(float));
            there += H;
        } else
            for (size_t k = 0; k < s->lags && (size_t)p->lags[k] <= p->step; k++, there++)
                memcpy(seen + there * ROWS, p->drawn + (p->step - (size_t)p->lags[k]) * p->stride + block * ROWS,
                       ROWS * sizeof(float));
        Moving m = {.weights = n->layers[l].forward,
                    .base = bases + l * PADDED(H),
                    .seen = seen,
                    .there = there,
                    .all = H + layer_inputs(s, l),
                    .cells = H,
                    .cell_before = state + width,
                    .gates = gates,
                    .tanhs = gates + GATES * width,
                    .cell_after = state + width,
                    .hidden = hidden,
                    .zoneout = &p->zoneout};
        move(&m);
        memcpy(state, hidden, width * sizeof(float));
    }
    float outputs[MOST_OUTPUTS * ROWS];
    look(n, hidden, outputs);
    for (size_t o = 0; o < s->outputs; o++)
        memcpy(p->raw + o * p->stride + block * ROWS, outputs + o * ROWS, ROWS * sizeof(float));
}

static int sample(const Network *n, const Sampling *p, size_t first, size_t last) {
    const Sizes *s = &n->sizes;
    size_t widest = s->lags > s->cells ? s->lags : s->cells;
    size_t bases = s->layers * PADDED(s->cells);
    float *memory = borrow(bases + (s->cells * (2 + KEPT) + widest) * ROWS);
    if (!memory)
        return -1;
    fill_bases(n, memory);
    for (size_t block = first; block < last; block++)
        sample_block(n, p, block, memory + bases, memory);
    free(memory);
    return 0;
}

static void squash(const float *from, size_t n, float *sigmoid, float *tanh) {
    for (size_t i = 0; i < n; i++) {
        V x = (V){} + from[i];
        V one = squashed(x * scales[0]), two = 2.0f * squashed(x * scales[2]) - 1.0f;
        sigmoid[i] = one[0];
        tanh[i] = two[0];
    }
}

const Kernels NAME = {pass, go_back, sample, squash};
