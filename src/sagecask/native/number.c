/* The long way from decimal text to float32: any length, any exponent, nan and inf. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "number.h"

/* Digits of which a float32 midpoint can have at most 113; what lies beyond only matters as "more than zero". */
#define EXACT_DIGITS 120
/* A decimal exponent far outside of float32, and one that no text in memory has digits to balance. */
#define FAR 100000
#define NEVER 10000000000000000

static const double POWERS[] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33,
    1e34, 1e35, 1e36, 1e37, 1e38, 1e39, 1e40, 1e41, 1e42, 1e43, 1e44, 1e45, 1e46, 1e47, 1e48, 1e49, 1e50,
    1e51, 1e52, 1e53, 1e54, 1e55, 1e56, 1e57, 1e58, 1e59, 1e60,
};

typedef struct {
    const uint8_t *digits, *digits_end;     /* with the point among them */
    uint64_t mantissa;                      /* the first 19 digits from the first that is not 0 */
    int kept;                               /* how many of those */
    int64_t dropped;                        /* digits before the point that the mantissa lacks */
    int64_t places;                         /* digits behind the point that the mantissa has */
    int inexact;                            /* a digit other than 0 was dropped */
} Decimal;

static int is_digit(uint8_t c) {
    return (uint8_t)(c - '0') < 10;
}

static const uint8_t *read_digits(const uint8_t *p, const uint8_t *end, Decimal *d, int fraction) {
    while (p < end) {
        uint64_t chunk;
        if (end - p >= 8 && d->kept > 0 && d->kept <= 11 && leading_digits(chunk = load64(p)) == 8) {
            d->mantissa = d->mantissa * 100000000 + eight_digits(chunk);
            d->kept += 8;
            d->places += fraction ? 8 : 0;
            p += 8;
            continue;
        }
        if (!is_digit(*p))
            break;
        unsigned digit = (unsigned)(*p++ - '0');
        if (d->kept < 19) {
            d->mantissa = d->mantissa * 10 + digit;
            d->kept += d->mantissa != 0;
            d->places += fraction;
        } else {
            d->inexact |= digit != 0;
            d->dropped += !fraction;
        }
    }
    return p;
}

/* Behind an e: sign and digits. NULL when there are none. */
static const uint8_t *read_exponent(const uint8_t *p, const uint8_t *end, int64_t *exponent) {
    int negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end || !is_digit(*p))
        return NULL;
    int64_t e = 0;
    for (; p < end && is_digit(*p); p++)
        e = e < NEVER ? e * 10 + (*p - '0') : e;
    *exponent = negative ? -e : e;
    return p;
}

/* Exact for any text: strtof on a copy of bounded length without a decimal point, so that no locale matters. */
static float exactly(const Decimal *d, int64_t exponent) {
    char copy[EXACT_DIGITS + 32];
    int n = 0, fraction = 0, more = 0;
    int64_t scale = exponent;
    for (const uint8_t *p = d->digits; p < d->digits_end; p++) {
        if (*p == '.') {
            fraction = 1;
        } else if (n < EXACT_DIGITS) {
            if (n || *p != '0')
                copy[n++] = (char)*p;
            scale -= fraction;
        } else {
            more |= *p != '0';
            scale += !fraction;
        }
    }
    if (more) {
        copy[n++] = '1';
        scale--;
    }
    if (scale > FAR)
        scale = FAR;
    if (scale < -FAR)
        scale = -FAR;
    snprintf(copy + n, sizeof copy - (size_t)n, "e%d", (int)scale);
    return strtof(copy, NULL);
}

static float nearest(const Decimal *d, int64_t exponent) {
    if (d->mantissa == 0)
        return 0.0f;
    int64_t scale = exponent + d->dropped - d->places;
    if (scale == 0 && d->mantissa <= (1ULL << 53) && !d->inexact)
        return (float)(double)(int64_t)d->mantissa;
    if (scale >= -60 && scale <= 38) {
        /* Conversion, table and operation add at most half a unit each, digits dropped far less. */
        double x = (double)d->mantissa;
        x = scale < 0 ? x / POWERS[-scale] : x * POWERS[scale];
        if (x >= 0x1p-126 && x < 0x1p127 && !near_midpoint(x))
            return (float)x;
    }
    return exactly(d, exponent);
}

static const uint8_t *match(const uint8_t *p, const uint8_t *end, const char *word) {
    for (; *word; word++, p++)
        if (p == end || (*p | 0x20) != (uint8_t)*word)
            return NULL;
    return p;
}

static const uint8_t *read_word(const uint8_t *p, const uint8_t *end, float *value) {
    const uint8_t *behind = match(p, end, "nan");
    if (behind) {
        *value = NAN;
        return behind;
    }
    if ((behind = match(p, end, "inf"))) {
        const uint8_t *whole = match(behind, end, "inity");
        *value = INFINITY;
        return whole ? whole : behind;
    }
    return NULL;
}

const uint8_t *number_any(const uint8_t *p, const uint8_t *end, float *value) {
    int negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    Decimal d = {.digits = p};
    const uint8_t *q = read_digits(p, end, &d, 0);
    ptrdiff_t count = q - p;
    if (q < end && *q == '.') {
        const uint8_t *point = q++;
        q = read_digits(q, end, &d, 1);
        count += q - point - 1;
    }
    if (count == 0) {
        q = read_word(p, end, value);
    } else {
        int64_t exponent = 0;
        d.digits_end = q;
        if (q < end && (*q | 0x20) == 'e')
            q = read_exponent(q + 1, end, &exponent);
        if (q)
            *value = nearest(&d, exponent);
    }
    if (q && negative)
        *value = -*value;
    return q;
}
