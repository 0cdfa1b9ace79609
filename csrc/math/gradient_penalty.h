// (||g|| - c)^2 of a sample's gradient g, and its slope. Gulrajani et al. 2017, arXiv 1704.00028,
// equation 3; Mescheder et al. 2018, arXiv 1801.04406, equation 9.
#pragma once

#include "elementary.h"
#include "half.h"

namespace genbench {

// The norm is measured against `center`; one-sided, only norms above it count.
struct Penalty {
  double center;
  bool one_sided;
};

// What a sample adds to the sum, and the factor that makes g its slope.
struct PenaltyTerm {
  double term, slope;
};

// squares: ||g||^2. At most `tiny`, the smallest normal number of the type that g is computed in,
// it counts as zero: the root has no slope there, and higher derivatives would overflow.
GENBENCH_INLINE PenaltyTerm penalty_term(Penalty penalty, double norm, double squares,
                                         double tiny) {
  const double above = norm - penalty.center;
  const double excess = penalty.one_sided && above < 0 ? 0 : above;
  const bool zero = squares <= tiny;
  const double at_zero = squares + penalty.center * penalty.center;
  const PenaltyTerm by_norm = {excess * excess, 2 * excess / (zero ? 1 : norm)};
  const PenaltyTerm by_squares = {penalty.one_sided ? 0 : at_zero, penalty.one_sided ? 0.0 : 2.0};
  const PenaltyTerm off_center = zero ? by_squares : by_norm;
  return penalty.center == 0 ? PenaltyTerm{squares, 2} : off_center;
}

// Below which ||g||^2 counts as zero.
template <typename C>
struct Tiny;
template <>
struct Tiny<float> {
  static constexpr double value = 0x1p-126;
};
template <>
struct Tiny<double> {
  static constexpr double value = 0x1p-1022;
};

// Squares of doubles may overflow, or lose their digits below 2^-1022. Of float and half they do
// neither, in double. NaN counts as safe: no scale mends it.
GENBENCH_INLINE bool safe_squares(double squares) {
  return !(squares < 0x1p-900 || squares > 0x1.fffffffffffffp1023);
}

// The power of two that keeps the squares of such a row in range, and with it the digits.
GENBENCH_INLINE double safe_scale(double squares) { return squares < 1 ? 0x1p600 : 0x1p-600; }

// The norm of a row whose squares are not safe, by a second pass.
template <typename T>
GENBENCH_INLINE double scaled_norm(const T* row, int64_t cols, double squares) {
  const double scale = safe_scale(squares);
  double sum = 0;
  for (int64_t i = 0; i < cols; ++i) {
    const double value = load(row + i) * scale;
    sum += value * value;
  }
  return square_root(sum) / scale;
}

}  // namespace genbench
