/* Steps of sample paths. */
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
                    .zoneout = &p->zoneout,
                    .used = rows_of(s, block)};
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
