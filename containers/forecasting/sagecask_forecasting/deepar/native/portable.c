/* For every machine. */
#define LANES 4
#define STRETCH 2
#define NAME portable_kernels
#include "kernels.h"
