// gelu: x * P(X <= x) for a standard normal X (torch.nn.functional.gelu), and its gradient.
//
// forward   y[i] = x[i] * phi(x[i]).  backward  dx[i] = dy[i] * (phi(x[i]) + x[i] * phi'(x[i]))
// TANH      false: phi(x) = erfc(-x / sqrt(2)) / 2
//           true: phi(x) = (1 + tanh(u)) / 2 with u = sqrt(2 / pi) * (x + 0.044715 x^3): approximate="tanh"
//
// bindings  forward: x read, y write. backward: x, dy read, dx write
// params    count: number of elements
// dispatch  one invocation per 4 elements: ceil(ceil(count / 4) / 64) workgroups, folded over y beyond 65535

override TANH: bool;

struct Params {
  count: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

const SQRT_HALF = 0.7071067811865476;
const SQRT_2_OVER_PI = 0.7978845608028654;
const DENSITY_AT_0 = 0.3989422804014327; // 1 / sqrt(2 pi)

/// erfc(z) for z >= 0 to a relative 3e-7: t * exp(p(t) - z * z) with t = 2 / (2 + z), p being the polynomial of degree
/// 9 through log(erfc(z) * exp(z * z) / t) at the Chebyshev points of 1/8 <= t <= 1. A fit of erf itself would leave no
/// correct digit in the negative tail.
fn erfc(z: f32) -> f32 {
  let t = 2.0 / (2.0 + z);
  var p = 0.171006749;
  p = p * t - 0.819691596;
  p = p * t + 1.475248714;
  p = p * t - 1.107899797;
  p = p * t + 0.248865977;
  p = p * t - 0.166922715;
  p = p * t + 0.089301941;
  p = p * t + 0.375766296;
  p = p * t + 0.999827658;
  p = p * t - 1.265503154;
  return t * exp(p - z * z);
}

/// (1 + tanh(u)) / 2 without its cancellation for u < 0, the exponent kept where exp is finite.
fn half_tanh(u: f32) -> f32 {
  return 1.0 / (1.0 + exp(min(-2.0 * u, 80.0)));
}

fn phi(value: f32) -> f32 {
  if (TANH) {
    return half_tanh(SQRT_2_OVER_PI * (value + 0.044715 * value * value * value));
  }
  let tail = 0.5 * erfc(abs(value) * SQRT_HALF);
  return select(tail, 1.0 - tail, value > 0.0);
}

fn slope(value: f32) -> f32 {
  let share = phi(value);
  if (TANH) {
    return share + 2.0 * value * share * (1.0 - share) * SQRT_2_OVER_PI * (1.0 + 0.134145 * value * value);
  }
  return share + value * DENSITY_AT_0 * exp(-0.5 * value * value);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = 4u * (id.x + id.y * groups.x * 64u);
  for (var i = first; i < min(first + 4u, params.count); i++) {
    y[i] = x[i] * phi(x[i]);
  }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = 4u * (id.x + id.y * groups.x * 64u);
  for (var i = first; i < min(first + 4u, params.count); i++) {
    dx[i] = dy[i] * slope(x[i]);
  }
}
