// Coefficients of a formula: one number a sample or one for all, of any floating type; no torch.
#pragma once

#include "math/half.h"

namespace genbench {

enum class Storage : int32_t { float32, float64, bfloat16, float16 };

struct Coefficient {
  double value;     // used where `at` is null
  const void* at;   // [rows] where per_row, else [1], in the memory of the device that computes
  Storage storage;  // of `at`
  bool per_row;

  // In double, where 1 - alpha_bar keeps its digits: float32 loses 6e-4 at alpha_bar .9999.
  GENBENCH_MEMBER double of_row(int64_t row) const {
    if (at == nullptr) return value;
    const int64_t i = per_row ? row : 0;
    switch (storage) {
      case Storage::float64:
        return static_cast<const double*>(at)[i];
      case Storage::bfloat16:
        return load(static_cast<const bfloat16*>(at) + i);
      case Storage::float16:
        return load(static_cast<const float16*>(at) + i);
      default:
        return static_cast<const float*>(at)[i];
    }
  }
};

}  // namespace genbench
