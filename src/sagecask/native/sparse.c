/* Sparse records to CSR. Most writers make the same fields in the same order, which are read without looking around;
 * any other record is parsed. */
#include "record.h"

/* An all-zero vector has a shape and neither keys nor values. Whether there are as many keys as values shows when
 * they are read. */
static int is_row(const Record *record, int64_t width, size_t n_labels) {
    const Tensor *f = &record->features, *l = &record->label;
    if (f->shapes != 1 || f->shape != (uint64_t)width || f->keyed != (f->values > 0))
        return 0;
    return n_labels ? l->values == n_labels && !l->keyed && !l->shapes : l->type == TENSOR_ABSENT;
}

RecordEnd sparse_count(const uint8_t *buffer, size_t size, int64_t width, size_t n_labels, size_t *entries) {
    RecordEnd end = {.offset = 0};
    Record record;
    *entries = 0;
    while (end.offset < size && record_at(buffer, size, end.offset, &record) && is_row(&record, width, n_labels)) {
        *entries += record.features.values;
        end.rows++;
        end.offset = record.next;
    }
    return end;
}

/* The usual record: a Float32Tensor of packed values, packed keys and a shape, then other fields. */
typedef struct {
    const uint8_t *values, *values_end, *keys, *keys_end, *shape, *shape_end;
    const uint8_t *rest, *rest_end;     /* what follows the features */
} Usual;

/* Tag and size of a field of bytes below 16 KiB: 1, with `at` behind them and `end` behind the field; or 0. */
static inline int opens(const uint8_t **at, const uint8_t *limit, uint8_t tag, const uint8_t **end) {
    const uint8_t *p = *at;
    if (limit - p < 3 || p[0] != tag || (p[1] > 0x7f && p[2] > 0x7f))
        return 0;
    size_t two = p[1] >> 7, size = (p[1] & 0x7fU) | (two ? (size_t)p[2] << 7 : 0);
    p += 2 + two;
    *at = p;
    *end = p + size;
    return size <= (size_t)(limit - p);
}

enum { TAG_FEATURES = 0x0a, TAG_VALUE = 0x12, TAG_FLOAT32 = 0x12, TAG_VALUES = 0x0a, TAG_KEYS = 0x12, TAG_SHAPE = 0x1a };

/* Whether a payload begins in the usual way. */
static inline int is_usual(const uint8_t *p, const uint8_t *end, Usual *parts) {
    static const uint8_t key[8] = "\x0a\x06values";
    const uint8_t *value_end, *tensor_end;
    parts->rest_end = end;
    if (!opens(&p, end, TAG_FEATURES, &parts->rest) || parts->rest - p < 8 || load64(p) != load64(key))
        return 0;
    p += 8;
    if (!opens(&p, parts->rest, TAG_VALUE, &value_end) || value_end != parts->rest ||
        !opens(&p, value_end, TAG_FLOAT32, &tensor_end) || tensor_end != value_end ||
        !opens(&p, tensor_end, TAG_VALUES, &parts->values_end))
        return 0;
    parts->values = p;
    p = parts->values_end;
    if (!opens(&p, tensor_end, TAG_KEYS, &parts->keys_end))
        return 0;
    parts->keys = p;
    parts->shape = parts->keys_end;
    parts->shape_end = tensor_end;
    return 1;
}

/* A record that was read: others that differ from it in values, keys and labels alone need no second look. */
typedef struct {
    int known;
    Usual parts;
    size_t labels, labels_end;      /* in what follows the features */
} Example;

static void remember(const uint8_t *payload, const uint8_t *end, const Record *record, const uint8_t *buffer, Example *like) {
    const Tensor *label = &record->label;
    const uint8_t *shape_end;
    like->known = 0;
    if (!is_usual(payload, end, &like->parts) || record->features.values == 0)
        return;
    const uint8_t *shape = like->parts.shape;
    if (!opens(&shape, like->parts.shape_end, TAG_SHAPE, &shape_end) || shape_end != like->parts.shape_end)
        return;
    like->labels = like->labels_end = 0;
    if (label->type != TENSOR_ABSENT) {
        if (label->type != TENSOR_FLOAT32 || !label->run)
            return;
        like->labels = (size_t)(buffer + label->run - like->parts.rest);
        like->labels_end = like->labels + label->run_size;
    }
    like->known = 1;
}

static inline int same(const uint8_t *a, const uint8_t *a_end, const uint8_t *b, const uint8_t *b_end) {
    return a_end - a == b_end - b && same_bytes(a, b, (size_t)(a_end - a));
}

/* Whether a payload is like the example. */
static inline int is_like(const Example *like, const uint8_t *payload, const uint8_t *end, Usual *parts) {
    if (!is_usual(payload, end, parts) || !same(parts->shape, parts->shape_end, like->parts.shape, like->parts.shape_end))
        return 0;
    const uint8_t *p = parts->rest, *q = like->parts.rest;
    return end - p == like->parts.rest_end - q && same_bytes(p, q, like->labels) &&
           same_bytes(p + like->labels_end, q + like->labels_end, (size_t)(end - p) - like->labels_end);
}

/* Entries copied, or SIZE_MAX where there is no room or a key is not what it must be. */
static inline size_t copy_usual(const Usual *parts, const Example *like, SparseRows *out, size_t row, size_t used) {
    size_t bytes = (size_t)(parts->values_end - parts->values), count = bytes / 4;
    if (bytes % 4 || count == 0 || count > out->room - used)
        return SIZE_MAX;
    copy_floats(out->data + used, parts->values, count);
    int32_t *to = out->indices + used;
    Keys keys = {
        .next = to, .stop = to + count, .width = out->width, .last = -1, .ascending = 1, .readable = parts->rest_end};
    if (!read_keys(parts->keys, parts->keys_end, &keys) || keys.next != keys.stop)
        return SIZE_MAX;
    out->ascending &= keys.ascending;
    if (out->n_labels)
        copy_floats(out->labels + row * out->n_labels, parts->rest + like->labels, out->n_labels);
    return count;
}

/* The same for any record. */
static size_t copy_any(const uint8_t *buffer, const Record *record, SparseRows *out, size_t row, size_t used) {
    const Tensor *features = &record->features;
    if (!is_row(record, out->width, out->n_labels) || features->values > out->room - used)
        return SIZE_MAX;
    if (!tensor_values(buffer, features, out->data + used) ||
        !tensor_keys(buffer, features, out->width, out->indices + used, &out->ascending))
        return SIZE_MAX;
    if (out->n_labels && !tensor_values(buffer, &record->label, out->labels + row * out->n_labels))
        return SIZE_MAX;
    return features->values;
}

RecordEnd sparse_rows(const uint8_t *buffer, size_t size, SparseRows *out) {
    RecordEnd end = {.offset = 0};
    Example like = {.known = 0};
    size_t used = 0;
    out->indptr[0] = 0;
    out->ascending = 1;
    while (end.rows < out->capacity && end.offset < size) {
        const uint8_t *payload = buffer + end.offset + FRAME_BYTES;
        size_t length = whole_frame(buffer + end.offset, size - end.offset), entries;
        Usual parts;
        if (length == SIZE_MAX)
            break;
        if (like.known && is_like(&like, payload, payload + length, &parts)) {
            entries = copy_usual(&parts, &like, out, end.rows, used);
        } else {
            Record record;
            if (!record_at(buffer, size, end.offset, &record))
                break;
            entries = copy_any(buffer, &record, out, end.rows, used);
            if (entries != SIZE_MAX)
                remember(payload, payload + length, &record, buffer, &like);
        }
        if (entries == SIZE_MAX)
            break;
        used += entries;
        out->indptr[++end.rows] = (int64_t)used;
        end.offset += FRAME_BYTES + padded(length);
    }
    return end;
}
