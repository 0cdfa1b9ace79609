// Compiles what follows it in a source for machines with AVX-512 F, DQ, BW and VL.
#pragma once

#include <immintrin.h>  // these before the pragma: what they declare is the same on every machine

#include <cstdint>
#include <cstring>

#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi2,prefer-vector-width=512")
#define GENBENCH_SET avx512
#define GENBENCH_VECTOR_BYTES 64
