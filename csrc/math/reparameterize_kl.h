// z = mu + sigma eps and KL(N(mu, sigma^2) || N(0, 1)), with slopes.
// Kingma and Welling 2013, arXiv 1312.6114, section 2.4 and appendix B.
#pragma once

#include "elementary.h"

namespace genbench {

// exp(logvar / 2) and exp(logvar) - 1 from one exponential: the second is
// (sigma - 1)(sigma + 1), with sigma - 1 to full precision near the prior.
template <typename T>
struct Spread {
  T sigma, variance_less_one;
};

template <typename T>
GENBENCH_INLINE Spread<T> spread(T logvar) {
  const Exponential<T> half = exponential(T(0.5) * logvar);
  return {half.exp, half.expm1 * (half.expm1 + T(2))};
}

template <typename T>
struct Latent {
  T z, kl;  // kl in nats
};

template <typename T>
GENBENCH_INLINE Latent<T> latent(T mu, T logvar, T eps) {
  const Spread<T> s = spread(logvar);
  return {mu + s.sigma * eps, T(0.5) * (mu * mu + (s.variance_less_one - logvar))};
}

// What reaches z and kl. A gradient that is absent takes no part: 0 * infinity would.
template <typename T>
struct LatentGradient {
  T z, kl;
  bool has_z, has_kl;
};

template <typename T>
struct LatentSlopes {
  T mu, logvar;
};

template <typename T>
GENBENCH_INLINE LatentSlopes<T> latent_slopes(T mu, T logvar, T eps, LatentGradient<T> grad) {
  const Spread<T> s = spread(logvar);
  const T mu_z = grad.has_z ? grad.z : T(0);
  const T mu_kl = grad.has_kl ? grad.kl * mu : T(0);
  const T logvar_z = grad.has_z ? grad.z * (s.sigma * eps) : T(0);
  const T logvar_kl = grad.has_kl ? grad.kl * s.variance_less_one : T(0);
  return {mu_z + mu_kl, T(0.5) * (logvar_z + logvar_kl)};
}

}  // namespace genbench
