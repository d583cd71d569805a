/* Vectors of LANES floats, and what is computed with them alone. */
#include <stdint.h>
#include <string.h>

#include "recurrent.h"

/* vectors of the compiler, in registers and at any address */
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef float V __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef int32_t I __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(4), may_alias));
typedef uint32_t U __attribute__((vector_size(LANES * sizeof(uint32_t)), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define VECTORS 2
#define STEP (VECTORS * LANES)
/* as many sums as registers hold beside what is multiplied */
#if LANES == 16
#define UNITS 2
#define STRIP_PART 8
#else
#define UNITS 1
#define STRIP_PART 4
#endif

#define AT(pointer) (*(V *)(pointer))
#define READ(pointer) (*(const V *)(pointer))

#if LANES == 16
#define WITHIN(x, least, most) _mm512_min_ps(_mm512_max_ps(x, least), most)
#elif LANES == 8
#define WITHIN(x, least, most) _mm256_min_ps(_mm256_max_ps(x, least), most)
#else
INLINE V within(V x, V least, V most) {
    I low = x < least, high = x > most;
    return (V)((low & (I)least) | (high & (I)most) | (~(low | high) & (I)x));
}
#define WITHIN within
#endif

static const float scales[GATES] = {-1.44269504f, -1.44269504f, -2.88539008f, -1.44269504f};

/* 1 / (1 + 2^x), to 1e-7 */
INLINE V squashed(V x) {
    const V magic = (V){} + 12582912.0f;
    x = WITHIN(x, (V){} - 126.0f, (V){} + 126.0f);
    /* the sum's last bits are the closest whole number */
    V shifted = x + magic;
    V part = x - (shifted - magic);
    /* of least relative error, 8e-8, from -0.5 to 0.5 */
    V power = part * 1.327645150e-3f + 9.675540961e-3f;
    power = power * part + 5.550713465e-2f;
    power = power * part + 2.402212024e-1f;
    power = power * part + 6.931469440e-1f;
    power = power * part + 1.000000119f;
    power = (V)((I)power + ((I)shifted << 23));
    return 1.0f / (1.0f + power);
}

/* all bits of the lanes whose units keep their state; those of h and of c */
typedef struct {
    I hidden, cell;
} Kept;

INLINE Kept kept(const Zoneout *zoneout, uint32_t place) {
    U x;
    for (uint32_t i = 0; i < LANES; i++)
        x[i] = i;
    /* a hash of 32 bits without a visible bias (C. Wellons, Prospecting for Hash Functions, 2018: lowbias32) */
    x += place + zoneout->first;
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x ^= zoneout->second;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return (Kept){(I)((x & 0xffffu) < zoneout->threshold), (I)((x >> 16) < zoneout->threshold)};
}

INLINE V chosen(I mask, V one, V other) {
    return (V)((mask & (I)one) | (~mask & (I)other));
}

INLINE float total(V sums) {
#if LANES == 16
    return _mm512_reduce_add_ps(sums);
#else
    float halves[LANES];
    memcpy(halves, &sums, sizeof halves);
    for (int width = LANES / 2; width; width /= 2)
        for (int i = 0; i < width; i++)
            halves[i] += halves[i + width];
    return halves[0];
#endif
}
