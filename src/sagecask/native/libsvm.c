/* libsvm text: `label[:weight] index:value ...`, parted by blanks, `#` before a comment; empty lines are no rows. */
#include "number.h"

typedef struct {
    const uint8_t *p;       /* behind what was read */
    size_t tokens;          /* read on this line */
    size_t entries;
    int why;
} Line;

static inline const uint8_t *skip_blanks(const uint8_t *p, const uint8_t *end) {
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* Whether the token before p may end here. */
static inline int token_ends(const uint8_t *p, const uint8_t *end) {
    return p == end || *p == ' ' || *p == '\n' || *p == '\t' || *p == '\r';
}

/* The index that starts at p and the byte behind its colon, or NULL. */
static inline const uint8_t *index_at(const uint8_t *p, const uint8_t *end, int64_t *index) {
    if (LIKELY(end - p >= 8)) {
        uint64_t chunk = load64(p);
        unsigned digits = leading_digits(chunk);
        if (LIKELY(digits > 0 && digits < 8 && p[digits] == ':')) {
            *index = (int64_t)few_digits(chunk, digits);
            return p + digits + 1;
        }
    }
    int64_t total = 0;
    const uint8_t *first = p;
    for (; p < end && (uint8_t)(*p - '0') < 10; p++) {
        total = total * 10 + (*p - '0');
        if (total >= INT32_MAX)
            return NULL;
    }
    if (p == first || p == end || *p != ':')
        return NULL;
    *index = total;
    return p + 1;
}

/* Reads label and weight; at the end of the line, or at a comment, `tokens` stays 0. */
static Line read_label(const uint8_t *p, const uint8_t *end, SvmRows *out, size_t row) {
    Line line = {.p = p};
    float weight = 1.0f;
    const uint8_t *q = number_at(p, end, out->labels + row);
    if (q && q < end && *q == ':') {
        q = number_at(q + 1, end, &weight);
        out->weighted += 1;
    }
    out->weights[row] = weight;
    line.tokens = 1;
    if (!q || !token_ends(q, end))
        line.why = STOP_CELL;
    else
        line.p = q;
    return line;
}

/* A token without a colon, where those are passed over: the byte behind it, or NULL. */
static const uint8_t *read_stray(const uint8_t *p, const uint8_t *end) {
    float ignored;
    p = number_at(p, end, &ignored);
    return p && token_ends(p, end) ? p : NULL;
}

static Line read_entries(Line line, const uint8_t *end, SvmRows *out, size_t used) {
    const uint8_t *p = line.p;
    int64_t last = -1;
    for (;; line.tokens++) {
        p = skip_blanks(p, end);
        if (p == end || *p == '\n' || *p == '#' || *p == '\r')
            break;
        if (UNLIKELY(used + line.entries == out->room)) {
            line.why = STOP_FULL;
            return line;
        }
        int64_t index = 0;
        const uint8_t *q = index_at(p, end, &index), *start = p;
        if (LIKELY(q != NULL))
            q = number_at(q, end, out->data + used + line.entries);
        if (LIKELY(q != NULL && token_ends(q, end))) {
            p = q;
        } else if (out->labelled || !(p = read_stray(start, end))) {
            line.why = STOP_CELL;
            return line;
        } else {
            continue;
        }
        out->indices[used + line.entries++] = (int32_t)index;
        out->ascending &= last < index;
        last = index;
        out->highest = index > out->highest ? index : out->highest;
    }
    line.p = p;
    return line;
}

/* Behind the line end at p, past a comment before it; NULL where something else stands. */
static const uint8_t *next_line(const uint8_t *p, const uint8_t *end) {
    if (p < end && *p == '#') {
        const uint8_t *newline = memchr(p, '\n', (size_t)(end - p));
        return newline ? newline + 1 : end;
    }
    if (p < end && *p == '\r')
        p++;
    if (p == end)
        return end;
    return *p == '\n' ? p + 1 : NULL;
}

TextEnd libsvm_rows(const uint8_t *text, size_t size, SvmRows *out) {
    const uint8_t *end = text + size, *p = text;
    TextEnd stop = {.why = STOP_END};
    size_t used = 0;
    out->highest = -1;
    out->weighted = 0;
    out->ascending = 1;
    out->indptr[0] = 0;
    while (p < end) {
        stop.offset = (size_t)(p - text);
        Line line = {.p = skip_blanks(p, end)};
        if (line.p < end && *line.p != '\n' && *line.p != '\r' && *line.p != '#') {
            if (stop.rows == out->capacity) {
                stop.why = STOP_FULL;
                return stop;
            }
            if (out->labelled)
                line = read_label(line.p, end, out, stop.rows);
            if (!line.why)
                line = read_entries(line, end, out, used);
        }
        p = line.why ? NULL : next_line(line.p, end);
        if (!p) {
            stop.why = line.why ? line.why : STOP_CELL;
            stop.column = line.tokens;
            return stop;
        }
        if (line.tokens) {
            used += line.entries;
            out->indptr[++stop.rows] = (int64_t)used;
        }
    }
    stop.offset = size;
    return stop;
}
