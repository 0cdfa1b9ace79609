// Two bugs that `make asan` must catch, in a library of their own that no other build contains.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/tensor.h>

namespace {

// Past the end of the heap where i is numel or more.
double element(const torch::stable::Tensor& x, int64_t i) {
  return static_cast<const float*>(x.const_data_ptr())[i];
}

// Undefined for 32 and more.
int64_t shifted(int64_t by) { return int32_t{1} << by; }

}  // namespace

STABLE_TORCH_LIBRARY(genbench_planted, m) {
  m.def("read(Tensor x, int i) -> float");
  m.def("shift(int by) -> int");
}

STABLE_TORCH_LIBRARY_IMPL(genbench_planted, CompositeExplicitAutograd, m) {
  m.impl("read", TORCH_BOX(&element));
  m.impl("shift", TORCH_BOX(&shifted));
}
