// The gradient_penalty kernels for machines with AVX-512 F, DQ, BW and VL.
#if defined(__x86_64__)
#include <cstdint>  // before the pragma: what it declares is the same on every machine
#include <cstring>
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi2,prefer-vector-width=512")
#define GENBENCH_SET avx512
#include "gradient_penalty_kernel.h"
#endif
