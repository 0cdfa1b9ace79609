// The stream of a torch that is not loaded, of one that is, and of a device that it lacks.
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "bindings/cuda_stream.h"

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  ++failures;
}

void expect_error(int device, const std::string& message) {
  try {
    genbench::bindings::current_stream(device);
    expect(false, "an error was expected");
  } catch (const std::runtime_error& error) {
    expect(error.what() == message, error.what());
  }
}

}  // namespace

int main(int, char** arguments) {
  expect_error(1,
               "genbench: CUDA tensors need a torch with CUDA, and libtorch_cuda.so is not loaded");
  expect(dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) != nullptr, "the stand-in loads");
  const auto stream = reinterpret_cast<uintptr_t>(genbench::bindings::current_stream(1));
  expect(stream == 0x5150, "the stream that torch gives");
  expect_error(0, "genbench: torch has no current CUDA stream for device 0");
  return failures == 0 ? 0 : 1;
}
