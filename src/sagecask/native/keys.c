/* Keys of sparse vectors: packed varints to positions, several at a time. */
#include "record.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <tmmintrin.h>
#define FOURS 1
#endif

/* The first `bits` of the chunk as a varint; at most four bytes. */
static inline int64_t short_varint(uint64_t chunk, unsigned bits) {
    chunk &= (1ULL << bits) - 1;
    return (int64_t)((chunk & 0x7f) | (chunk >> 1 & 0x3f80) | (chunk >> 2 & 0x1fc000) | (chunk >> 3 & 0xfe00000));
}

/* Two varints of at most four bytes each, where eight bytes may be loaded; 0 where the next ones are not such. */
static inline int read_pair(const uint8_t **at, const uint8_t *end, Keys *keys) {
    const uint8_t *p = *at;
    if (end - p < 8 || keys->stop - keys->next < 2)
        return 0;
    uint64_t chunk = load64(p), stops = ~chunk & STOP_BITS, later = stops & (stops - 1);
    unsigned first = 24, both = 48;
    /* Two of three bytes are so frequent in wide matrices that it pays to guess them: the next load need not wait
     * for the lengths then. */
    if ((stops & 0xffffffffffffULL) != 0x800000800000ULL) {
        if (UNLIKELY(!later))
            return 0;
        first = (unsigned)__builtin_ctzll(stops) + 1;
        both = (unsigned)__builtin_ctzll(later) + 1;
        if (UNLIKELY(first > 32 || both - first > 32))
            return 0;
    }
    int64_t a = short_varint(chunk, first), b = short_varint(chunk >> first, both - first);
    if (UNLIKELY(a >= keys->width || b >= keys->width))
        return 0;
    keys->ascending &= (keys->last < a) & (a < b);
    keys->last = b;
    keys->next[0] = (int32_t)a;
    keys->next[1] = (int32_t)b;
    keys->next += 2;
    *at = p + (both >> 3);
    return 1;
}

#ifdef FOURS

#define SPREAD(a, b, c, d, e, f, g, h, i, j, k, l) _mm_setr_epi8(a, b, c, -1, d, e, f, -1, g, h, i, -1, j, k, l, -1)

/* Four keys at a time as long as they have one, two or three bytes each; returns where they have not, or one is too
 * large: what follows is for the others to read. */
__attribute__((target("ssse3")))
static const uint8_t *read_fours(const uint8_t *p, const uint8_t *end, Keys *keys) {
    const __m128i one = SPREAD(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1);
    const __m128i two = SPREAD(0, 1, -1, 2, 3, -1, 4, 5, -1, 6, 7, -1);
    const __m128i three = SPREAD(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    const __m128i width = _mm_set1_epi32((int32_t)keys->width);
    __m128i before = _mm_set1_epi32((int32_t)keys->last), rising = _mm_set1_epi32(-1);
    int32_t *next = keys->next;
    while (end - p >= 12 && keys->readable - p >= 16 && keys->stop - next >= 4) {
        __m128i chunk = _mm_loadu_si128((const __m128i *)p), found;
        unsigned more = (unsigned)_mm_movemask_epi8(chunk);
        size_t bytes;
        chunk = _mm_and_si128(chunk, _mm_set1_epi8(0x7f));
        if ((more & 0xfff) == 0x6db) {
            found = _mm_shuffle_epi8(chunk, three);
            bytes = 12;
        } else if ((more & 0xff) == 0x55) {
            found = _mm_shuffle_epi8(chunk, two);
            bytes = 8;
        } else if ((more & 0xf) == 0) {
            found = _mm_shuffle_epi8(chunk, one);
            bytes = 4;
        } else {
            break;
        }
        /* 7 bits each: a + 128 b, then + 128² c */
        found = _mm_madd_epi16(_mm_maddubs_epi16(_mm_set1_epi32(0x00018001), found), _mm_set1_epi32(0x40000001));
        if (UNLIKELY(_mm_movemask_epi8(_mm_cmpgt_epi32(width, found)) != 0xffff))
            break;
        rising = _mm_and_si128(rising, _mm_cmpgt_epi32(found, _mm_alignr_epi8(found, before, 12)));
        _mm_storeu_si128((__m128i *)next, found);
        before = found;
        next += 4;
        p += bytes;
    }
    if (next != keys->next)
        keys->last = next[-1];
    keys->next = next;
    keys->ascending &= _mm_movemask_epi8(rising) == 0xffff;
    return p;
}

#endif

int read_keys(const uint8_t *p, const uint8_t *end, Keys *keys) {
#ifdef FOURS
    int fours = __builtin_cpu_supports("ssse3");
#endif
    while (p < end) {
        uint64_t key;
#ifdef FOURS
        if (fours)
            p = read_fours(p, end, keys);
#endif
        if (read_pair(&p, end, keys))
            continue;
        if (p == end)
            break;
        if (keys->next == keys->stop || !read_varint(&p, end, &key) || key >= (uint64_t)keys->width)
            return 0;
        keys->ascending &= keys->last < (int64_t)key;
        keys->last = (int64_t)key;
        *keys->next++ = (int32_t)key;
    }
    return 1;
}
