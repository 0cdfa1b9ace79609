// A point on the segment between a real and a fake sample. Gulrajani et al. 2017, arXiv
// 1704.00028, algorithm 1, line 6.
#pragma once

#include "platform.h"

namespace genbench {

template <typename T>
struct SegmentWeights {
  T real, fake;
};

// 1 - alpha is rounded once: alpha comes in double, whatever it is stored in.
template <typename T>
GENBENCH_INLINE SegmentWeights<T> segment_weights(double alpha) {
  return {static_cast<T>(alpha), static_cast<T>(1 - alpha)};
}

// Two products, not fake + alpha (real - fake): both ends are exact.
template <typename T>
GENBENCH_INLINE T segment_point(SegmentWeights<T> weight, T real, T fake) {
  return weight.real * real + weight.fake * fake;
}

}  // namespace genbench
