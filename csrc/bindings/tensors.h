// What every binding needs of torch: checks, storage types, seeds, coefficients, the device to run
// on. Stable ABI headers only.
#pragma once

#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "../coefficient.h"
#include "../cpu/dispatch.h"
#include "../math/half.h"
#include "../noise.h"
#include "cuda_stream.h"

namespace genbench::bindings {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using OptionalTensor = std::optional<Tensor>;

// Shorter work stays on the calling thread: handing it over costs about 5 us.
constexpr int64_t kGrain = 16;  // chunks

template <typename... Words>
void check(bool holds, const Words&... words) {
  if (holds) return;
  std::ostringstream message;
  (message << ... << words);
  throw std::runtime_error(message.str());
}

// Calls f with a null pointer of the storage type that `type` names.
template <typename F>
void with_storage(ScalarType type, const char* op, F f) {
  cpu::instruction_set();  // throws here, not on a worker thread, where the message would be lost
  switch (type) {
    case ScalarType::Float:
      return f(static_cast<float*>(nullptr));
    case ScalarType::Double:
      return f(static_cast<double*>(nullptr));
    case ScalarType::BFloat16:
      return f(static_cast<bfloat16*>(nullptr));
    case ScalarType::Half:
      return f(static_cast<float16*>(nullptr));
    default:
      check(false, op, ": dtype must be float16, bfloat16, float32 or float64, got ",
            torch::headeronly::toString(type));
  }
}

// The type of sums over `type`: double for double, else float.
inline ScalarType compute_type(ScalarType type) {
  return type == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
}

inline bool same_shape(const Tensor& a, const Tensor& b) {
  const auto x = a.sizes(), y = b.sizes();
  bool same = x.size() == y.size();
  for (size_t i = 0; same && i < x.size(); ++i) same = x[i] == y[i];
  return same;
}

// On the device of `like`, which the kernels are being chosen by.
inline void check_device(const Tensor& tensor, const char* name, const Tensor& like,
                         const char* like_name, const char* op) {
  check(tensor.is_cuda() == like.is_cuda() && tensor.is_cpu() == like.is_cpu() &&
            tensor.get_device_index() == like.get_device_index(),
        op, ": ", name, " must be on ", like_name, "'s device");
}

// A tensor (B, ...).
inline void check_batch(const Tensor& tensor, const char* op, const char* name) {
  check(tensor.dim() >= 1, op, ": ", name, " must have at least one dimension, the batch");
}

inline void check_not_empty(const Tensor& tensor, const char* op, const char* name) {
  check(tensor.numel() > 0, op, ": ", name, " must not be empty");
}

// A tensor of the dtype, shape and device of `like`.
inline void check_like(const Tensor& tensor, const char* name, const Tensor& like,
                       const char* like_name, const char* op) {
  check_device(tensor, name, like, like_name, op);
  check(tensor.scalar_type() == like.scalar_type(), op, ": ", name, " must have ", like_name,
        "'s dtype");
  check(same_shape(tensor, like), op, ": ", name, " must have ", like_name, "'s shape");
}

// In row-major order.
inline Tensor dense(const Tensor& tensor) {
  return tensor.is_contiguous() ? tensor : torch::stable::contiguous(tensor);
}

inline OptionalTensor dense(const OptionalTensor& tensor) {
  return tensor ? OptionalTensor(dense(*tensor)) : OptionalTensor();
}

// An uninitialised tensor in row-major order on the device of `like`. Not torch::stable::empty,
// which looks the operator up by its name and boxes every argument at each call.
inline Tensor new_dense(const Tensor& like, std::vector<int64_t> sizes, ScalarType type) {
  std::vector<int64_t> strides(sizes.size());
  int64_t stride = 1;
  for (size_t i = sizes.size(); i-- > 0; stride *= sizes[i] > 1 ? sizes[i] : 1) strides[i] = stride;
  int32_t device = 0;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_device_type(like.get(), &device));
  AtenTensorHandle tensor = nullptr;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(
      sizes.size(), sizes.data(), strides.data(),
      torch::stable::detail::to<int32_t>(torch::stable::detail::from(type)), device,
      like.get_device_index(), &tensor));
  return Tensor(tensor);
}

inline Tensor new_dense(const Tensor& like) {
  const auto sizes = like.sizes();
  return new_dense(like, {sizes.begin(), sizes.end()}, like.scalar_type());
}

// Elements of one sample of a tensor (B, ...).
inline int64_t sample_size(const Tensor& tensor) {
  int64_t size = 1;
  for (int64_t i = 1; i < tensor.dim(); ++i) size *= tensor.size(i);
  return size;
}

// Checks [key] or [key, first element]; the result must outlive what reads `seed_words` of it.
// A seed lies where the kernels run: a seed beside data is checked against their device too.
inline Tensor dense_seed(const Tensor& seed, const char* op) {
  check(seed.scalar_type() == ScalarType::Long, op, ": seed must be an int64 tensor");
  check(seed.dim() == 1 && (seed.numel() == 1 || seed.numel() == 2), op,
        ": seed must have shape (1,) or (2,)");
  return dense(seed);
}

inline OptionalTensor dense_seed(const OptionalTensor& seed, const Tensor& like,
                                 const char* like_name, const char* op) {
  if (!seed) return {};
  check_device(*seed, "seed", like, like_name, op);
  return dense_seed(*seed, op);
}

inline SeedWords seed_words(const Tensor& seed) {
  return {static_cast<const int64_t*>(seed.const_data_ptr()), static_cast<int>(seed.numel())};
}

inline SeedWords seed_words(const OptionalTensor& seed) {
  return seed ? seed_words(*seed) : SeedWords{};
}

template <typename T>
const T* read(const Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

template <typename T>
const T* read(const OptionalTensor& tensor) {
  return tensor ? read<T>(*tensor) : nullptr;
}

template <typename T>
T* write(const Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

inline Storage storage_of(ScalarType type, const char* op, const char* name) {
  switch (type) {
    case ScalarType::Float:
      return Storage::float32;
    case ScalarType::Double:
      return Storage::float64;
    case ScalarType::BFloat16:
      return Storage::bfloat16;
    case ScalarType::Half:
      return Storage::float16;
    default:
      check(false, op, ": ", name, " must be float16, bfloat16, float32 or float64, got ",
            torch::headeronly::toString(type));
  }
  return {};
}

// A coefficient of the samples of x (B, ...): `tensor` () or (B,), or the number. `tensor` must be
// dense and outlive the result. A 0-d tensor on the CPU beside data on a device is read here.
inline Coefficient coefficient(const OptionalTensor& tensor, double number, const Tensor& x,
                               const char* op, const char* name) {
  if (!tensor) return {number, nullptr, Storage::float64, false};
  const bool per_row = tensor->dim() == 1;
  check(tensor->dim() == 0 || (per_row && tensor->size(0) == x.size(0)), op, ": ", name,
        " must have shape () or (batch,)");
  const Coefficient from{0, tensor->const_data_ptr(), storage_of(tensor->scalar_type(), op, name),
                         per_row};
  if (!per_row && tensor->is_cpu()) return {from.of_row(0), nullptr, Storage::float64, false};
  check_device(*tensor, name, x, "x", op);
  return from;
}

// The gradients that a backward operation was asked for, in order.
struct Gradients {
  const Tensor& like;
  std::vector<Tensor> needed = {};

  // Where the kernel writes a gradient; null: not needed.
  template <typename T>
  T* add(bool need) {
    if (!need) return nullptr;
    needed.push_back(new_dense(like));
    return write<T>(needed.back());
  }
};

// f(begin, end) over [0, steps) on torch's threads.
template <typename F>
void in_parallel(int64_t steps, F f) {
  torch::stable::parallel_for(0, steps, kGrain, f);
}

// f(partial) with room for a sum of each step; that of few steps stays off the heap, where an
// allocation costs as much as a small loss.
template <typename F>
void with_partials(int64_t steps, F f) {
  constexpr int64_t kFew = 64;
  double few[kFew];
  std::unique_ptr<double[]> many(steps > kFew ? new double[steps] : nullptr);
  f(many ? many.get() : few);
}

// Calls on_cuda(stream) with the device of `like` current and its current stream, or on_cpu().
// Give on_cuda an `auto` parameter: a build without CUDA then never looks for what it calls.
template <typename OnCuda, typename OnCpu>
void run_on(const Tensor& like, OnCuda on_cuda, OnCpu on_cpu) {
  if constexpr (kCuda) {
    if (like.is_cuda()) {
      const torch::stable::accelerator::DeviceGuard guard(like.get_device_index());
      return on_cuda(current_stream(like.get_device_index()));
    }
  }
  on_cpu();
}

// The same for kernels over the chunks of a tensor's elements on the CPU.
template <typename OnCuda, typename OnCpu>
void run_chunks(const Tensor& tensor, OnCuda on_cuda, OnCpu on_cpu) {
  run_on(tensor, on_cuda, [&] { in_parallel(cpu::chunk_count(tensor.numel()), on_cpu); });
}

}  // namespace genbench::bindings

// GENBENCH_LIBRARY_IMPL(m) { m.impl(...); } registers under every device that was built for.
#define GENBENCH_LIBRARY_IMPL(m)                                                   \
  static void register_kernels(torch::stable::detail::StableLibrary& m);           \
  STABLE_TORCH_LIBRARY_IMPL(genbench, CPU, library) { register_kernels(library); } \
  GENBENCH_CUDA_IMPL                                                               \
  static void register_kernels(torch::stable::detail::StableLibrary& m)

#if defined(GENBENCH_CUDA)
#define GENBENCH_CUDA_IMPL \
  STABLE_TORCH_LIBRARY_IMPL(genbench, CUDA, library) { register_kernels(library); }
#else
#define GENBENCH_CUDA_IMPL
#endif
