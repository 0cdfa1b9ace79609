// The neighbours kernels, included once by the source of each instruction set; no std::
// templates, of which the linker may keep a copy that the machine cannot run.
#pragma once

#include <sched.h>

#include "../math/platform.h"
#include "../neighbours.h"
#include "dispatch.h"
#include "neighbours_steps.h"

namespace genbench::cpu::GENBENCH_SET {

#if GENBENCH_VECTOR_BYTES == 64
constexpr int kBytes = 64, kTileRows = 8;  // 16 sums in 32 registers
#elif GENBENCH_VECTOR_BYTES == 32
constexpr int kBytes = 32, kTileRows = 4;  // 8 sums in 16 registers
#else
constexpr int kBytes = 16, kTileRows = 4;
#endif
constexpr int kTileVectors = 2;

template <typename T>
struct Vector;
template <>
struct Vector<float> {
  typedef float type __attribute__((vector_size(kBytes), may_alias, aligned(alignof(float))));
};
template <>
struct Vector<double> {
  typedef double type __attribute__((vector_size(kBytes), may_alias, aligned(alignof(double))));
};

template <typename T>
using Tile = T[kPanel][kPanel];

// Squared distances between the rows of two panels. One running sum a pair, in the order of the
// columns: a pair's value depends on nothing else, and is the same with both rows exchanged.
template <typename T>
void tile_distances(const T* x, const T* y, int64_t cols, Tile<T>& tile) {
  using V = typename Vector<T>::type;
  constexpr int kLanes = kBytes / sizeof(T);
  for (int column = 0; column < kPanel; column += kTileVectors * kLanes) {
    for (int row = 0; row < kPanel; row += kTileRows) {
      V sum[kTileRows][kTileVectors] = {};
      const T* x_at = x + row;
      const T* y_at = y + column;
      for (int64_t t = 0; t < cols; ++t, x_at += kPanel, y_at += kPanel) {
        const V y0 = *reinterpret_cast<const V*>(y_at);
        const V y1 = *reinterpret_cast<const V*>(y_at + kLanes);
        GENBENCH_UNROLL(8)
        for (int r = 0; r < kTileRows; ++r) {
          const V d0 = x_at[r] - y0, d1 = x_at[r] - y1;
          sum[r][0] += d0 * d0;
          sum[r][1] += d1 * d1;
        }
      }
      for (int r = 0; r < kTileRows; ++r) {
        *reinterpret_cast<V*>(&tile[row + r][column]) = sum[r][0];
        *reinterpret_cast<V*>(&tile[row + r][column + kLanes]) = sum[r][1];
      }
    }
  }
}

// The squared distance that decides, where a tile shows `near`. Sixteen running sums folded in a
// fixed order.
static inline double exact_distance(const Points<double>&, int64_t, const Points<double>&, int64_t,
                                    double near) {
  return near;
}

static inline double exact_distance(const Points<float>& x, int64_t i, const Points<float>& y,
                                    int64_t j, float near) {
  constexpr int kLanes = 16;
  if (near == 0) return 0;  // equal rows, and most pairs of a collapsed set
  const float* a = x.rows + i * x.cols;
  const float* b = y.rows + j * y.cols;
  double lane[kLanes] = {};
  int64_t t = 0;
  for (; t + kLanes <= x.cols; t += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const double difference = static_cast<double>(a[t + l]) - b[t + l];
      lane[l] += difference * difference;
    }
  }
  for (int l = 0; t < x.cols; ++t, ++l) {
    const double difference = static_cast<double>(a[t]) - b[t];
    lane[l] += difference * difference;
  }
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) lane[l] += lane[l + half];
  }
  return lane[0] * x.scale;
}

// A tile's relative error, generously: each of `cols` terms is rounded three times, and the sum
// once a term (Higham 2002, section 3.1); two roundings of the limit itself.
static inline double slack(const Points<float>& x) { return 1.1 * (x.cols + 8) * 0x1p-24; }
static inline double slack(const Points<double>&) { return 0; }

// Tile values above it are distances above `radius`; below, distances below it.
template <typename T>
T upper_limit(const Points<T>& x, double radius) {
  return static_cast<T>(radius * (1 + slack(x)));
}
template <typename T>
T lower_limit(const Points<T>& x, double radius) {
  return static_cast<T>(radius * (1 - slack(x)));
}

// visit(i, j, value) for each value of a tile that is not above the limit of its row or column.
template <typename T, typename Visit>
void for_near(const Tile<T>& tile, const T* row_limit, const T* column_limit, Visit visit) {
  for (int i = 0; i < kPanel; ++i) {
    int any = 0;
    for (int j = 0; j < kPanel; ++j) {
      any |= (tile[i][j] <= row_limit[i]) | (tile[i][j] <= column_limit[j]);
    }
    if (any == 0) continue;
    for (int j = 0; j < kPanel; ++j) {
      if (tile[i][j] <= row_limit[i] || tile[i][j] <= column_limit[j]) visit(i, j, tile[i][j]);
    }
  }
}

template <typename T>
const T* panel(const Points<T>& x, int64_t number) {
  return x.panels + number * x.cols * kPanel;
}

static inline int64_t last_panel(int64_t block, int64_t rows) {
  const int64_t last = (block + 1) * kBlockPanels, panels = panel_count(rows);
  return last < panels ? last : panels;
}

// Puts a distance among the k smallest of a row.
static inline void insert(double* best, int64_t* index, int64_t k, double distance, int64_t from) {
  int64_t at = k - 1;
  for (; at > 0 && best[at - 1] > distance; --at) {
    best[at] = best[at - 1];
    if (index != nullptr) index[at] = index[at - 1];
  }
  best[at] = distance;
  if (index != nullptr) index[at] = from;
}

template <typename T>
struct OthersOf {
  const NearestOthers<T>& job;

  // Others may be writing: a limit that is late is too large, and costs a visit in vain.
  double farthest(int64_t row) const {
    double value;
    __atomic_load(&job.best[row * job.k + job.k - 1], &value, __ATOMIC_RELAXED);
    return value;
  }

  void limits(int64_t panel, T (&limit)[kPanel]) const {
    for (int i = 0; i < kPanel; ++i) {
      const int64_t row = panel * kPanel + i;
      limit[i] = row < job.x.count ? upper_limit(job.x, farthest(row)) : -1;
    }
  }

  // The limit of the row after it.
  T offer(int64_t row, double distance) const {
    uint8_t* lock = job.locks + row / kPanel;
    while (__atomic_test_and_set(lock, __ATOMIC_ACQUIRE)) sched_yield();
    double* best = job.best + row * job.k;
    double last = best[job.k - 1];
    if (distance < last) {
      last = distance;
      if (job.k > 1 && best[job.k - 2] > distance) {
        last = best[job.k - 2];
        insert(best, nullptr, job.k - 1, distance, 0);
      }
      __atomic_store(&best[job.k - 1], &last, __ATOMIC_RELAXED);
    }
    __atomic_clear(lock, __ATOMIC_RELEASE);
    return upper_limit(job.x, last);
  }

  void pair(int64_t p, int64_t q) const {
    Tile<T> tile;
    T row_limit[kPanel], column_limit[kPanel];
    tile_distances(panel(job.x, p), panel(job.x, q), job.x.cols, tile);
    limits(p, row_limit);
    limits(q, column_limit);
    for_near(tile, row_limit, column_limit, [&](int i, int j, T near) {
      const int64_t row = p * kPanel + i, other = q * kPanel + j;
      if (p == q && i >= j) return;  // itself, or the same pair
      const double distance = exact_distance(job.x, row, job.x, other, near);
      if (distance < farthest(row)) row_limit[i] = offer(row, distance);
      if (distance < farthest(other)) column_limit[j] = offer(other, distance);
    });
  }
};

// Block P meets P, P + 1, ... around the circle, half of it: every pair of blocks once. With an
// even number the opposite block would come from both sides.
template <typename T>
void nearest_others(const NearestOthers<T>& job, int64_t begin, int64_t end) {
  const int64_t count = job.x.count, blocks = block_count(count), half = blocks / 2 + 1;
  const OthersOf<T> others{job};
  for (int64_t step = begin; step < end; ++step) {
    const int64_t offset = step % half, row_block = step / half;
    const int64_t column_block = (row_block + offset) % blocks;
    if (offset > 0 && 2 * offset == blocks && row_block >= offset) continue;
    for (int64_t q = column_block * kBlockPanels; q < last_panel(column_block, count); ++q) {
      for (int64_t p = row_block * kBlockPanels; p < last_panel(row_block, count); ++p) {
        if (row_block != column_block || p <= q) others.pair(p, q);
      }
    }
  }
}

// One step has all columns of its rows, in order.
template <typename T>
void nearest_in(const NearestIn<T>& job, int64_t begin, int64_t end) {
  Tile<T> tile;
  T row_limit[kPanel], column_limit[kPanel];
  for (int j = 0; j < kPanel; ++j) column_limit[j] = -1;
  for (int64_t step = begin; step < end; ++step) {
    for (int64_t q = 0; q < panel_count(job.y.count); ++q) {
      for (int64_t p = step * kBlockPanels; p < last_panel(step, job.x.count); ++p) {
        for (int i = 0; i < kPanel; ++i) {
          const int64_t row = p * kPanel + i;
          const double* best = job.best + row * job.k;
          row_limit[i] = row < job.x.count ? upper_limit(job.x, best[job.k - 1]) : -1;
        }
        tile_distances(panel(job.x, p), panel(job.y, q), job.x.cols, tile);
        for_near(tile, row_limit, column_limit, [&](int i, int j, T near) {
          const int64_t row = p * kPanel + i, from = q * kPanel + j;
          const double distance = exact_distance(job.x, row, job.y, from, near);
          double* best = job.best + row * job.k;
          if (!(distance < best[job.k - 1])) return;
          insert(best, job.index + row * job.k, job.k, distance, from);
          row_limit[i] = upper_limit(job.x, best[job.k - 1]);
        });
      }
    }
  }
}

// Limits of a panel's balls: a tile value up to `surely` lies inside, one above `limit` outside.
template <typename T>
struct Balls {
  T surely[kPanel], limit[kPanel];

  void read(const Points<T>& x, const double* radius, int64_t panel) {
    for (int i = 0; i < kPanel; ++i) {
      const int64_t row = panel * kPanel + i;
      surely[i] = row < x.count ? lower_limit(x, radius[row]) : -1;
      limit[i] = row < x.count ? upper_limit(x, radius[row]) : -1;
    }
  }
};

static inline void add(int64_t* counts, const int64_t (&found)[kPanel], int64_t first,
                       int64_t count) {
  for (int i = 0; i < kPanel && first + i < count; ++i) {
    if (found[i] != 0) __atomic_fetch_add(counts + first + i, found[i], __ATOMIC_RELAXED);
  }
}

template <typename T>
void count_tile(const CountInside<T>& job, int64_t p, int64_t q) {
  Tile<T> tile;
  Balls<T> x_balls, y_balls;
  int64_t balls_of_x[kPanel] = {}, held_by_x[kPanel] = {}, balls_of_y[kPanel] = {};
  x_balls.read(job.x, job.x_radius, p);
  y_balls.read(job.y, job.y_radius, q);
  tile_distances(panel(job.x, p), panel(job.y, q), job.x.cols, tile);
  for_near(tile, x_balls.limit, y_balls.limit, [&](int i, int j, T near) {
    const int64_t row = p * kPanel + i, other = q * kPanel + j;
    bool in_x = near <= x_balls.surely[i], in_y = near <= y_balls.surely[j];
    const bool x_open = !in_x && near <= x_balls.limit[i];
    const bool y_open = !in_y && near <= y_balls.limit[j];
    if (x_open || y_open) {
      const double distance = exact_distance(job.x, row, job.y, other, near);
      if (x_open) in_x = distance <= job.x_radius[row];
      if (y_open) in_y = distance <= job.y_radius[other];
    }
    balls_of_x[j] += in_x;
    held_by_x[i] += in_x;
    balls_of_y[i] += in_y;
  });
  add(job.balls_of_x, balls_of_x, q * kPanel, job.y.count);
  add(job.held_by_x, held_by_x, p * kPanel, job.x.count);
  add(job.balls_of_y, balls_of_y, p * kPanel, job.x.count);
}

template <typename T>
void count_inside(const CountInside<T>& job, int64_t begin, int64_t end) {
  const int64_t blocks = block_count(job.y.count);
  for (int64_t step = begin; step < end; ++step) {
    const int64_t row_block = step / blocks, column_block = step % blocks;
    for (int64_t q = column_block * kBlockPanels; q < last_panel(column_block, job.y.count); ++q) {
      for (int64_t p = row_block * kBlockPanels; p < last_panel(row_block, job.x.count); ++p) {
        count_tile(job, p, q);
      }
    }
  }
}

#define GENBENCH_INSTANTIATE(T)                                               \
  template void nearest_others<T>(const NearestOthers<T>&, int64_t, int64_t); \
  template void nearest_in<T>(const NearestIn<T>&, int64_t, int64_t);         \
  template void count_inside<T>(const CountInside<T>&, int64_t, int64_t);
GENBENCH_INSTANTIATE(float)
GENBENCH_INSTANTIATE(double)
#undef GENBENCH_INSTANTIATE

}  // namespace genbench::cpu::GENBENCH_SET
