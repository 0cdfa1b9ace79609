// The kernels of csrc/gan_bce.h: each call goes to the instruction set in use.
#include "../gan_bce.h"
#include "dispatch.h"

namespace genbench::cpu {

#define GENBENCH_DECLARE(set)                                                  \
  namespace set {                                                              \
  template <typename T>                                                        \
  void gan_bce_forward(const GanBceForward<T>&, int64_t begin, int64_t end);   \
  template <typename T>                                                        \
  void gan_bce_backward(const GanBceBackward<T>&, int64_t begin, int64_t end); \
  }
GENBENCH_FOR_EACH_SET(GENBENCH_DECLARE)
#undef GENBENCH_DECLARE

template <typename T>
void gan_bce_forward(const GanBceForward<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(gan_bce_forward<T>)(job, begin, end);
}

template <typename T>
void gan_bce_backward(const GanBceBackward<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(gan_bce_backward<T>)(job, begin, end);
}

template <typename T>
void gan_bce_finish(const GanBceForward<T>& job) {
  double loss = 0;
  const double* partial = job.partial;
  for (const GanBceSide<T>& side : job.side) {
    if (side.count == 0) continue;
    double sum = 0;
    for (int64_t i = 0; i < chunk_count(side.count); ++i) sum += *partial++;
    loss += side.weight * sum / static_cast<double>(side.count);
  }
  *job.loss = static_cast<compute_t<T>>(loss);
}

#define GENBENCH_INSTANTIATE(T)                                                  \
  template void gan_bce_forward<T>(const GanBceForward<T>&, int64_t, int64_t);   \
  template void gan_bce_backward<T>(const GanBceBackward<T>&, int64_t, int64_t); \
  template void gan_bce_finish<T>(const GanBceForward<T>&);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu
