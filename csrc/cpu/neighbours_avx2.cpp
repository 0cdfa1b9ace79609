// The neighbours kernels for machines with AVX2 and FMA.
#if defined(__x86_64__)
#include "avx2.h"  // first
#include "neighbours_kernel.h"
#endif
