/* The way back: gradients of steps, and of weights over many steps at once. */
/* to[j][k] += sum over steps and rows of left[j] right[k], for GATES runs of left and n runs of right. */
static void outer(const float *left, size_t left_stride, const float *right, size_t right_stride, size_t steps,
                  size_t n, float *to) {
    for (size_t k = 0; k < n; k += STRETCH) {
        Lanes sums[GATES][STRETCH];
        for (int j = 0; j < GATES; j++)
            for (int i = 0; i < STRETCH; i++)
                sums[j][i] = (V){};
        const float *a = left, *b = right + k * ROWS;
        for (size_t t = 0; t < steps; t++, a += left_stride, b += right_stride)
            for (size_t at = 0; at < ROWS; at += LANES) {
                Lanes x[GATES];
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
            Lanes sums[STRIP_PART][VECTORS];
            for (int i = 0; i < STRIP_PART; i++)
                for (int v = 0; v < VECTORS; v++)
                    sums[i][v] = (V){};
            const float *w = strip, *a = left + at;
            for (size_t j = 0; j < gates; j++, w += STRIP, a += ROWS) {
                Lanes x[VECTORS];
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
