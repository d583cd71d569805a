/* CSV of numbers, no header, no quotes: an empty cell is NaN, blanks around a number and CR before LF are allowed,
 * empty lines are none. */
#include <math.h>

#include "number.h"

/* Counting in bytes lets the compiler compare a whole vector at a time. */
size_t count_byte(const uint8_t *text, size_t size, uint8_t wanted) {
    size_t total = 0;
    while (size) {
        size_t part = size < 255 * 64 ? size : 255 * 64;
        size_t i = 0;
        uint8_t lanes[64] = {0};
        for (; i + 64 <= part; i += 64)
            for (size_t k = 0; k < 64; k++)
                lanes[k] = (uint8_t)(lanes[k] + (text[i + k] == wanted));
        for (size_t k = 0; k < 64; k++)
            total += lanes[k];
        for (; i < part; i++)
            total += text[i] == wanted;
        text += part;
        size -= part;
    }
    return total;
}

static const uint8_t *skip_blanks(const uint8_t *p, const uint8_t *end, uint8_t delimiter) {
    while (p < end && (*p == ' ' || *p == '\t') && *p != delimiter)
        p++;
    return p;
}

/* Length of the line end at p, 0 where there is none; the end of the text ends its last line. */
static inline size_t line_end(const uint8_t *p, const uint8_t *end) {
    if (p == end || *p == '\n')
        return 1;
    return *p == '\r' && end - p > 1 && p[1] == '\n' ? 2 : 0;
}

/* The way for a cell that is not just a number followed by what must follow; returns the byte behind it, or NULL. Where
 * a row has one cell, blanks alone are no row; whether that is a fault is left to the caller. */
static const uint8_t *odd_cell(const uint8_t *p, const uint8_t *end, uint8_t delimiter, int alone, float *value) {
    p = skip_blanks(p, end, delimiter);
    if (p < end && *p != delimiter && !line_end(p, end)) {
        p = number_any(p, end, value);
        if (!p)
            return NULL;
        return skip_blanks(p, end, delimiter);
    }
    *value = NAN;
    return alone ? NULL : p;
}

TextEnd csv_rows(const uint8_t *text, size_t size, uint8_t delimiter, const CsvRows *out) {
    const uint8_t *end = text + size, *p = text;
    size_t n_cells = out->n_lead + out->n_features;
    TextEnd stop = {.why = STOP_END};
    while (p < end) {
        const uint8_t *row = p;
        float *cell = out->lead + stop.rows * out->n_lead;
        float *features = out->features + stop.rows * out->n_features;
        stop.offset = (size_t)(row - text);
        stop.column = 0;
        size_t blank = line_end(p, end);
        if (UNLIKELY(blank)) {
            p += blank; /* p < end, so the end of the text is not meant */
            continue;
        }
        if (UNLIKELY(stop.rows == out->capacity)) {
            stop.why = STOP_FULL;
            return stop;
        }
        for (size_t column = 0; column < n_cells; column++) {
            if (column == out->n_lead)
                cell = features;
            int last = column + 1 == n_cells;
            const uint8_t *q = number_at(p, end, cell);
            if (UNLIKELY(!q || (q < end ? *q : '\n') != (last ? '\n' : delimiter)))
                q = odd_cell(p, end, delimiter, n_cells == 1, cell);
            stop.column = column;
            size_t ended = q && (q == end || *q != delimiter) ? line_end(q, end) : 0;
            if (UNLIKELY(!q || (!ended && q < end && *q != delimiter)))
                stop.why = STOP_CELL;
            else if (UNLIKELY(ended && !last))
                stop.why = STOP_SHORT;
            else if (UNLIKELY(!ended && last))
                stop.why = STOP_LONG;
            if (UNLIKELY(stop.why))
                return stop;
            cell++;
            p = q == end ? end : q + (last ? ended : 1);
        }
        stop.rows++;
    }
    stop.offset = size;
    stop.column = 0;
    return stop;
}
