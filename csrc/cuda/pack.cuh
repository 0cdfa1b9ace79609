// Packs: the neighbouring elements that one thread reads, computes and writes in one go, by 16-byte
// accesses where addresses allow.
#pragma once

#include "../math/half.h"

namespace genbench::cuda {

// A multiple of 4, the numbers of one Philox block; at least 16 bytes of any type.
template <typename T>
constexpr int kPack = sizeof(T) == 2 ? 8 : 4;

template <typename T>
struct alignas(16) Words {
  T at[16 / sizeof(T)];
};

inline bool aligned(const void* at) { return reinterpret_cast<uintptr_t>(at) % 16 == 0; }

// Whether packs of all these tensors lie on 16-byte boundaries; null: a tensor that is absent.
template <typename... Pointers>
bool all_aligned(const Pointers*... at) {
  return (aligned(at) && ...);
}

// Which elements [first, last) of a pack at `begin` are there, and whether they may be accessed
// as a whole.
struct Span {
  int64_t begin;
  int first, last;
  bool whole;
};

// The part of the pack at `begin` that lies within the elements [low, high).
template <typename T>
__device__ Span span_of(int64_t begin, int64_t low, int64_t high, bool vectors) {
  const int first = begin < low ? static_cast<int>(low - begin) : 0;
  const int last = high - begin < kPack<T> ? static_cast<int>(high - begin) : kPack<T>;
  return {begin, first, last, vectors && first == 0 && last == kPack<T>};
}

// Elements that are not there read as 0.
template <typename T, typename C>
__device__ void load_pack(const T* from, const Span& span, C (&to)[kPack<T>]) {
  constexpr int kWords = 16 / sizeof(T);
  if (span.whole) {
#pragma unroll
    for (int i = 0; i < kPack<T>; i += kWords) {
      const auto words = *reinterpret_cast<const Words<T>*>(from + span.begin + i);
#pragma unroll
      for (int j = 0; j < kWords; ++j) to[i + j] = load(words.at + j);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kPack<T>; ++i) {
    to[i] = span.first <= i && i < span.last ? load(from + span.begin + i) : C(0);
  }
}

template <typename T, typename C>
__device__ void store_pack(const C (&from)[kPack<T>], const Span& span, T* to) {
  constexpr int kWords = 16 / sizeof(T);
  if (span.whole) {
#pragma unroll
    for (int i = 0; i < kPack<T>; i += kWords) {
      Words<T> words;
#pragma unroll
      for (int j = 0; j < kWords; ++j) store(words.at + j, from[i + j]);
      *reinterpret_cast<Words<T>*>(to + span.begin + i) = words;
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kPack<T>; ++i) {
    if (span.first <= i && i < span.last) store(to + span.begin + i, from[i]);
  }
}

// What comes back from memory of type T.
template <typename T>
__device__ compute_t<T> rounded(compute_t<T> value) {
  T stored;
  store(&stored, value);
  return load(&stored);
}

// Packs that elements [0, count) touch.
template <typename T>
__host__ __device__ int64_t pack_count(int64_t count) {
  return (count + kPack<T> - 1) / kPack<T>;
}

}  // namespace genbench::cuda
