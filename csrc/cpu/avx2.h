// Compiles what follows it in a source for machines with AVX2 and FMA.
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

#pragma GCC target("avx2,fma,bmi2")
#define GENBENCH_SET avx2
#if defined(__clang__) && !defined(__AVX2__)
#define GENBENCH_VECTOR_BYTES 0  // Clang takes no target from a pragma
#else
#define GENBENCH_VECTOR_BYTES 32
#endif
