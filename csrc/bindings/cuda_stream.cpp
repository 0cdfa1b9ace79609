// torch's current stream, looked up in its CUDA library when a kernel first needs it. A link to
// that library would keep this one from loading under a torch without CUDA.
#include "cuda_stream.h"

#include <dlfcn.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace genbench::bindings {
namespace {

using GetStream = int32_t (*)(int32_t device, void** stream);

GetStream find_get_stream() {
  constexpr const char* kLibrary = "libtorch_cuda.so";
  constexpr const char* kFunction = "aoti_torch_get_current_cuda_stream";
  void* library = dlopen(kLibrary, RTLD_NOLOAD | RTLD_LAZY);
  void* found = library == nullptr ? nullptr : dlsym(library, kFunction);
  if (found == nullptr) {
    throw std::runtime_error(std::string("genbench: CUDA tensors need a torch with CUDA, and ") +
                             (library == nullptr ? kLibrary : kFunction) + " is not loaded");
  }
  return reinterpret_cast<GetStream>(found);
}

}  // namespace

cuda::Stream current_stream(int device) {
  static const GetStream get_stream = find_get_stream();
  void* stream = nullptr;
  if (get_stream(device, &stream) != 0) {
    throw std::runtime_error("genbench: torch has no current CUDA stream for device " +
                             std::to_string(device));
  }
  return static_cast<cuda::Stream>(stream);
}

}  // namespace genbench::bindings
