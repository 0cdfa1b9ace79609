// The kernels of csrc/interpolate.h: each call goes to the instruction set in use.
#include "../interpolate.h"
#include "dispatch.h"

namespace genbench::cpu {

#define GENBENCH_DECLARE(set)                                                           \
  namespace set {                                                                       \
  template <typename T>                                                                 \
  void interpolate(const Interpolate<T>&, int64_t begin, int64_t end);                  \
  template <typename T>                                                                 \
  void interpolate_backward(const InterpolateBackward<T>&, int64_t begin, int64_t end); \
  }
GENBENCH_FOR_EACH_SET(GENBENCH_DECLARE)
#undef GENBENCH_DECLARE

template <typename T>
void interpolate(const Interpolate<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(interpolate<T>)(job, begin, end);
}

template <typename T>
void interpolate_backward(const InterpolateBackward<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(interpolate_backward<T>)(job, begin, end);
}

#define GENBENCH_INSTANTIATE(T)                                          \
  template void interpolate<T>(const Interpolate<T>&, int64_t, int64_t); \
  template void interpolate_backward<T>(const InterpolateBackward<T>&, int64_t, int64_t);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu
