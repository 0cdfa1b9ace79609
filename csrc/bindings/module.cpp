// genbench._build: what was built and what of it this machine runs; no torch.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <string>
#include <vector>

#include "../cpu/dispatch.h"
#include "../math/philox.h"

namespace py = pybind11;
using genbench::cpu::InstructionSet;

#if !defined(GENBENCH_CUDA)  // setup.py gives nvcc's version and the architectures
#define GENBENCH_CUDA ""
#endif

namespace {

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (InstructionSet set :
       {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512}) {
    if (genbench::cpu::supported(set)) names.push_back(genbench::cpu::name(set));
  }
  return names;
}

std::array<uint32_t, 4> philox(uint64_t block, uint64_t stream, uint64_t key) {
  const genbench::PhiloxBlock random = genbench::philox(block, stream, key);
  return {random.word[0], random.word[1], random.word[2], random.word[3]};
}

}  // namespace

PYBIND11_MODULE(_build, m) {
  m.doc() = "What the extension was built with, and what of it this machine runs.";
  m.attr("compiler") = "C++ " __VERSION__;
  m.attr("sources") = GENBENCH_SOURCES;  // SHA-256 of csrc/, given by setup.py
  m.attr("cuda") = GENBENCH_CUDA;
  m.def("instruction_sets", &instruction_sets, "CPU kernel sets that can run here.");
  m.def(
      "instruction_set", [] { return genbench::cpu::name(genbench::cpu::instruction_set()); },
      "The CPU kernel set in use; RuntimeError for a wrong GENBENCH_INSTRUCTION_SET.");
  m.def("philox_4x32_10", &philox, py::arg("block"), py::arg("stream"), py::arg("key"),
        "The four words of a block; for zero arguments Random123's known answer.");
}
