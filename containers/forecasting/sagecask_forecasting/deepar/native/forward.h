/* The way there: steps of layers, and passes over all steps of blocks. */
/* One step of a layer in one block. */
typedef struct {
    const float *weights, *base, *seen;
    /* inputs that are there, of those that weights are packed for */
    size_t there, all, cells;
    const float *cell_before;
    float *gates, *tanhs, *cell_after, *hidden;
    const Zoneout *zoneout;
    /* rows that are wanted; others may stay as they are */
    size_t used;
    /* of the first unit, and from unit to unit */
    uint32_t place, rows;
} Moving;

INLINE void move_unit(const Moving *m, size_t u, size_t at, const Lanes *sums) {
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

/* Some units for so many vectors of rows. */
INLINE void move_units(const Moving *m, size_t u, size_t at, int vectors) {
    Lanes sums[UNITS * GATES][VECTORS];
    for (int j = 0; j < UNITS * GATES; j++)
        for (int v = 0; v < vectors; v++)
            sums[j][v] = READ(m->base + (u * GATES + j) * ROWS + at + v * LANES);
    const float *w = m->weights + u / PAIR * m->all * PAIR * GATES + u % PAIR * GATES, *seen = m->seen + at;
    for (size_t k = 0; k < m->there; k++, w += PAIR * GATES, seen += ROWS) {
        Lanes x[VECTORS];
        for (int v = 0; v < vectors; v++)
            x[v] = READ(seen + v * LANES);
        for (int j = 0; j < UNITS * GATES; j++)
            for (int v = 0; v < vectors; v++)
                sums[j][v] += w[j] * x[v];
    }
    for (int i = 0; i < UNITS && u + i < m->cells; i++)
        for (int v = 0; v < vectors; v++) {
            Lanes of[GATES];
            for (int g = 0; g < GATES; g++)
                of[g] = sums[i * GATES + g][v];
            move_unit(m, u + i, at + v * LANES, of);
        }
}

static void move(const Moving *m) {
    for (size_t u = 0; u < m->cells; u += UNITS)
        for (size_t at = 0; at < m->used; at += STEP)
            if (at + LANES < m->used)
                move_units(m, u, at, VECTORS);
            else
                move_units(m, u, at, 1);
}

/* The head's outputs for a block, one run of ROWS each. */
static void look(const Network *n, const float *hidden, float *outputs) {
    for (size_t o = 0; o < n->sizes.outputs; o++)
        for (size_t at = 0; at < ROWS; at += STEP) {
            Lanes sums[VECTORS];
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
                        .used = keeping ? ROWS : rows,
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
