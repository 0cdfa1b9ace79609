// The neighbours kernels for machines with AVX-512 F, DQ, BW and VL.
#if defined(__x86_64__)
#include "avx512.h"  // first
#include "neighbours_kernel.h"
#endif
