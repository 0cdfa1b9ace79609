// The schemas of every raw operation; each binding registers its kernels under them.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY(genbench, m) {
  // seed: int64 (1,) [key] or (2,) [key, first element].
  m.def("uniform(Tensor seed, SymInt[] size, int stream, ScalarType dtype) -> Tensor");
  m.def("normal(Tensor seed, SymInt[] size, int stream, ScalarType dtype) -> Tensor");
  // One of eps and seed is given.
  m.def(
      "reparameterize_kl_forward(Tensor mu, Tensor logvar, Tensor? eps, Tensor? seed)"
      " -> (Tensor z, Tensor kl)");
  m.def(
      "reparameterize_kl_backward(Tensor? grad_z, Tensor? grad_kl, Tensor mu, Tensor logvar,"
      " Tensor? eps, Tensor? seed) -> (Tensor grad_mu, Tensor grad_logvar)");
}
