/* The work on blocks, for vectors of LANES floats; a file of each width includes this with its own names. */
#include <stdlib.h>
#include <string.h>

#include "vectors.h"

#include "forward.h"

#include "backward.h"

#include "sampling.h"

static void squash(const float *from, size_t n, float *sigmoid, float *tanh) {
    for (size_t i = 0; i < n; i++) {
        V x = (V){} + from[i];
        V one = squashed(x * scales[0]), two = 2.0f * squashed(x * scales[2]) - 1.0f;
        sigmoid[i] = one[0];
        tanh[i] = two[0];
    }
}

const Kernels NAME = {pass, go_back, sample, squash};
