// What every binding needs of torch: checks, storage types, seeds. Stable ABI headers only.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <sstream>
#include <stdexcept>

#include "../cpu/dispatch.h"
#include "../math/half.h"
#include "../noise.h"

namespace genbench::bindings {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

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

// Reads [key] or [key, first element].
inline Seed read_seed(const Tensor& seed, const char* op) {
  check(seed.is_cpu() && seed.scalar_type() == ScalarType::Long, op,
        ": seed must be an int64 tensor on the CPU");
  check(seed.dim() == 1 && (seed.numel() == 1 || seed.numel() == 2), op,
        ": seed must have shape (1,) or (2,)");
  const Tensor dense = torch::stable::contiguous(seed);
  const auto* words = static_cast<const int64_t*>(dense.const_data_ptr());
  return {static_cast<uint64_t>(words[0]), seed.numel() == 2 ? static_cast<uint64_t>(words[1]) : 0};
}

template <typename T>
const T* read(const Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

template <typename T>
T* write(const Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

}  // namespace genbench::bindings
