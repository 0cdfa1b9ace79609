// The kernels of csrc/ddpm.h: each call goes to the instruction set in use.
#include "../ddpm.h"
#include "dispatch.h"

namespace genbench::cpu {

#define GENBENCH_DECLARE(set)                                                               \
  namespace set {                                                                           \
  template <typename T>                                                                     \
  void ddpm_add_noise(const DdpmAddNoise<T>&, int64_t begin, int64_t end);                  \
  template <typename T>                                                                     \
  void ddpm_add_noise_backward(const DdpmAddNoiseBackward<T>&, int64_t begin, int64_t end); \
  template <typename T>                                                                     \
  void ddpm_step(const DdpmStep<T>&, int64_t begin, int64_t end);                           \
  template <typename T>                                                                     \
  void ddpm_step_backward(const DdpmStepBackward<T>&, int64_t begin, int64_t end);          \
  }
GENBENCH_FOR_EACH_SET(GENBENCH_DECLARE)
#undef GENBENCH_DECLARE

template <typename T>
void ddpm_add_noise(const DdpmAddNoise<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(ddpm_add_noise<T>)(job, begin, end);
}

template <typename T>
void ddpm_add_noise_backward(const DdpmAddNoiseBackward<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(ddpm_add_noise_backward<T>)(job, begin, end);
}

template <typename T>
void ddpm_step(const DdpmStep<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(ddpm_step<T>)(job, begin, end);
}

template <typename T>
void ddpm_step_backward(const DdpmStepBackward<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(ddpm_step_backward<T>)(job, begin, end);
}

#define GENBENCH_INSTANTIATE(T)                                                               \
  template void ddpm_add_noise<T>(const DdpmAddNoise<T>&, int64_t, int64_t);                  \
  template void ddpm_add_noise_backward<T>(const DdpmAddNoiseBackward<T>&, int64_t, int64_t); \
  template void ddpm_step<T>(const DdpmStep<T>&, int64_t, int64_t);                           \
  template void ddpm_step_backward<T>(const DdpmStepBackward<T>&, int64_t, int64_t);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu
