// torch's current stream, looked up in its CUDA library when a kernel first needs it. A link to
// that library would keep this one from loading under a torch without CUDA.
#include "cuda_stream.h"

#if defined(GENBENCH_CUDA)
#include <dlfcn.h>

#include <cstdint>
#include <stdexcept>
#include <string>

// Of the CUDA runtime, which is inside this library. Its header is nvcc's, and this file g++'s.
extern "C" {
int cudaGetDevice(int* device);
int cudaSetDevice(int device);
const char* cudaGetErrorString(int error);
}

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
                             (library == nullptr ? kLibrary : kFunction) + " is not there");
  }
  return reinterpret_cast<GetStream>(found);
}

void check_cuda(int error, const char* what) {
  if (error == 0) return;
  throw std::runtime_error(std::string("genbench CUDA: ") + what + ": " +
                           cudaGetErrorString(error));
}

}  // namespace

DeviceGuard::DeviceGuard(int device) : previous_(-1) {
  int current = -1;
  check_cuda(cudaGetDevice(&current), "which device is current");
  if (current == device) return;
  check_cuda(cudaSetDevice(device), "making the tensors' device current");
  previous_ = current;
}

DeviceGuard::~DeviceGuard() {
  if (previous_ >= 0) cudaSetDevice(previous_);
}

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
#endif
