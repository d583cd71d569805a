/* The compiled core: parsers over whole buffers. Nothing here knows Python, allocates, or keeps state.
 *
 * Every function stops at the first record or row that it does not understand and says where that is; the
 * caller parses it the slow way, which either knows better or has the words for the error. So a parser here may
 * always give up, and must never guess. */
#ifndef SAGECASK_CORE_H
#define SAGECASK_CORE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the compiled core reads little-endian machines only; without it numpy does the work"
#endif

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

static inline uint32_t load32(const uint8_t *p) {
    uint32_t x;
    memcpy(&x, p, 4);
    return x;
}

static inline uint64_t load64(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

/* Why a text parser stopped. */
enum {
    STOP_END = 0,       /* the text is used up */
    STOP_FULL = 1,      /* the arrays are full */
    STOP_CELL = 2,      /* a cell that is no number known here */
    STOP_SHORT = 3,     /* a row with too few cells */
    STOP_LONG = 4       /* a row with too many cells */
};

typedef struct {
    size_t rows;        /* complete rows written */
    size_t offset;      /* of the first byte of the row that stopped the parser, or the end */
    size_t column;      /* zero-based cell in that row, where one is at fault */
    int why;
} TextEnd;

/* (rows, lead) and (rows, width) matrices, row-major; the first `lead` cells of a row go to the former. */
typedef struct {
    float *lead;
    size_t n_lead;
    float *features;
    size_t n_features;
    size_t capacity;
} CsvRows;

TextEnd csv_rows(const uint8_t *text, size_t size, uint8_t delimiter, const CsvRows *out);

/* CSR rows; `indptr` has room for capacity + 1, `data` and `indices` for `room` entries. */
typedef struct {
    int labelled;       /* whether a line starts with a label; else tokens without a colon are passed over */
    float *labels;
    float *weights;
    size_t capacity;
    float *data;
    int32_t *indices;
    size_t room;
    int64_t *indptr;
    int64_t highest;    /* out: largest index seen, -1 when none */
    size_t weighted;    /* out: rows that gave a weight */
    int ascending;      /* out: whether the indices of every row rise */
} SvmRows;

TextEnd libsvm_rows(const uint8_t *text, size_t size, SvmRows *out);

size_t count_byte(const uint8_t *text, size_t size, uint8_t wanted);

/* The number of an upright tensor type is its field in the message Value. */
enum { TENSOR_ABSENT = 0, TENSOR_FLOAT32 = 2, TENSOR_FLOAT64 = 3, TENSOR_INT32 = 7 };

typedef struct {
    int type;
    size_t begin, end;      /* the tensor message in the buffer */
    size_t values;          /* how many */
    int keyed;              /* has keys */
    size_t run;             /* offset of the values where they lie packed in one run, else 0 */
    size_t run_size;
    size_t shapes;
    uint64_t shape;         /* the last of them */
} Tensor;

typedef struct {
    size_t next;            /* offset of the record after this one */
    Tensor features, label;
} Record;

int record_at(const uint8_t *buffer, size_t size, size_t at, Record *record);

typedef struct {
    size_t rows;
    size_t offset;          /* of the first record not read, or the end */
} RecordEnd;

/* Why the count of frames ended. */
enum {
    FRAMES_CUT = 0,     /* the next one is not whole in the buffer, or the buffer is used up */
    FRAMES_ENOUGH = 1,  /* one of the limits is reached */
    FRAMES_ODD = 2      /* no whole record begins there */
};

/* How many whole frames follow each other: up to `max_records`, or until their payloads reach `max_bytes`. */
RecordEnd frames(const uint8_t *buffer, size_t size, size_t max_records, size_t max_bytes, int *why);

typedef struct {
    float *features;        /* (capacity, n_features) */
    size_t n_features;
    float *labels;          /* (capacity, n_labels) */
    size_t n_labels;
    size_t capacity;
} DenseRows;

RecordEnd dense_rows(const uint8_t *buffer, size_t size, const DenseRows *out);

/* How many records are sparse vectors of this width and number of labels, and their entries. */
RecordEnd sparse_count(const uint8_t *buffer, size_t size, int64_t width, size_t n_labels, size_t *entries);

typedef struct {
    int64_t width;
    float *labels;          /* (capacity, n_labels) */
    size_t n_labels;
    size_t capacity;
    float *data;
    int32_t *indices;
    size_t room;
    int64_t *indptr;        /* capacity + 1 */
    int ascending;          /* out: whether the keys of every row rise */
} SparseRows;

RecordEnd sparse_rows(const uint8_t *buffer, size_t size, SparseRows *out);

#endif
