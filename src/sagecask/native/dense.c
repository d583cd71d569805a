/* Dense records to one matrix. Records of one layout differ in nothing but their numbers: one comparison and one
 * copy each. The first of another layout is parsed and becomes the new pattern. */
#include "record.h"

/* A parsed record; the bytes outside of its two runs, in order of their offsets, must be the same in others. */
typedef struct {
    const uint8_t *record;
    size_t size;
    Tensor first, second;               /* by offset; second.run_size is 0 where there is no label */
    size_t first_end, second_begin, second_end;
    float *first_to, *second_to;        /* columns of the next row */
    size_t first_step, second_step;
} Pattern;

/* 0 where one-byte integers turn out to be parts of longer ones. */
static inline int copy_run(float *to, const uint8_t *from, const Tensor *tensor) {
    size_t n = tensor->values;
    if (LIKELY(tensor->type == TENSOR_FLOAT32)) {
        copy_floats(to, from, n);
    } else if (tensor->type == TENSOR_FLOAT64) {
        for (size_t i = 0; i < n; i++) {
            double value;
            memcpy(&value, from + 8 * i, 8);
            to[i] = (float)value;
        }
    } else {
        uint8_t any = 0;
        for (size_t i = 0; i < n; i++) {
            any |= from[i];
            to[i] = (float)from[i];
        }
        return any < 0x80;
    }
    return 1;
}

/* Whether the numbers lie in one run whose length tells their count. */
static int in_one_run(const Tensor *tensor) {
    return tensor->run && (tensor->type != TENSOR_INT32 || tensor->run_size == tensor->values);
}

static int is_row(const Record *record, size_t n_features, size_t n_labels) {
    const Tensor *f = &record->features, *l = &record->label;
    if (f->values != n_features || n_features == 0 || f->keyed || (f->shapes && (f->shapes > 1 || f->shape != n_features)))
        return 0;
    return n_labels ? l->values == n_labels && !l->keyed && !l->shapes : l->type == TENSOR_ABSENT;
}

static int make_pattern(const uint8_t *buffer, size_t at, const Record *record, const DenseRows *out, size_t row, Pattern *pattern) {
    const Tensor *f = &record->features, *l = &record->label;
    if (!in_one_run(f) || (l->type && !in_one_run(l)))
        return 0;
    pattern->record = buffer + at;
    pattern->size = record->next - at;
    int swapped = l->type && l->run < f->run;
    pattern->first = swapped ? *l : *f;
    pattern->second = swapped ? *f : *l;
    pattern->first_to = swapped ? out->labels + row * out->n_labels : out->features + row * out->n_features;
    pattern->second_to = swapped ? out->features + row * out->n_features : out->labels + row * out->n_labels;
    pattern->first_step = swapped ? out->n_labels : out->n_features;
    pattern->second_step = swapped ? out->n_features : out->n_labels;
    pattern->first.run -= at;
    pattern->first_end = pattern->first.run + pattern->first.run_size;
    pattern->second_begin = l->type ? pattern->second.run - at : pattern->size;
    pattern->second_end = pattern->second_begin + pattern->second.run_size;
    return 1;
}

/* Reads records while they look like the pattern; returns how many did. */
static size_t follow(Pattern *pattern, const uint8_t *p, size_t left, size_t limit) {
    const Pattern like = *pattern;
    float *first_to = like.first_to, *second_to = like.second_to;
    size_t rows = 0;
    for (; rows < limit && left >= like.size; rows++) {
        if (!same_bytes(p, like.record, like.first.run) ||
            !same_bytes(p + like.first_end, like.record + like.first_end, like.second_begin - like.first_end) ||
            !same_bytes(p + like.second_end, like.record + like.second_end, like.size - like.second_end))
            break;
        if (!copy_run(first_to, p + like.first.run, &like.first))
            break;
        if (like.second_step && !copy_run(second_to, p + like.second_begin, &like.second))
            break;
        first_to += like.first_step;
        second_to += like.second_step;
        p += like.size;
        left -= like.size;
    }
    return rows;
}

RecordEnd dense_rows(const uint8_t *buffer, size_t size, const DenseRows *out) {
    RecordEnd end = {.offset = 0};
    while (end.rows < out->capacity && end.offset < size) {
        Record record;
        Pattern pattern;
        if (!record_at(buffer, size, end.offset, &record) || !is_row(&record, out->n_features, out->n_labels))
            return end;
        if (make_pattern(buffer, end.offset, &record, out, end.rows, &pattern)) {
            size_t rows = follow(&pattern, buffer + end.offset, size - end.offset, out->capacity - end.rows);
            end.rows += rows;
            end.offset += rows * pattern.size;
            if (rows)
                continue;
        }
        if (!tensor_values(buffer, &record.features, out->features + end.rows * out->n_features))
            return end;
        if (out->n_labels && !tensor_values(buffer, &record.label, out->labels + end.rows * out->n_labels))
            return end;
        end.rows++;
        end.offset = record.next;
    }
    return end;
}
