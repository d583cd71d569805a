/* For machines with AVX2 and FMA. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx2,fma")
#include <immintrin.h>

#define LANES 8
#define STRETCH 3
#define NAME avx2_kernels
#include "kernels.h"
#endif
