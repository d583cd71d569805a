/* Decimal text to the nearest float32, ties to even: what exact arithmetic on the decimal would give. */
#ifndef SAGECASK_NUMBER_H
#define SAGECASK_NUMBER_H

#include "core.h"

/* Bytes that the short way may touch from the first digit on. */
#define NUMBER_REACH 32

/* Both return the byte behind the number that starts at p, or NULL where none does. */
const uint8_t *number_any(const uint8_t *p, const uint8_t *end, float *value);

static const double TENS[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};

/* The high bit of each byte that is no digit. */
static inline uint64_t other_than_digits(uint64_t chunk) {
    uint64_t low = chunk & 0x7f7f7f7f7f7f7f7fULL;
    uint64_t others = (low + 0x4646464646464646ULL) | ~(low + 0x5050505050505050ULL) | chunk;
    return others & 0x8080808080808080ULL;
}

/* How many bytes come before the first high bit; eight where there is none. */
static inline unsigned bytes_before(uint64_t bits) {
    return bits ? (unsigned)__builtin_ctzll(bits) >> 3 : 8;
}

/* How many of the eight bytes are digits before the first that is none. */
static inline unsigned leading_digits(uint64_t chunk) {
    return bytes_before(other_than_digits(chunk));
}

/* The number that the eight digits spell, first digit in the lowest byte; other bytes before it may be zero. */
static inline uint64_t eight_digits(uint64_t chunk) {
    chunk = (chunk & 0x0f0f0f0f0f0f0f0fULL) * 2561 >> 8;
    chunk = (chunk & 0x00ff00ff00ff00ffULL) * 6553601 >> 16;
    return (chunk & 0x0000ffff0000ffffULL) * 42949672960001ULL >> 32;
}

/* Of a chunk of which only the first `digits` (at most seven) count. */
static inline uint64_t few_digits(uint64_t chunk, unsigned digits) {
    return eight_digits((chunk << 8) << (56 - 8 * digits));
}

/* Whether a double within a few units in the last place of the true value could round to the wrong float32:
 * the 29 bits that rounding drops are then close to one half. */
static inline int near_midpoint(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return ((bits - 0x10000000ULL + 8) & 0x1fffffffULL) <= 16;
}

/* Eight bytes of up to seven digits, a point among them or not, are two exact float32, whose division rounds once. With
 * up to seven more digits it is two exact doubles, rounded once to double and once to float32, which is wrong only next
 * to a midpoint. All else goes the long way. */
static inline const uint8_t *number_at(const uint8_t *p, const uint8_t *end, float *value) {
    if (UNLIKELY((size_t)(end - p) < NUMBER_REACH))
        return number_any(p, end, value);
    uint64_t chunk = load64(p), behind = load64(p + 1);
    uint32_t negative = (uint8_t)chunk == '-';
    chunk = negative ? behind : chunk;
    uint64_t others = other_than_digits(chunk);
    unsigned whole = bytes_before(others), size = whole, digits = whole;
    if (UNLIKELY(whole == 8))
        return number_any(p, end, value);
    if ((uint8_t)(chunk >> 8 * whole) == '.') {
        size = bytes_before(others & (others - 1));
        digits = size - 1;
        uint64_t left = (1ULL << 8 * whole) - 1;
        chunk = (chunk & left) | (chunk >> 8 & ~left);
    }
    const uint8_t *q = p + negative + size;
    uint64_t mantissa = few_digits(chunk, digits);
    unsigned places = digits - whole;
    float rounded;
    if ((uint8_t)(*q - '0') >= 10) {
        rounded = (float)(int32_t)mantissa / (float)TENS[places];
    } else {
        chunk = load64(q);
        unsigned more = leading_digits(chunk);
        if (UNLIKELY(more == 8))
            return number_any(p, end, value);
        static const uint64_t scale[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
        mantissa = mantissa * scale[more] + few_digits(chunk, more);
        double x = (double)(int64_t)mantissa / TENS[places + more];
        if (UNLIKELY(near_midpoint(x)))
            return number_any(p, end, value);
        rounded = (float)x;
        q += more;
    }
    if (UNLIKELY(!digits || (*q | 0x20) == 'e'))
        return number_any(p, end, value);
    uint32_t bits;
    memcpy(&bits, &rounded, 4);
    bits |= negative << 31;
    memcpy(value, &bits, 4);
    return q;
}

#endif
