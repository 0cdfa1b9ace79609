// Compiles what follows it in a source for machines with AVX-512 F, DQ, BW and VL.
#pragma once

// These before the target: what they declare is the same on every machine.
#include <cstdint>
#include <cstring>
// g++ 12 warns of its own idiom for an undefined vector.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi2,prefer-vector-width=512")
#define GENBENCH_SET avx512
#if defined(__clang__) && !defined(__AVX512F__)
#define GENBENCH_VECTOR_BYTES 0  // Clang takes no target from a pragma
#else
#define GENBENCH_VECTOR_BYTES 64
#endif
