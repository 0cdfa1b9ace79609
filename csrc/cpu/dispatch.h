// Which of the compiled CPU kernel sets runs: the widest the machine has, or
// GENBENCH_INSTRUCTION_SET.
#pragma once

#if defined(__x86_64__)
#define GENBENCH_FOR_EACH_SET(declare) declare(baseline) declare(avx2) declare(avx512)
#define GENBENCH_CHOOSE(function) \
  ::genbench::cpu::choose(&baseline::function, &avx2::function, &avx512::function)
#else
#define GENBENCH_FOR_EACH_SET(declare) declare(baseline)
#define GENBENCH_CHOOSE(function) (&baseline::function)
#endif

// A kernel is a template over the storage type; each set instantiates it for all four.
#define GENBENCH_FOR_EACH_TYPE(instantiate) \
  instantiate(float) instantiate(double) instantiate(bfloat16) instantiate(float16)

namespace genbench::cpu {

enum class InstructionSet { baseline, avx2, avx512 };

// Decided at the first call. Throws std::runtime_error for a GENBENCH_INSTRUCTION_SET that is
// no set's name or that the machine lacks.
InstructionSet instruction_set();

const char* name(InstructionSet set);

// Whether this machine can run a set, and this build holds it.
bool supported(InstructionSet set);

template <typename Function>
Function* choose(Function* baseline, Function* avx2, Function* avx512) {
  switch (instruction_set()) {
    case InstructionSet::avx512:
      return avx512;
    case InstructionSet::avx2:
      return avx2;
    default:
      return baseline;
  }
}

}  // namespace genbench::cpu
