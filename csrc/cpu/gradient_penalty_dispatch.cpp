// The kernels of csrc/gradient_penalty.h: each call goes to the instruction set in use.
#include "../gradient_penalty.h"
#include "dispatch.h"

namespace genbench::cpu {

#define GENBENCH_DECLARE(set)                                                                    \
  namespace set {                                                                                \
  template <typename T>                                                                          \
  void gradient_penalty_forward(const GradientPenaltyForward<T>&, int64_t begin, int64_t end);   \
  template <typename T>                                                                          \
  void gradient_penalty_backward(const GradientPenaltyBackward<T>&, int64_t begin, int64_t end); \
  }
GENBENCH_FOR_EACH_SET(GENBENCH_DECLARE)
#undef GENBENCH_DECLARE

template <typename T>
void gradient_penalty_forward(const GradientPenaltyForward<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(gradient_penalty_forward<T>)(job, begin, end);
}

template <typename T>
void gradient_penalty_backward(const GradientPenaltyBackward<T>& job, int64_t begin, int64_t end) {
  GENBENCH_CHOOSE(gradient_penalty_backward<T>)(job, begin, end);
}

namespace {

// The term of a row longer than a chunk, from the sums of its chunks.
template <typename T>
double long_row_term(const GradientPenaltyForward<T>& job, int64_t row) {
  const int64_t chunks = chunk_count(job.cols);
  double squares = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) squares += job.partial[row * chunks + chunk];
  double norm = square_root(squares);
  if (sizeof(T) == sizeof(double) && !safe_squares(squares)) {
    norm = scaled_norm(job.gradients + row * job.cols, job.cols, squares);
    squares = norm * norm;
  }
  const PenaltyTerm at = penalty_term(job.penalty, norm, squares, Tiny<compute_t<T>>::value);
  if (job.slope != nullptr) job.slope[row] = at.slope;
  return at.term;
}

}  // namespace

template <typename T>
void gradient_penalty_finish(const GradientPenaltyForward<T>& job) {
  double sum = 0;
  if (job.cols > kChunk) {
    for (int64_t row = 0; row < job.rows; ++row) sum += long_row_term(job, row);
  } else {
    for (int64_t i = 0; i < row_steps(job.rows, job.cols); ++i) sum += job.partial[i];
  }
  *job.mean = static_cast<compute_t<T>>(sum / static_cast<double>(job.rows));
}

#define GENBENCH_INSTANTIATE(T)                                                                    \
  template void gradient_penalty_forward<T>(const GradientPenaltyForward<T>&, int64_t, int64_t);   \
  template void gradient_penalty_backward<T>(const GradientPenaltyBackward<T>&, int64_t, int64_t); \
  template void gradient_penalty_finish<T>(const GradientPenaltyForward<T>&);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu
