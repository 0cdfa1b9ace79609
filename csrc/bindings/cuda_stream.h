// The device and stream that torch computes on, for the CUDA kernels. No header of CUDA or of its
// torch: one library loads under a torch with CUDA and under one without.
#pragma once

#include "../stream.h"

namespace genbench::bindings {

#if defined(GENBENCH_CUDA)
constexpr bool kCuda = true;
#else
constexpr bool kCuda = false;
#endif

// Makes a device current as long as it lives.
class DeviceGuard {
 public:
  explicit DeviceGuard(int device);
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int previous_;  // -1: the device was current already
};

// torch's current stream of a device.
cuda::Stream current_stream(int device);

}  // namespace genbench::bindings
