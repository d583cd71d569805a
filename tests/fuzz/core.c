/* Coverage-guided fuzzing of the compiled parts, one entry point a binary (libFuzzer; -DENTRY=csv and so on).
 *
 * Input and output arrays are allocated to the byte, so that the address sanitizer sees the first one beyond. The first
 * bytes of an input choose widths and capacities, the rest is the text or records. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../containers/boosting/sagecask_boosting/native/forest.h"
#include "number.h"
#include "record.h"

/* What must hold; prints its text and ends in a find. */
#define MUST(condition)                                                                                              \
    do {                                                                                                             \
        if (!(condition)) {                                                                                          \
            fprintf(stderr, "line %d: must hold: %s\n", __LINE__, #condition);                                       \
            abort();                                                                                                 \
        }                                                                                                            \
    } while (0)

typedef struct {
    const uint8_t *bytes;
    size_t size;
} Input;

static uint8_t take(Input *input) {
    if (!input->size)
        return 0;
    input->size--;
    return *input->bytes++;
}

/* Never NULL, and never longer than asked for. */
static void *array(size_t count, size_t item) {
    void *made = malloc(count * item ? count * item : 1);
    MUST(made);
    return made;
}

static uint8_t *copy_of(Input input, size_t padding, uint8_t pad) {
    uint8_t *copy = array(input.size + padding, 1);
    if (input.size)
        memcpy(copy, input.bytes, input.size);
    memset(copy + input.size, pad, padding);
    return copy;
}

static uint32_t bits(float x) {
    uint32_t y;
    memcpy(&y, &x, 4);
    return x != x ? 0x7fc00000u : y;
}

static int same(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (bits(a[i]) != bits(b[i]))
            return 0;
    return 1;
}

/* Both ways to read a number agree with each other and with the C library. */
void number(Input input) {
    uint8_t *tight = copy_of(input, 0, 0), *roomy = copy_of(input, 64, ' ');
    char *text = (char *)copy_of(input, 1, 0);
    float a = 0, b = 0, c = 0;
    const uint8_t *p = number_any(tight, tight + input.size, &a);
    const uint8_t *q = number_at(tight, tight + input.size, &b);
    const uint8_t *r = number_at(roomy, roomy + input.size + 64, &c);
    MUST((p ? p - tight : -1) == (q ? q - tight : -1));
    MUST((p ? p - tight : -1) == (r ? r - roomy : -1));
    if (p) {
        MUST(same(&a, &b, 1) && same(&a, &c, 1));
        text[p - tight] = 0;
        char *end;
        float d = strtof(text, &end);
        MUST(end == text + (p - tight) && same(&a, &d, 1));
    }
    free(tight);
    free(roomy);
    free(text);
}

static TextEnd read_csv(const uint8_t *text, size_t size, uint8_t delimiter, CsvRows *out) {
    out->lead = array(out->capacity * out->n_lead, 4);
    out->features = array(out->capacity * out->n_features, 4);
    return csv_rows(text, size, delimiter, out);
}

void csv(Input input) {
    static const char usual[] = ",;\t| ";
    uint8_t choice = take(&input), delimiter = choice < 200 ? (uint8_t)usual[choice % 5] : choice & 127;
    CsvRows out = {.n_lead = take(&input) % 4, .capacity = take(&input)}, again;
    out.n_features = take(&input) % 8 + !out.n_lead;
    again = out;
    uint8_t *tight = copy_of(input, 0, 0), *roomy = copy_of(input, 64, '\n');
    TextEnd end = read_csv(tight, input.size, delimiter, &out);
    MUST(end.rows <= out.capacity && end.offset <= input.size && end.why >= STOP_END && end.why <= STOP_LONG);
    MUST(end.why != STOP_END || end.offset == input.size);
    /* empty lines behind the text change nothing, though the short way through numbers is taken then */
    if (delimiter != '\n' && delimiter != '\r' && !(input.size && tight[input.size - 1] == '\r')) {
        TextEnd other = read_csv(roomy, input.size + 64, delimiter, &again);
        MUST(other.rows == end.rows && other.why == end.why);
        MUST(end.why == STOP_END || (other.offset == end.offset && other.column == end.column));
        MUST(same(out.lead, again.lead, end.rows * out.n_lead));
        MUST(same(out.features, again.features, end.rows * out.n_features));
        free(again.lead);
        free(again.features);
    }
    free(out.lead);
    free(out.features);
    free(tight);
    free(roomy);
}

static TextEnd read_libsvm(const uint8_t *text, size_t size, SvmRows *out) {
    out->labels = array(out->labelled ? out->capacity : 0, 4);
    out->weights = array(out->labelled ? out->capacity : 0, 4);
    out->data = array(out->room, 4);
    out->indices = array(out->room, 4);
    out->indptr = array(out->capacity + 1, 8);
    return libsvm_rows(text, size, out);
}

static void free_libsvm(SvmRows *out) {
    free(out->labels);
    free(out->weights);
    free(out->data);
    free(out->indices);
    free(out->indptr);
}

void libsvm(Input input) {
    uint8_t choice = take(&input);
    SvmRows out = {.labelled = choice & 1}, again;
    uint8_t *tight = copy_of(input, 0, 0), *roomy = copy_of(input, 64, '\n');
    out.capacity = choice & 2 ? take(&input) % 4 : count_byte(tight, input.size, '\n') + 1;
    out.room = choice & 4 ? choice >> 3 : count_byte(tight, input.size, ':');
    again = out;
    free(tight);
    free(roomy);
    tight = copy_of(input, 0, 0), roomy = copy_of(input, 64, '\n');
    TextEnd end = read_libsvm(tight, input.size, &out);
    MUST(end.rows <= out.capacity && end.offset <= input.size && end.why >= STOP_END && end.why <= STOP_LONG);
    MUST(out.indptr[0] == 0 && (size_t)out.indptr[end.rows] <= out.room && out.weighted <= end.rows + 1);
    for (size_t row = 0, entry = 0; row < end.rows; row++) {
        MUST(out.indptr[row] <= out.indptr[row + 1]);
        for (int64_t last = -1; entry < (size_t)out.indptr[row + 1]; entry++) {
            MUST(out.indices[entry] >= 0 && out.indices[entry] <= out.highest);
            MUST(!out.ascending || out.indices[entry] > last);
            last = out.indices[entry];
        }
    }
    if (!(input.size && tight[input.size - 1] == '\r')) {
        TextEnd other = read_libsvm(roomy, input.size + 64, &again);
        MUST(other.rows == end.rows && other.why == end.why && again.highest == out.highest);
        MUST(same(out.data, again.data, (size_t)out.indptr[end.rows]));
        MUST(!out.labelled || same(out.labels, again.labels, end.rows));
        free_libsvm(&again);
    }
    free_libsvm(&out);
    free(tight);
    free(roomy);
}

static void dense(const uint8_t *buffer, size_t size, size_t capacity, const Record *first) {
    DenseRows out = {.n_features = first->features.values, .n_labels = first->label.values, .capacity = capacity};
    if (out.n_features * capacity > 1 << 20 || out.n_labels * capacity > 1 << 20)
        return;
    out.features = array(capacity * out.n_features, 4);
    out.labels = array(capacity * out.n_labels, 4);
    RecordEnd end = dense_rows(buffer, size, &out);
    MUST(end.rows <= capacity && end.offset <= size);
    free(out.features);
    free(out.labels);
}

static void sparse(const uint8_t *buffer, size_t size, size_t capacity, const Record *first) {
    SparseRows out = {.width = (int64_t)first->features.shape, .n_labels = first->label.values, .capacity = capacity};
    if (first->features.shape == 0 || first->features.shape > INT32_MAX || out.n_labels * capacity > 1 << 20)
        return;
    RecordEnd counted = sparse_count(buffer, size, out.width, out.n_labels, &out.room);
    MUST(counted.offset <= size);
    out.labels = array(capacity * out.n_labels, 4);
    out.data = array(out.room, 4);
    out.indices = array(out.room, 4);
    out.indptr = array(capacity + 1, 8);
    RecordEnd end = sparse_rows(buffer, size, &out);
    MUST(end.rows <= capacity && end.rows <= counted.rows && end.offset <= counted.offset);
    MUST(out.indptr[0] == 0 && (size_t)out.indptr[end.rows] <= out.room);
    for (size_t row = 0, entry = 0; row < end.rows; row++)
        for (int64_t last = -1; entry < (size_t)out.indptr[row + 1]; entry++) {
            MUST(out.indices[entry] >= 0 && out.indices[entry] < out.width);
            MUST(!out.ascending || out.indices[entry] > last);
            last = out.indices[entry];
        }
    free(out.labels);
    free(out.data);
    free(out.indices);
    free(out.indptr);
}

void records(Input input) {
    int why;
    uint8_t *buffer = copy_of(input, 0, 0);
    RecordEnd whole = frames(buffer, input.size, SIZE_MAX, SIZE_MAX, &why);
    MUST(whole.offset <= input.size && whole.rows <= input.size / FRAME_BYTES && why != FRAMES_ENOUGH);
    RecordEnd some = frames(buffer, input.size, 2, 20, &why);
    MUST(some.rows <= 2 && some.offset <= whole.offset);
    Record first;
    if (record_at(buffer, input.size, 0, &first)) {
        MUST(whole.rows > 0 && first.next <= input.size);
        dense(buffer, input.size, whole.rows, &first);
        dense(buffer, input.size, 1, &first);
        sparse(buffer, input.size, whole.rows, &first);
        sparse(buffer, input.size, 1, &first);
    }
    free(buffer);
}

void forest(Input input) {
    uint8_t n_trees = take(&input) % 12, groups = take(&input) % 4 + 1, features = take(&input) % 5, n_rows = take(&input) % 80;
    uint8_t link = take(&input) % N_LINKS;
    Forest made = {.n_trees = n_trees, .n_features = features, .n_groups = groups};
    uint32_t *roots = array(n_trees, 4), *outputs = array(n_trees, 4);
    for (size_t i = 0; i < n_trees; i++)
        roots[i] = take(&input), outputs[i] = take(&input) & 3;
    float *base = array(groups, 4), *weights = array(n_trees, 4);
    for (size_t i = 0; i < groups; i++)
        base[i] = (float)take(&input) / 256;
    for (size_t i = 0; i < n_trees; i++)
        weights[i] = (float)take(&input) / 16;
    made.n_nodes = input.size / sizeof(Node);
    Node *nodes = array(made.n_nodes, sizeof(Node));
    float *values = array(made.n_nodes, 4), *rows = array((size_t)n_rows * features, 4);
    if (made.n_nodes)
        memcpy(nodes, input.bytes, made.n_nodes * sizeof(Node));
    for (size_t i = 0; i < made.n_nodes; i++) {
        /* so that leaves and steps forward are frequent */
        if (nodes[i].feature & 0x100) {
            nodes[i] = (Node){NAN, nodes[i].feature & 3, (uint32_t)i};
        } else if (nodes[i].feature & 0x200) {
            nodes[i].child = (uint32_t)i + 1 + (nodes[i].child & 7);
            nodes[i].feature &= 0x80000003u;
        }
        values[i] = (float)i;
    }
    for (size_t i = 0; i < (size_t)n_rows * features; i++)
        rows[i] = input.size ? (float)(int8_t)input.bytes[i * 7 % input.size] : NAN;
    made.nodes = nodes, made.values = values, made.roots = roots, made.groups = outputs, made.base = base;
    made.weights = link & 1 ? weights : NULL;
    if (!forest_fault(&made)) {
        float *sums = array((size_t)n_rows * groups, 4);
        forest_unlink(link, base, groups);
        forest_margins(&made, rows, n_rows, sums);
        /* a row alone has the answer that it has among others */
        for (size_t i = 0; i < n_rows; i++) {
            float alone[4];
            forest_margins(&made, rows + i * features, 1, alone);
            MUST(same(alone, sums + i * groups, groups));
        }
        forest_link(link, sums, n_rows, groups);
        free(sums);
    }
    free(roots), free(outputs), free(base), free(weights), free(nodes), free(values), free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    ENTRY((Input){bytes, size});
    return 0;
}
