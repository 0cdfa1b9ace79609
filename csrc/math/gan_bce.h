// bce(x, t) = (1 - t) softplus(x) + t softplus(-x) of a logit and its target, with its slope.
// Goodfellow et al. 2014, arXiv 1406.2661, equation 1.
#pragma once

#include "elementary.h"

namespace genbench {

template <typename T>
struct Bce {
  T loss;   // nats
  T slope;  // by the logit
};

// softplus(-|x|) and the sigmoids of |x| and -|x|, all from exp(-|x|): no tail loses its digits.
template <typename T>
struct Tail {
  T softplus, sure, rest;
};

template <typename T>
GENBENCH_INLINE Tail<T> tail(T x) {
  const T e = exponential_of_negative(-magnitude(x));
  const T sure = T(1) / (T(1) + e);
  return {log1p_unit(e), sure, e * sure};
}

// bce(x, 0): softplus(x), whose slope is sigmoid(x). bce(x, 1) is that of -x.
template <typename T>
GENBENCH_INLINE Bce<T> bce_of_fake(T x) {
  const Tail<T> at = tail(x);
  const bool positive = x > 0;
  return {(positive ? x : T(0)) + at.softplus, positive ? at.sure : at.rest};
}

// The slope is sigmoid(x) - t.
template <typename T>
GENBENCH_INLINE Bce<T> bce(T x, T t) {
  const Tail<T> at = tail(x);
  const bool positive = x > 0;
  // The weights of the outcome that the logit speaks against, and of the one it speaks for.
  const T against = positive ? T(1) - t : t, with = positive ? t : T(1) - t;
  const T linear = against == T(0) ? T(0) : magnitude(x) * against;  // 0 * inf would be NaN
  const T slope = against * at.sure - with * at.rest;
  return {linear + at.softplus, positive ? slope : -slope};
}

// How many of the 2^32 words w have (w + 1/2) / 2^32 < probability, compared without rounding:
// they are the words below this number.
GENBENCH_INLINE uint64_t words_below(double probability) {
  const double words = probability * 0x1p32 - 0.5;  // exact where it is positive
  if (words <= 0) return 0;
  const uint64_t whole = static_cast<uint64_t>(words);
  return static_cast<double>(whole) < words ? whole + 1 : whole;
}

}  // namespace genbench
