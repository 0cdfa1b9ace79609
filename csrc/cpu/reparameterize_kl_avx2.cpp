// The reparameterize_kl kernels for machines with AVX2 and FMA.
#if defined(__x86_64__)
#include "avx2.h"  // first
#include "reparameterize_kl_kernel.h"
#endif
