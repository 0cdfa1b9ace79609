// The noise kernels for machines with AVX2 and FMA.
#if defined(__x86_64__)
#include "avx2.h"  // first
#include "noise_kernel.h"
#endif
