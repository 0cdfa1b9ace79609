// The kernels of csrc/reparameterize_kl.h: each call goes to the instruction set in use.
#include "../reparameterize_kl.h"
#include "dispatch.h"

namespace genbench::cpu {

#define GENBENCH_DECLARE(set)                                                                      \
  namespace set {                                                                                  \
  template <typename T>                                                                            \
  void reparameterize_kl_forward(const ReparameterizeKlForward<T>&, int64_t begin, int64_t end);   \
  template <typename T>                                                                            \
  void reparameterize_kl_backward(const ReparameterizeKlBackward<T>&, int64_t begin, int64_t end); \
  }
GENBENCH_FOR_EACH_SET(GENBENCH_DECLARE)
#undef GENBENCH_DECLARE

template <typename T>
void reparameterize_kl_forward(const ReparameterizeKlForward<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(reparameterize_kl_forward<T>)(job, begin, end);
}

template <typename T>
void reparameterize_kl_backward(const ReparameterizeKlBackward<T>& job, int64_t begin,
                                int64_t end) {
  GENBENCH_CHOOSE(reparameterize_kl_backward<T>)(job, begin, end);
}

template <typename T>
void reparameterize_kl_finish(const ReparameterizeKlForward<T>& job) {
  const int64_t chunks = chunk_count(job.cols);
  for (int64_t row = 0; row < job.rows; ++row) {
    double sum = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += job.partial[row * chunks + chunk];
    job.kl[row] = static_cast<compute_t<T>>(sum);
  }
}

#define GENBENCH_INSTANTIATE(T)                                                                    \
  template void reparameterize_kl_forward<T>(const ReparameterizeKlForward<T>&, int64_t, int64_t); \
  template void reparameterize_kl_backward<T>(const ReparameterizeKlBackward<T>&, int64_t,         \
                                              int64_t);                                            \
  template void reparameterize_kl_finish<T>(const ReparameterizeKlForward<T>&);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu
