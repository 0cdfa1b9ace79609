// The gan_bce kernels for machines with AVX-512 F, DQ, BW and VL.
#if defined(__x86_64__)
#include "avx512.h"  // first
#include "gan_bce_kernel.h"
#endif
