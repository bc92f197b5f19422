// normalize: rows divided by their norms, and the gradient (torch.nn.functional.normalize).
//
// A row is the middle axis of x[outer][length][inner], |x| its norm of order P, d = max(|x|, EPS):
//   forward   y = x / d; norms[row] = |x|
//   backward  dx = (dy - sum(dy * y) * d|x|/dx) / d, the second term only where |x| >= EPS:
//             a clamped norm is a constant
// d|x|/dx = sign(x) * (|x_i| / |x|)^(P - 1), x / |x| for P = 2; 0 where |x| = 0, and where x_i = 0.
//
// P         order of the norm, any number; 0 counts the elements that are not zero and has gradient 0
// EPS       least divisor
//
// bindings  forward: x read, y and norms [rows] write; backward: x, dy, lengths (the norms of forward) read, dx write
// params    rows = outer * inner
// dispatch  one invocation per row: ceil(rows / 64) workgroups, folded over y beyond 65535

override P: f32;
override EPS: f32;

struct Params {
  rows: u32,
  length: u32,
  inner: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> norms: array<f32>;
@group(0) @binding(3) var<storage, read> lengths: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

fn rowStart(row: u32) -> u32 {
  return row / params.inner * params.length * params.inner + row % params.inner;
}

fn power(value: f32) -> f32 {
  if (P == 2.0) { return value * value; }
  if (P == 1.0) { return abs(value); }
  if (P == 0.0) { return select(1.0, 0.0, value == 0.0); }
  return pow(abs(value), P);
}

fn root(total: f32) -> f32 {
  if (P == 2.0) { return sqrt(total); }
  if (P == 1.0 || P == 0.0) { return total; }
  return pow(total, 1.0 / select(P, 1.0, P == 0.0)); // the compiler folds this for P = 0 too, and refuses 1 / 0
}

// What `power` takes a row's elements in: their largest magnitude where a power might leave the range of f32.
fn unitOf(start: u32) -> f32 {
  if (P == 2.0 || P == 1.0 || P == 0.0) { return 1.0; }
  var largest = 0.0;
  for (var j = 0u; j < params.length; j++) { largest = max(largest, abs(x[start + j * params.inner])); }
  return select(largest, 1.0, largest == 0.0);
}

fn normSlope(value: f32, norm: f32) -> f32 {
  if (P == 0.0 || value == 0.0 || norm == 0.0) { return 0.0; }
  if (P == 2.0) { return value / norm; }
  return sign(value) * pow(abs(value) / norm, P - 1.0);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * groups.x * 64u;
  if (row >= params.rows) { return; }
  let start = rowStart(row);
  let unit = unitOf(start);
  var total = 0.0;
  for (var j = 0u; j < params.length; j++) { total += power(x[start + j * params.inner] / unit); }
  let norm = root(total) * unit;
  norms[row] = norm;
  let divisor = select(norm, EPS, norm < EPS);
  for (var j = 0u; j < params.length; j++) {
    let at = start + j * params.inner;
    y[at] = x[at] / divisor;
  }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * groups.x * 64u;
  if (row >= params.rows) { return; }
  let start = rowStart(row);
  let norm = lengths[row];
  let divisor = select(norm, EPS, norm < EPS);
  var along = 0.0;
  if (!(norm < EPS)) {
    for (var j = 0u; j < params.length; j++) {
      let at = start + j * params.inner;
      along += dy[at] * (x[at] / divisor);
    }
  }
  for (var j = 0u; j < params.length; j++) {
    let at = start + j * params.inner;
    dx[at] = (dy[at] - along * normSlope(x[at], norm)) / divisor;
  }
}
