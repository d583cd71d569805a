/* Sparse records to CSR in two passes: the first counts what the second fills in. */
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

RecordEnd sparse_rows(const uint8_t *buffer, size_t size, SparseRows *out) {
    RecordEnd end = {.offset = 0};
    size_t used = 0;
    out->indptr[0] = 0;
    out->ascending = 1;
    while (end.rows < out->capacity && end.offset < size) {
        Record record;
        if (!record_at(buffer, size, end.offset, &record) || !is_row(&record, out->width, out->n_labels))
            break;
        if (record.features.values > out->room - used)
            break;
        if (!tensor_values(buffer, &record.features, out->data + used) ||
            !tensor_keys(buffer, &record.features, out->width, out->indices + used, &out->ascending))
            break;
        if (out->n_labels && !tensor_values(buffer, &record.label, out->labels + end.rows * out->n_labels))
            break;
        used += record.features.values;
        out->indptr[++end.rows] = (int64_t)used;
        end.offset = record.next;
    }
    return end;
}
