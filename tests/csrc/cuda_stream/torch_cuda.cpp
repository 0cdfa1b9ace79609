// Stands in for torch's CUDA library: device 1 has a stream, no other.
#include <cstdint>

extern "C" int32_t aoti_torch_get_current_cuda_stream(int32_t device, void** stream) {
  *stream = reinterpret_cast<void*>(0x5150);
  return device == 1 ? 0 : 1;
}
