// Nearest neighbours of rows by their differences, through raw pointers; no torch.
//
// Every decision is that of float64. Tiles of distances are computed in T; where T is float, a
// distance that its error leaves undecided is computed again, from `rows`, in double.
#pragma once

#include <cstdint>

namespace genbench {

constexpr int kPanel = 32;  // rows of a panel

// Rows in panels, scaled by a power of two so that the largest entry is about 2^50: no square
// overflows. Where T is float, no difference of two unequal entries has a square below 2^-126:
// a distance is 0 for equal rows alone. The rows behind the last one are NaN, which is nobody's
// neighbour.
template <typename T>
struct Points {
  const T* panels;    // [panel_count(count)][cols][kPanel]
  const float* rows;  // [count][cols], unscaled; not read where T is double
  double scale;       // squared: of a squared distance
  int64_t count, cols;
};

inline int64_t panel_count(int64_t rows) { return (rows + kPanel - 1) / kPanel; }

// The k smallest squared distances (scaled) of each row of x to other rows of x: a sum over
// columns is the same for both rows of a pair, each pair is computed once.
template <typename T>
struct NearestOthers {
  Points<T> x;
  int64_t k;
  double* best;    // [x.count][k] ascending; infinity at the start
  uint8_t* locks;  // [panel_count(x.count)]; 0 at the start
};

// The k smallest squared distances (scaled) of each row of x to rows of y, and these rows; the
// first of equally near ones.
template <typename T>
struct NearestIn {
  Points<T> x, y;
  int64_t k;
  double* best;    // [x.count][k] ascending
  int64_t* index;  // [x.count][k]
};

// Who lies in whose ball: `radius` are squared and scaled, a ball holds its boundary.
template <typename T>
struct CountInside {
  Points<T> x, y;
  const double* x_radius;  // [x.count]
  const double* y_radius;  // [y.count]
  int64_t* balls_of_x;     // [y.count] balls around rows of x that hold a row of y
  int64_t* held_by_x;      // [x.count] rows of y in the ball around a row of x
  int64_t* balls_of_y;     // [x.count] balls around rows of y that hold a row of x
};

namespace cpu {

// Steps of each job; they may run in any order and at once.
int64_t nearest_others_steps(int64_t x_count);
int64_t nearest_in_steps(int64_t x_count);
int64_t count_inside_steps(int64_t x_count, int64_t y_count);

template <typename T>
void nearest_others(const NearestOthers<T>& job, int64_t begin, int64_t end);

template <typename T>
void nearest_in(const NearestIn<T>& job, int64_t begin, int64_t end);

template <typename T>
void count_inside(const CountInside<T>& job, int64_t begin, int64_t end);

}  // namespace cpu
}  // namespace genbench
