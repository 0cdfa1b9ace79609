// What lets one formula compile for the host and for a device; no torch, no CUDA header.
#pragma once

#include <cstdint>
#include <cstring>

// Internal linkage: every instruction set compiles its own copy, so the linker cannot keep
// one that the machine lacks the instructions for.
#if defined(__CUDACC__)
#define GENBENCH_INLINE static __host__ __device__ __forceinline__
#define GENBENCH_MEMBER __host__ __device__ __forceinline__
#define GENBENCH_UNROLL(count) _Pragma("unroll")
#else
#define GENBENCH_INLINE static inline __attribute__((always_inline))
#define GENBENCH_MEMBER inline __attribute__((always_inline))
#define GENBENCH_PRAGMA(text) _Pragma(#text)
#define GENBENCH_UNROLL(count) GENBENCH_PRAGMA(GCC unroll count)
#endif

namespace genbench {

// The same bits under another type of the same size.
template <typename To, typename From>
GENBENCH_INLINE To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits_as keeps the size");
  To to;
  memcpy(&to, &from, sizeof(To));
  return to;
}

}  // namespace genbench
