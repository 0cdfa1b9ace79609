// The gradient_penalty kernels for machines with AVX2 and FMA.
#if defined(__x86_64__)
#include <cstdint>  // before the pragma: what it declares is the same on every machine
#include <cstring>
#pragma GCC target("avx2,fma,bmi2")
#define GENBENCH_SET avx2
#include "gradient_penalty_kernel.h"
#endif
