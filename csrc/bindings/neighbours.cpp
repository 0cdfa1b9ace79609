// torch.ops.genbench.neighbours_others, neighbours_in and neighbours_inside: CPU alone.
#include "../neighbours.h"

#include <atomic>

#include "tensors.h"

namespace genbench::bindings {
namespace {

// What genbench/metrics/nearest.py hands over: panels (P, d, 32), and rows (N, d) where they are
// float32. The tensors must outlive the result.
template <typename T>
Points<T> points(const Tensor& panels, const OptionalTensor& rows, double scale, int64_t count,
                 const char* op) {
  check(panels.dim() == 3 && panels.size(2) == kPanel && panels.size(0) == panel_count(count), op,
        ": panels must be (rows / 32 rounded up, columns, 32)");
  check(panels.is_contiguous() && (!rows || rows->is_contiguous()), op, ": points must be dense");
  const float* wide = nullptr;
  if constexpr (std::is_same_v<T, float>) {
    check(rows && rows->scalar_type() == ScalarType::Float && rows->dim() == 2 &&
              rows->size(0) == count && rows->size(1) == panels.size(1),
          op, ": panels of float32 need float32 rows (rows, columns)");
    wide = read<float>(*rows);
  }
  return {read<T>(panels), wide, scale, count, panels.size(1)};
}

// Calls f with a null pointer of the type of the panels of both sets.
template <typename F>
void with_panels(const Tensor& panels, const Tensor& others, const char* op, F f) {
  cpu::instruction_set();  // throws here, not on a worker thread
  check(panels.scalar_type() == others.scalar_type() && panels.size(1) == others.size(1), op,
        ": the panels of x and y must have one dtype and width");
  if (panels.scalar_type() == ScalarType::Double) return f(static_cast<double*>(nullptr));
  check(panels.scalar_type() == ScalarType::Float, op, ": panels must be float32 or float64");
  f(static_cast<float*>(nullptr));
}

// A dense tensor (rows, ...) of the type T is stored as.
inline const Tensor& checked(const Tensor& tensor, ScalarType type, int64_t rows, const char* op,
                             const char* name) {
  check(tensor.scalar_type() == type && tensor.is_contiguous() && tensor.size(0) == rows, op, ": ",
        name, " must be dense, with ", rows, " rows, of type ", torch::headeronly::toString(type));
  return tensor;
}

constexpr int64_t kThreadWork = int64_t{1} << 23;  // differences worth a thread, about 0.2 ms

// Part `part` of `parts` of the steps; threads take the next step when they are free. work: all
// differences between entries.
template <typename F>
void run_part(int64_t steps, int64_t part, int64_t parts, double work, F kernel) {
  const int64_t begin = steps * part / parts, end = steps * (part + 1) / parts;
  const double worth = 1 + work / parts / kThreadWork;
  int64_t threads = torch::stable::get_num_threads();
  threads = worth < threads ? static_cast<int64_t>(worth) : threads;
  std::atomic<int64_t> next{begin};
  torch::stable::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    for (int64_t step = next++; step < end; step = next++) kernel(step, step + 1);
  });
}

// Differences between the entries of n rows and of m.
double work_of(const Tensor& panels, int64_t n, int64_t m) {
  return static_cast<double>(n) * m * panels.size(1);
}

void neighbours_others(const Tensor& panels, const OptionalTensor& rows, double scale, int64_t part,
                       int64_t parts, const Tensor& best) {
  constexpr const char* op = "genbench::neighbours_others";
  const int64_t count = best.size(0);
  std::vector<uint8_t> locks(panel_count(count));
  with_panels(panels, panels, op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const NearestOthers<T> job{points<T>(panels, rows, scale, count, op), best.size(1),
                               write<double>(checked(best, ScalarType::Double, count, op, "best")),
                               locks.data()};
    run_part(cpu::nearest_others_steps(count), part, parts, work_of(panels, count, count) / 2,
             [&](int64_t begin, int64_t end) { cpu::nearest_others(job, begin, end); });
  });
}

void neighbours_in(const Tensor& x_panels, const OptionalTensor& x_rows, const Tensor& y_panels,
                   const OptionalTensor& y_rows, double scale, int64_t y_count, int64_t part,
                   int64_t parts, const Tensor& best, const Tensor& index) {
  constexpr const char* op = "genbench::neighbours_in";
  const int64_t count = best.size(0);
  check(same_shape(best, index), op, ": best and index must have one shape");
  with_panels(x_panels, y_panels, op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const NearestIn<T> job{points<T>(x_panels, x_rows, scale, count, op),
                           points<T>(y_panels, y_rows, scale, y_count, op), best.size(1),
                           write<double>(checked(best, ScalarType::Double, count, op, "best")),
                           write<int64_t>(checked(index, ScalarType::Long, count, op, "index"))};
    run_part(cpu::nearest_in_steps(count), part, parts, work_of(x_panels, count, y_count),
             [&](int64_t begin, int64_t end) { cpu::nearest_in(job, begin, end); });
  });
}

void neighbours_inside(const Tensor& x_panels, const OptionalTensor& x_rows, const Tensor& y_panels,
                       const OptionalTensor& y_rows, double scale, const Tensor& x_radius,
                       const Tensor& y_radius, int64_t part, int64_t parts,
                       const Tensor& balls_of_x, const Tensor& held_by_x,
                       const Tensor& balls_of_y) {
  constexpr const char* op = "genbench::neighbours_inside";
  const int64_t n = x_radius.size(0), m = y_radius.size(0);
  const ScalarType wide = ScalarType::Double, whole = ScalarType::Long;
  with_panels(x_panels, y_panels, op, [&](auto* storage) {
    using T = std::remove_pointer_t<decltype(storage)>;
    const CountInside<T> job{points<T>(x_panels, x_rows, scale, n, op),
                             points<T>(y_panels, y_rows, scale, m, op),
                             read<double>(checked(x_radius, wide, n, op, "x_radius")),
                             read<double>(checked(y_radius, wide, m, op, "y_radius")),
                             write<int64_t>(checked(balls_of_x, whole, m, op, "balls_of_x")),
                             write<int64_t>(checked(held_by_x, whole, n, op, "held_by_x")),
                             write<int64_t>(checked(balls_of_y, whole, n, op, "balls_of_y"))};
    run_part(cpu::count_inside_steps(n, m), part, parts, work_of(x_panels, n, m),
             [&](int64_t begin, int64_t end) { cpu::count_inside(job, begin, end); });
  });
}

}  // namespace
}  // namespace genbench::bindings

STABLE_TORCH_LIBRARY_FRAGMENT(genbench, m) {
  // What csrc/neighbours.h says of the jobs; one call runs a part of the steps.
  m.def(
      "neighbours_others(Tensor panels, Tensor? rows, float scale, int part, int parts,"
      " Tensor(a!) best) -> ()");
  m.def(
      "neighbours_in(Tensor x_panels, Tensor? x_rows, Tensor y_panels, Tensor? y_rows,"
      " float scale, int y_count, int part, int parts, Tensor(a!) best, Tensor(b!) index) -> ()");
  m.def(
      "neighbours_inside(Tensor x_panels, Tensor? x_rows, Tensor y_panels, Tensor? y_rows,"
      " float scale, Tensor x_radius, Tensor y_radius, int part, int parts,"
      " Tensor(a!) balls_of_x, Tensor(b!) held_by_x, Tensor(c!) balls_of_y) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(genbench, CPU, m) {
  m.impl("neighbours_others", TORCH_BOX(&genbench::bindings::neighbours_others));
  m.impl("neighbours_in", TORCH_BOX(&genbench::bindings::neighbours_in));
  m.impl("neighbours_inside", TORCH_BOX(&genbench::bindings::neighbours_inside));
}
