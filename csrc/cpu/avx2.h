// Compiles what follows it in a source for machines with AVX2 and FMA.
#pragma once

#include <immintrin.h>  // these before the pragma: what they declare is the same on every machine

#include <cstdint>
#include <cstring>

#pragma GCC target("avx2,fma,bmi2")
#define GENBENCH_SET avx2
#define GENBENCH_VECTOR_BYTES 32
