// Uniform and normal numbers from the words of a Philox block. Box and Muller 1958.
#pragma once

#include "elementary.h"
#include "philox.h"

namespace genbench {

// w + 1/2, rounded once: both halves of the word are exact, and 65536 times the upper one too.
template <typename T>
GENBENCH_INLINE T word_and_half(uint32_t w) {
  const T high = static_cast<T>(static_cast<int32_t>(w >> 16));
  const T low = static_cast<T>(static_cast<int32_t>(w & 0xffffu));
  return high * T(65536) + (low + T(0.5));
}

// u = (w + 1/2) / 2^32, in (0, 1) in double; in float the largest words round to 1.
template <typename T>
GENBENCH_INLINE T uniform(uint32_t w) {
  return word_and_half<T>(w) * T(0x1p-32);
}

// sqrt(-2 ln u(w)).
template <typename T>
GENBENCH_INLINE T radius(uint32_t w) {
  using R = Real<T>;
  using B = typename R::bits;
  const B one = bits_as<B>(T(1));
  const B shifted = bits_as<B>(word_and_half<T>(w)) + (one - R::sqrt_half);
  const int32_t exponent = static_cast<int32_t>(shifted >> R::mantissa) - (R::bias + 32);
  const B mantissa = (shifted & ((B(1) << R::mantissa) - 1)) + R::sqrt_half;
  // Near u = 1 the rounding of u would cost 5e-4 of the radius: 1 - u is exact there.
  const T f = exponent == 0 ? -uniform<T>(~w) : bits_as<T>(mantissa) - T(1);
  const T log_u = static_cast<T>(exponent) * T(0.69314718055994531) + log1p_reduced(f);
  return square_root(T(-2) * log_u);
}

template <typename T>
struct Pair {
  T first, second;
};

// Two independent standard normals, r cos(2 pi u(w1)) and r sin(2 pi u(w1)), r = radius(w0).
template <typename T>
GENBENCH_INLINE Pair<T> box_muller(uint32_t w0, uint32_t w1) {
  // The angle in quarter turns and a rest within an eighth of a turn, in exact arithmetic.
  const uint32_t quarter = w1 + 0x20000000u;
  const int32_t rest = static_cast<int32_t>((quarter & 0x3fffffffu)) - 0x20000000;
  const T angle = (static_cast<T>(rest) + T(0.5)) * T(6.283185307179586 * 0x1p-32);
  const T sine = sine_reduced(angle), cosine = cosine_reduced(angle);
  const bool swap = (quarter & 0x40000000u) != 0;
  const T r = radius<T>(w0);
  const T x = swap ? sine : cosine, y = swap ? cosine : sine;
  const bool x_negative = ((quarter + 0x40000000u) & 0x80000000u) != 0;
  const bool y_negative = (quarter & 0x80000000u) != 0;
  return {x_negative ? -r * x : r * x, y_negative ? -r * y : r * y};
}

}  // namespace genbench
