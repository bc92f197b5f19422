// batch_norm_vec4: batch_norm.wgsl where the number of channels is a multiple of 4. An invocation takes four channels,
// which is about twice as fast on CPU adapters. Formulas, layouts, bindings, overrides and params are those of
// batch_norm.wgsl; a pair of sums for each channel takes half a vec4. gradient_totals of batch_norm.wgsl serves both.
//
// dispatch  one invocation per 4 channels and block of rows, neighbours being channels:
//           ceil(ceil(rows / block) * channels / 4 / 64) workgroups, folded over y beyond 65535

override WEIGHT: bool = true;
override BIAS: bool = true;
override RESIDUAL: bool = false;
override ACTIVATION: bool = false;
override SLOPE: f32 = 0.0;
override TRAINING: bool = true;

struct Params {
  rows: u32,
  channels: u32,
  block: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> mean: array<vec4f>;
@group(0) @binding(3) var<storage, read> variance: array<vec4f>;
@group(0) @binding(4) var<storage, read> weight: array<vec4f>;
@group(0) @binding(5) var<storage, read> bias: array<vec4f>;
@group(0) @binding(6) var<storage, read> residual: array<vec4f>;
@group(0) @binding(7) var<storage, read> result: array<vec4f>;
@group(0) @binding(8) var<storage, read> averages: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(10) var<storage, read_write> g: array<vec4f>;
@group(0) @binding(11) var<storage, read_write> pairs_out: array<vec4f>;
@group(0) @binding(12) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(13) var<uniform> params: Params;

/// What one invocation takes: four channels, the `quad`th of `stride` such, in elements `begin`, `begin + stride`, ...
/// up to `end`. An invocation beyond the last block gets begin >= end.
struct Span {
  quad: u32,
  begin: u32,
  end: u32,
  stride: u32,
}

fn span(i: u32) -> Span {
  let stride = params.channels / 4u;
  let block = i / stride;
  let quad = i - block * stride;
  let first = block * params.block;
  return Span(quad, first * stride + quad, min(first + params.block, params.rows) * stride, stride);
}

fn inverse_deviation(quad: u32) -> vec4f {
  return 1.0 / sqrt(variance[quad] + params.eps);
}

fn scale_of(quad: u32, invstd: vec4f) -> vec4f {
  if (WEIGHT) { return invstd * weight[quad]; }
  return invstd;
}

fn offset_of(quad: u32) -> vec4f {
  if (BIAS) { return bias[quad]; }
  return vec4f();
}

fn activate(value: vec4f) -> vec4f {
  if (!ACTIVATION) { return value; }
  let negative = select(SLOPE * value, vec4f(), SLOPE == 0.0); // not value * 0: infinity must become 0
  return select(value, negative, value <= vec4f()); // NaN is not <= 0 and stays
}

/// The derivative of `activate` by its argument, which had the sign of `value`.
fn activation_gradient(value: vec4f) -> vec4f {
  return select(vec4f(1.0), vec4f(SLOPE), vec4<bool>(ACTIVATION) & (value <= vec4f()));
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let own = span(id.x + id.y * grid.x * 64u);
  if (own.begin >= own.end) { return; }
  let center = mean[own.quad];
  let scale = scale_of(own.quad, inverse_deviation(own.quad));
  let offset = offset_of(own.quad);
  for (var at = own.begin; at < own.end; at += own.stride) {
    var value = (x[at] - center) * scale + offset;
    if (RESIDUAL) { value += residual[at]; }
    y[at] = activate(value);
  }
}

@compute @workgroup_size(64)
fn gradient_sums(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * grid.x * 64u;
  let own = span(i);
  if (own.begin >= own.end) { return; }
  let center = mean[own.quad];
  let invstd = inverse_deviation(own.quad);
  let scale = scale_of(own.quad, invstd);
  let offset = offset_of(own.quad);
  var sum = vec4f();
  var projection = vec4f();
  for (var at = own.begin; at < own.end; at += own.stride) {
    let deviation = x[at] - center;
    let gradient = dy[at] * activation_gradient(deviation * scale + offset);
    sum += gradient;
    projection += gradient * deviation;
  }
  projection *= invstd;
  pairs_out[2u * i] = vec4f(sum.x, projection.x, sum.y, projection.y);
  pairs_out[2u * i + 1u] = vec4f(sum.z, projection.z, sum.w, projection.w);
}

@compute @workgroup_size(64)
fn gradient_sums_residual(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * grid.x * 64u;
  let own = span(i);
  if (own.begin >= own.end) { return; }
  let center = mean[own.quad];
  var sum = vec4f();
  var projection = vec4f();
  for (var at = own.begin; at < own.end; at += own.stride) {
    let gradient = dy[at] * activation_gradient(result[at]);
    g[at] = gradient;
    sum += gradient;
    projection += gradient * (x[at] - center);
  }
  projection *= inverse_deviation(own.quad);
  pairs_out[2u * i] = vec4f(sum.x, projection.x, sum.y, projection.y);
  pairs_out[2u * i + 1u] = vec4f(sum.z, projection.z, sum.w, projection.w);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let own = span(id.x + id.y * grid.x * 64u);
  if (own.begin >= own.end) { return; }
  let center = mean[own.quad];
  let invstd = inverse_deviation(own.quad);
  let scale = scale_of(own.quad, invstd);
  let offset = offset_of(own.quad);
  var average = vec4f();
  var slope = vec4f();
  if (TRAINING) {
    average = averages[own.quad];
    slope = averages[own.stride + own.quad] * invstd;
  }
  for (var at = own.begin; at < own.end; at += own.stride) {
    var gradient = dy[at];
    if (ACTIVATION || TRAINING) {
      let deviation = x[at] - center;
      gradient *= activation_gradient(deviation * scale + offset);
      if (TRAINING) { gradient -= average + deviation * slope; }
    }
    dx[at] = scale * gradient;
  }
}
