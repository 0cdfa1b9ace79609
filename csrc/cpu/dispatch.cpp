// The choice of instruction set, once for a process.
#include "dispatch.h"

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace genbench::cpu {
namespace {

constexpr InstructionSet kWidestFirst[] = {InstructionSet::avx512, InstructionSet::avx2,
                                           InstructionSet::baseline};

InstructionSet widest() {
  for (InstructionSet set : kWidestFirst) {
    if (supported(set)) return set;
  }
  return InstructionSet::baseline;
}

InstructionSet decide() {
  const char* wanted = std::getenv("GENBENCH_INSTRUCTION_SET");
  if (wanted == nullptr || *wanted == '\0') return widest();
  for (InstructionSet set : kWidestFirst) {
    if (std::strcmp(wanted, name(set)) != 0) continue;
    if (supported(set)) return set;
    throw std::runtime_error(std::string("GENBENCH_INSTRUCTION_SET is ") + wanted +
                             ", but this machine has no more than " + name(widest()));
  }
  throw std::runtime_error(
      std::string("GENBENCH_INSTRUCTION_SET must be baseline, avx2 or avx512, got ") + wanted);
}

}  // namespace

InstructionSet instruction_set() {
  static const InstructionSet set = decide();
  return set;
}

const char* name(InstructionSet set) {
  switch (set) {
    case InstructionSet::avx512:
      return "avx512";
    case InstructionSet::avx2:
      return "avx2";
    default:
      return "baseline";
  }
}

bool supported(InstructionSet set) {
// Clang ignores `#pragma GCC target`: its sources of the wider sets are baseline code.
#if defined(__x86_64__) && !defined(__clang__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (set == InstructionSet::avx2) return avx2;
  if (set == InstructionSet::avx512) {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  }
#endif
  return set == InstructionSet::baseline;
}

}  // namespace genbench::cpu
