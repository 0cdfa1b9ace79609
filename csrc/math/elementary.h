// Elementary functions without branches or tables, so that loops over them vectorise.
//
// Coefficients: Cephes (Moshier 1992) in float, fdlibm (Sun 1993) and Taylor in double.
// Errors over the ranges given: float within 2e-7, double within 1e-15.
#pragma once

#include "platform.h"

namespace genbench {

// |x| as one instruction.
GENBENCH_INLINE float magnitude(float x) { return __builtin_fabsf(x); }
GENBENCH_INLINE double magnitude(double x) { return __builtin_fabs(x); }

// x ** (1/2) as one instruction.
GENBENCH_INLINE float square_root(float x) { return __builtin_sqrtf(x); }
GENBENCH_INLINE double square_root(double x) { return __builtin_sqrt(x); }

// ln(1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1].
GENBENCH_INLINE float log1p_reduced(float f) {
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const float square = f * f;
  return f + (p * f * square - 0.5f * square);
}

GENBENCH_INLINE double log1p_reduced(double f) {
  const double s = f / (2.0 + f), z = s * s, half_square = 0.5 * f * f;
  double p = 1.479819860511658591e-1;
  p = p * z + 1.531383769920937332e-1;
  p = p * z + 1.818357216161805012e-1;
  p = p * z + 2.222219843214978396e-1;
  p = p * z + 2.857142874366239149e-1;
  p = p * z + 3.999999999940941908e-1;
  p = p * z + 6.666666666666735130e-1;
  return f - (half_square - s * (half_square + p * z));
}

// ln(1 + x) for x in [0, 1], to full relative precision: twice the area tangent of x / (2 + x), a
// minimax polynomial; in double above sqrt(2) - 1 by half of 1 + x.
GENBENCH_INLINE float log1p_unit(float x) {
  const float z = x / (2.0f + x), square = z * z;
  float p = 0.2685149802f;
  p = p * square + 0.2823661981f;
  p = p * square + 0.4000756064f;
  p = p * square + 0.6666664034f;
  return z * (2.0f + square * p);
}

GENBENCH_INLINE double log1p_unit(double x) {
  const bool large = x > 0.41421356237309505;
  const double f = large ? 0.5 * (x - 1.0) : x;
  return (large ? 0.69314718055994531 : 0.0) + log1p_reduced(f);
}

// sin x and cos x for |x| <= pi / 4.
GENBENCH_INLINE float sine_reduced(float x) {
  const float z = x * x;
  float p = -1.9515295891e-4f;
  p = p * z + 8.3321608736e-3f;
  p = p * z - 1.6666654611e-1f;
  return x + x * z * p;
}

GENBENCH_INLINE float cosine_reduced(float x) {
  const float z = x * x;
  float p = 2.443315711809948e-5f;
  p = p * z - 1.388731625493765e-3f;
  p = p * z + 4.166664568298827e-2f;
  return 1.0f + z * (p * z - 0.5f);
}

GENBENCH_INLINE double sine_reduced(double x) {
  const double z = x * x;
  double p = 1.58969099521155010221e-10;
  p = p * z - 2.50507602534068634195e-8;
  p = p * z + 2.75573137070700676789e-6;
  p = p * z - 1.98412698298579493134e-4;
  p = p * z + 8.33333333332248946124e-3;
  p = p * z - 1.66666666666666324348e-1;
  return x + x * z * p;
}

GENBENCH_INLINE double cosine_reduced(double x) {
  const double z = x * x;
  double p = -1.13596475577881948265e-11;
  p = p * z + 2.08757232129817482790e-9;
  p = p * z - 2.75573143513906633035e-7;
  p = p * z + 2.48015872894767294178e-5;
  p = p * z - 1.38888888888741095749e-3;
  p = p * z + 4.16666666666666019037e-2;
  return 1.0 + z * (p * z - 0.5);
}

// exp(r) - 1 for |r| <= ln(2) / 2.
GENBENCH_INLINE float expm1_reduced(float r) {
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return r + r * r * p;
}

GENBENCH_INLINE double expm1_reduced(double r) {
  double p = 1.0 / 6227020800.0;  // 1 / 13!: the next term is below 2e-17
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  return r + r * r * p;
}

// A real type's constants for the reductions below.
template <typename T>
struct Real;
template <>
struct Real<float> {
  using bits = uint32_t;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr bits sqrt_half = 0x3f3504f3u;
  // ln 2 in two parts: the first has trailing zero bits, so that n * high is exact.
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  static constexpr float round = 12582912.0f;  // 3 * 2^22: adding it rounds to an integer
  static constexpr float least = -86.5f, most = 89.0f;
};
template <>
struct Real<double> {
  using bits = uint64_t;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr bits sqrt_half = 0x3fe6a09e667f3bcdu;
  static constexpr double ln2_high = 6.93147180369123816490e-1;
  static constexpr double ln2_low = 1.90821492927058770002e-10;
  static constexpr double round = 6755399441055744.0;  // 3 * 2^51
  static constexpr double least = -708.0, most = 710.0;
};

// exp(x) and exp(x) - 1, both to full relative precision; below `least` 0 and -1.
template <typename T>
struct Exponential {
  T exp, expm1;
};

template <typename T>
GENBENCH_INLINE Exponential<T> exponential(T x) {
  using R = Real<T>;
  using B = typename R::bits;
  T y = x < R::most ? x : R::most;
  y = x < R::least ? R::least : y;
  y = x == x ? y : x;
  const T shifted = y * T(1.4426950408889634) + R::round;
  const T n = shifted - R::round;
  const T p = expm1_reduced((y - n * R::ln2_high) - n * R::ln2_low);
  // Half of 2^n: 2^128 itself would overflow where the result still fits.
  const B exponent = bits_as<B>(shifted) + B(R::bias - 1);
  const T power = bits_as<T>(B(exponent << R::mantissa));
  const T half = x < R::least ? T(0) : power;
  return {2 * (half + half * p), 2 * (half * p + (half - T(0.5)))};
}

// exp(x) for x <= 0; below `least` 0.
template <typename T>
GENBENCH_INLINE T exponential_of_negative(T x) {
  using R = Real<T>;
  using B = typename R::bits;
  const T y = x < R::least ? R::least : x;
  const T shifted = y * T(1.4426950408889634) + R::round;
  const T n = shifted - R::round;
  const T p = expm1_reduced((y - n * R::ln2_high) - n * R::ln2_low);
  const B exponent = bits_as<B>(shifted) + B(R::bias);
  const T power = x < R::least ? T(0) : bits_as<T>(B(exponent << R::mantissa));
  return power + power * p;
}

}  // namespace genbench
