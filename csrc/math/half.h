// Storage types bfloat16 and IEEE binary16: bits in memory, arithmetic in float.
//
// Both directions are branch-free so that loops over them vectorise on every instruction set.
#pragma once

#include "platform.h"

namespace genbench {

struct bfloat16 {
  uint16_t bits;
};

struct float16 {
  uint16_t bits;
};

// The type that sums and formulas over T are evaluated in.
template <typename T>
struct Compute {
  using type = float;
};
template <>
struct Compute<double> {
  using type = double;
};
template <typename T>
using compute_t = typename Compute<T>::type;

GENBENCH_INLINE float load(const float* at) { return *at; }
GENBENCH_INLINE double load(const double* at) { return *at; }

GENBENCH_INLINE float load(const bfloat16* at) {
  return bits_as<float>(static_cast<uint32_t>(at->bits) << 16);
}

GENBENCH_INLINE float load(const float16* at) {
#if defined(__CUDA_ARCH__)  // one instruction, and no CUDA header to read
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(at->bits));
  return value;
#else
  const uint32_t sign = static_cast<uint32_t>(at->bits & 0x8000u) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(at->bits & 0x7fffu) << 13;
  // 2^112 moves the exponent's bias from 15 to 127; it normalises subnormals on the way.
  const float scaled = bits_as<float>(magnitude) * 0x1p112f;
  const uint32_t special = magnitude >= 0x0f800000u ? 0x7f800000u : 0u;
  return bits_as<float>(bits_as<uint32_t>(scaled) | special | sign);
#endif
}

GENBENCH_INLINE void store(float* at, float value) { *at = value; }
GENBENCH_INLINE void store(double* at, double value) { *at = value; }

// To nearest, ties to even; NaN stays NaN.
GENBENCH_INLINE void store(bfloat16* at, float value) {
#if defined(__CUDA_ARCH__)
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(at->bits) : "f"(value));
#else
  const uint32_t bits = bits_as<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  at->bits = static_cast<uint16_t>(nan ? 0x7fc0u : rounded);
#endif
}

GENBENCH_INLINE void store(float16* at, float value) {
#if defined(__CUDA_ARCH__)
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(at->bits) : "f"(value));
#else
  const uint32_t bits = bits_as<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // Adding 1/2 aligns a subnormal's last bit with the float's: the addition rounds it.
  const uint32_t subnormal = bits_as<uint32_t>(bits_as<float>(magnitude) + 0.5f) - 0x3f000000u;
  uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
  half = magnitude >= 0x477ff000u ? 0x7c00u : half;  // 65520 and above round to infinity
  half = magnitude > 0x7f800000u ? 0x7e00u : half;
  at->bits = static_cast<uint16_t>(sign | half);
#endif
}

}  // namespace genbench
