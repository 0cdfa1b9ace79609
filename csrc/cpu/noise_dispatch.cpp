// The kernels of csrc/noise.h: each call goes to the instruction set in use.
#include "../math/half.h"
#include "../noise.h"
#include "dispatch.h"

namespace genbench::cpu {

#define GENBENCH_DECLARE(set)                                \
  namespace set {                                            \
  template <typename T>                                      \
  void uniform(const Noise<T>&, int64_t begin, int64_t end); \
  template <typename T>                                      \
  void normal(const Noise<T>&, int64_t begin, int64_t end);  \
  }
GENBENCH_FOR_EACH_SET(GENBENCH_DECLARE)
#undef GENBENCH_DECLARE

template <typename T>
void uniform(const Noise<T>& noise, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(uniform<T>)(noise, begin, end);
}

template <typename T>
void normal(const Noise<T>& noise, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(normal<T>)(noise, begin, end);
}

#define GENBENCH_INSTANTIATE(T)                                \
  template void uniform<T>(const Noise<T>&, int64_t, int64_t); \
  template void normal<T>(const Noise<T>&, int64_t, int64_t);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu
