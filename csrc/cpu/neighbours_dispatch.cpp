// The kernels of csrc/neighbours.h: each call goes to the instruction set in use.
#include "../neighbours.h"
#include "dispatch.h"
#include "neighbours_steps.h"

namespace genbench::cpu {

#define GENBENCH_DECLARE(set)                                               \
  namespace set {                                                           \
  template <typename T>                                                     \
  void nearest_others(const NearestOthers<T>&, int64_t begin, int64_t end); \
  template <typename T>                                                     \
  void nearest_in(const NearestIn<T>&, int64_t begin, int64_t end);         \
  template <typename T>                                                     \
  void count_inside(const CountInside<T>&, int64_t begin, int64_t end);     \
  }
GENBENCH_FOR_EACH_SET(GENBENCH_DECLARE)
#undef GENBENCH_DECLARE

int64_t nearest_others_steps(int64_t x_count) {
  const int64_t blocks = block_count(x_count);
  return blocks * (blocks / 2 + 1);
}

int64_t nearest_in_steps(int64_t x_count) { return block_count(x_count); }

int64_t count_inside_steps(int64_t x_count, int64_t y_count) {
  return block_count(x_count) * block_count(y_count);
}

template <typename T>
void nearest_others(const NearestOthers<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(nearest_others<T>)(job, begin, end);
}

template <typename T>
void nearest_in(const NearestIn<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(nearest_in<T>)(job, begin, end);
}

template <typename T>
void count_inside(const CountInside<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(count_inside<T>)(job, begin, end);
}

#define GENBENCH_INSTANTIATE(T)                                               \
  template void nearest_others<T>(const NearestOthers<T>&, int64_t, int64_t); \
  template void nearest_in<T>(const NearestIn<T>&, int64_t, int64_t);         \
  template void count_inside<T>(const CountInside<T>&, int64_t, int64_t);
GENBENCH_INSTANTIATE(float)
GENBENCH_INSTANTIATE(double)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu
