// The CUDA kernels of csrc/gradient_penalty.h.
#include "../gradient_penalty.h"

#include "reduce.cuh"
#include "rows.cuh"

namespace genbench::cuda {
namespace {

// Memory of a forward pass. A unit is what leaves one term: the short rows of a block's turn, or
// one long row.
struct Scratch {
  double* term;        // [units]
  double* part;        // [rows, segments] sums of squares, where rows have several segments
  uint32_t* row_done;  // [rows] tickets, or null
  uint32_t* all_done;  // [1] ticket, or null: one block does everything
};

struct Plan {
  int width;  // threads of a short row; 0: rows are long
  int64_t units, segments;

  int64_t parts(int64_t rows) const { return segments > 1 ? rows * segments : 0; }
  int64_t tickets(int64_t rows) const { return 1 + (segments > 1 ? rows : 0); }
};

template <typename T>
Plan plan_of(int64_t rows, int64_t cols) {
  if (cols > kShortRow) return {0, rows, segment_count(cols)};
  const int width = row_width<T>(cols);
  const int64_t rows_of_unit = kThreads / width;
  return {width, (rows + rows_of_unit - 1) / rows_of_unit, 1};
}

// This thread's share of the sum of (scale g)^2 over the elements [low, high), in double, where
// the squares of float neither overflow nor underflow.
template <typename T>
__device__ double squares_of(const T* gradients, int64_t low, int64_t high, int lane, int width,
                             double scale, bool vectors) {
  double sum = 0;
  const int64_t step = static_cast<int64_t>(width) * kPack<T>;
  for (int64_t begin = (low / kPack<T> + lane) * kPack<T>; begin < high; begin += step) {
    compute_t<T> g[kPack<T>];
    load_pack(gradients, span_of<T>(begin, low, high, vectors), g);
#pragma unroll
    for (int i = 0; i < kPack<T>; ++i) {
      const double value = static_cast<double>(g[i]) * scale;
      sum += value * value;
    }
  }
  return sum;
}

// Rows of double alone can need a second pass.
template <typename T>
__device__ bool needs_scale(double squares) {
  return sizeof(T) == sizeof(double) && !safe_squares(squares);
}

template <typename T>
__device__ double leave_term(const GradientPenaltyForward<T>& job, int64_t row, double norm,
                             double squares) {
  const PenaltyTerm at = penalty_term(job.penalty, norm, squares, Tiny<compute_t<T>>::value);
  if (job.slope != nullptr) job.slope[row] = at.slope;
  return at.term;
}

// The mean of all terms, by the last block that comes here.
template <typename T>
__device__ void finish(const GradientPenaltyForward<T>& job, const Scratch& scratch,
                       int64_t units) {
  if (!is_last(scratch.all_done, gridDim.x)) return;
  const double sum = sum_partials(scratch.term, units);
  if (threadIdx.x == 0) {
    *job.mean = static_cast<compute_t<T>>(sum / static_cast<double>(job.rows));
  }
}

// Short rows: `width` threads each.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    forward_rows(GradientPenaltyForward<T> job, Scratch scratch, int64_t units, int width,
                 bool vectors) {
  const int lane = threadIdx.x & (width - 1);
  for (int64_t unit = blockIdx.x; unit < units; unit += gridDim.x) {
    const int64_t row = (unit * kThreads + threadIdx.x) / width;
    const bool there = row < job.rows;
    const int64_t low = there ? row * job.cols : 0, high = there ? low + job.cols : 0;
    double squares =
        group_sum(squares_of(job.gradients, low, high, lane, width, 1, vectors), width);
    double norm = square_root(squares);
    const bool again = there && needs_scale<T>(squares);
    if (__any_sync(0xffffffffu, again)) {  // a warp stays together: its threads exchange sums
      const double scale = safe_scale(squares);
      const double sum =
          group_sum(squares_of(job.gradients, low, high, lane, width, scale, vectors), width);
      norm = again ? square_root(sum) / scale : norm;
      squares = again ? norm * norm : squares;
    }
    const bool first = there && lane == 0;
    const double term = block_sum(first ? leave_term(job, row, norm, squares) : 0.0);
    if (threadIdx.x == 0) scratch.term[unit] = term;
  }
  finish(job, scratch, units);
}

// The term of a long row from the sum of its squares.
template <typename T>
__device__ void row_term(const GradientPenaltyForward<T>& job, int64_t row, double squares,
                         double* term, bool vectors) {
  double norm = square_root(squares);
  if (needs_scale<T>(squares)) {  // the same for all threads
    const double scale = safe_scale(squares);
    const int64_t low = row * job.cols;
    norm = square_root(block_sum(squares_of(job.gradients, low, low + job.cols, threadIdx.x,
                                            kThreads, scale, vectors))) /
           scale;
    squares = norm * norm;
  }
  if (threadIdx.x == 0) term[row] = leave_term(job, row, norm, squares);
}

// Long rows: a block for every segment.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    forward_segments(GradientPenaltyForward<T> job, Scratch scratch, int64_t segments,
                     bool vectors) {
  for (int64_t unit = blockIdx.x; unit < job.rows * segments; unit += gridDim.x) {
    const int64_t row = quotient(unit, segments), segment = unit - row * segments;
    const int64_t low = row * job.cols + segment * kSegment, end = (row + 1) * job.cols;
    const int64_t high = low + kSegment < end ? low + kSegment : end;
    double squares =
        block_sum(squares_of(job.gradients, low, high, threadIdx.x, kThreads, 1, vectors));
    if (segments > 1) {
      double* const of_row = scratch.part + row * segments;
      if (threadIdx.x == 0) of_row[segment] = squares;
      if (!is_last(scratch.row_done + row, segments)) continue;
      squares = sum_partials(of_row, segments);
    }
    row_term(job, row, squares, scratch.term, vectors);
  }
  finish(job, scratch, job.rows);
}

template <typename T>
__global__ void __launch_bounds__(kThreads) backward(GradientPenaltyBackward<T> job, bool vectors) {
  using C = compute_t<T>;
  const double scale = static_cast<double>(*job.grad_mean) / static_cast<double>(job.rows);
  const auto factor = [&job, scale](int64_t row) { return static_cast<C>(job.slope[row] * scale); };
  auto factors = row_weights<C>(factor, job.cols);
  const int64_t size = job.rows * job.cols;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t pack = first_thread(); pack < pack_count<T>(size); pack += step) {
    const Span span = span_of<T>(pack * kPack<T>, 0, size, vectors);
    C g[kPack<T>];
    load_pack(job.gradients, span, g);
    factors.template over<kPack<T>>(span, [&](int i, C of_row) { g[i] *= of_row; });
    store_pack(g, span, job.out);
  }
}

Scratch prepare(double* memory, const Plan& plan, int64_t rows, bool shared, Stream stream) {
  double* const part = memory + plan.units;
  auto* const all_done = reinterpret_cast<uint32_t*>(part + plan.parts(rows));
  if (!shared) return {memory, part, nullptr, nullptr};
  zero_tickets(all_done, plan.tickets(rows), stream);
  return {memory, part, all_done + 1, all_done};
}

}  // namespace

template <typename T>
int64_t gradient_penalty_partials(int64_t rows, int64_t cols) {
  const Plan plan = plan_of<T>(rows, cols);
  return plan.units + plan.parts(rows) + (plan.tickets(rows) + 1) / 2;
}

template <typename T>
void gradient_penalty_forward(const GradientPenaltyForward<T>& job, Stream stream) {
  constexpr const char* name = "gradient_penalty_forward";
  if (job.rows == 0) return;
  const Plan plan = plan_of<T>(job.rows, job.cols);
  const unsigned blocks = blocks_for(plan.units * plan.segments, 1);
  const Scratch scratch = prepare(job.partial, plan, job.rows, blocks > 1, stream);
  const bool vectors = all_aligned(job.gradients);
  if (plan.width > 0) {
    launch(name, forward_rows<T>, blocks, stream, job, scratch, plan.units, plan.width, vectors);
  } else {
    launch(name, forward_segments<T>, blocks, stream, job, scratch, plan.segments, vectors);
  }
}

template <typename T>
void gradient_penalty_backward(const GradientPenaltyBackward<T>& job, Stream stream) {
  const int64_t packs = pack_count<T>(job.rows * job.cols);
  if (packs == 0) return;
  launch("gradient_penalty_backward", backward<T>, blocks_for(packs, kThreads), stream, job,
         all_aligned(job.gradients, job.out));
}

#define GENBENCH_INSTANTIATE(T)                                                        \
  template int64_t gradient_penalty_partials<T>(int64_t rows, int64_t cols);           \
  template void gradient_penalty_forward<T>(const GradientPenaltyForward<T>&, Stream); \
  template void gradient_penalty_backward<T>(const GradientPenaltyBackward<T>&, Stream);
GENBENCH_FOR_EACH_TYPE(GENBENCH_INSTANTIATE)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cuda
