/* Wire format of a framed record (dmlc recordio.h; protobuf encoding) and what is done with its tensors. */
#ifndef SAGECASK_RECORD_H
#define SAGECASK_RECORD_H

#include "core.h"

#define FRAME_MAGIC 0xced7230aU
#define FRAME_BYTES 8

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum { FIELD_VALUES = 1, FIELD_KEYS = 2, FIELD_SHAPE = 3 };

/* Reads one varint of at most ten bytes; 0 where it is cut off, longer, or beyond 64 bits. */
static inline int read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value) {
    const uint8_t *p = *at;
    if (LIKELY(p < end && *p < 0x80)) {
        *value = *p;
        *at = p + 1;
        return 1;
    }
    uint64_t total = 0;
    for (unsigned shift = 0; shift < 70 && p < end; shift += 7) {
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1)
            return 0;
        total |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *at = p;
            *value = total;
            return 1;
        }
    }
    return 0;
}

/* Set in the last byte of a varint, which is how it ends, if inverted. */
#define STOP_BITS 0x8080808080808080ULL

static inline size_t padded(size_t length) {
    return (length + 3) & ~(size_t)3;
}

/* Length of the payload where a whole frame, not a part of one, begins at p and ends in the `left` bytes; else
 * SIZE_MAX. */
static inline size_t whole_frame(const uint8_t *p, size_t left) {
    if (left < FRAME_BYTES || load32(p) != FRAME_MAGIC)
        return SIZE_MAX;
    size_t length = load32(p + 4);
    return length >> 29 || padded(length) > left - FRAME_BYTES ? SIZE_MAX : length;
}

static inline uint64_t difference(const uint8_t *a, const uint8_t *b) {
    return load64(a) ^ load64(b);
}

/* What stands around the numbers of a record is mostly of 16 to 32 bytes: no loop for those. */
static inline int same_bytes(const uint8_t *a, const uint8_t *b, size_t n) {
    if (LIKELY(n >= 16 && n <= 32)) {
        const uint8_t *c = a + n - 16, *d = b + n - 16;
        return !(difference(a, b) | difference(a + 8, b + 8) | difference(c, d) | difference(c + 8, d + 8));
    }
    if (n >= 8) {
        for (size_t i = 0; i < n - 8; i += 8)
            if (difference(a + i, b + i))
                return 0;
        return !difference(a + n - 8, b + n - 8);
    }
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return 0;
    return 1;
}

/* Calling memcpy costs more than copying a short row. */
static inline void copy_floats(float *to, const uint8_t *from, size_t n) {
    if (n == 1) {
        memcpy(to, from, 4);
    } else if (n >= 4 && n <= 128) {
        for (size_t i = 0; i < n - 4; i += 4)
            memcpy(to + i, from + 4 * i, 16);
        memcpy(to + n - 4, from + 4 * (n - 4), 16);
    } else {
        memcpy(to, from, 4 * n);
    }
}

/* Copy values as float32, or as many keys as positions below `width`; `to` has room for as many as the tensor has
 * values, `ascending` is cleared where a key is not above the one before. Both return 0 where a number is not what
 * it must be. */
int tensor_values(const uint8_t *buffer, const Tensor *tensor, float *to);
int tensor_keys(const uint8_t *buffer, const Tensor *tensor, int64_t width, int32_t *to, int *ascending);

/* Where keys go; starts with `last` -1 and `ascending` 1. */
typedef struct {
    int32_t *next, *stop;
    int64_t width;
    int64_t last;               /* key read before */
    int ascending;              /* whether all are above the one before */
    const uint8_t *readable;    /* end of what may be loaded, at or behind the end of the keys */
} Keys;

/* Reads the varints between p and end; 0 where one is no position or there are too many. */
int read_keys(const uint8_t *p, const uint8_t *end, Keys *keys);

#endif
