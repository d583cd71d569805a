/* For machines with AVX-512. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx2,fma,avx512f,avx512dq,avx512vl")
#include <immintrin.h>

#define LANES 16
#define STRETCH 6
#define NAME avx512_kernels
#include "kernels.h"
#endif
