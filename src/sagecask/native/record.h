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

/* Copy values as float32, or as many keys as positions below `width`; `to` has room for as many as the tensor has
 * values, `ascending` is cleared where a key is not above the one before. Both return 0 where a number is not what
 * it must be. */
int tensor_values(const uint8_t *buffer, const Tensor *tensor, float *to);
int tensor_keys(const uint8_t *buffer, const Tensor *tensor, int64_t width, int32_t *to, int *ascending);

#endif
