// batch_norm_vec4: batch_norm.wgsl where the number of channels is a multiple of 4. An invocation takes four channels,
// which is about twice as fast on CPU adapters. Formulas, layouts, bindings, overrides and params are those of
// batch_norm.wgsl; a pair of sums for each channel takes half a vec4.
//
// dispatch  one invocation per 4 channels and block of rows, neighbours being channels:
//           ceil(ceil(rows / block) * channels / 4 / 64) workgroups, folded over y beyond 65535

override WEIGHT: bool = true;
override BIAS: bool = true;
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
@group(0) @binding(6) var<storage, read> sum_dy: array<vec4f>;
@group(0) @binding(7) var<storage, read> sum_dy_xhat: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> pairs: array<vec4f>;
@group(0) @binding(10) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(11) var<uniform> params: Params;

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

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let own = span(id.x + id.y * grid.x * 64u);
  if (own.begin >= own.end) { return; }
  let center = mean[own.quad];
  var scale = inverse_deviation(own.quad);
  if (WEIGHT) { scale *= weight[own.quad]; }
  var offset = vec4f();
  if (BIAS) { offset = bias[own.quad]; }
  for (var at = own.begin; at < own.end; at += own.stride) {
    y[at] = (x[at] - center) * scale + offset;
  }
}

@compute @workgroup_size(64)
fn gradient_sums(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * grid.x * 64u;
  let own = span(i);
  if (own.begin >= own.end) { return; }
  let center = mean[own.quad];
  var sum = vec4f();
  var projection = vec4f();
  for (var at = own.begin; at < own.end; at += own.stride) {
    let gradient = dy[at];
    sum += gradient;
    projection += gradient * (x[at] - center);
  }
  projection *= inverse_deviation(own.quad);
  pairs[2u * i] = vec4f(sum.x, projection.x, sum.y, projection.y);
  pairs[2u * i + 1u] = vec4f(sum.z, projection.z, sum.w, projection.w);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let own = span(id.x + id.y * grid.x * 64u);
  if (own.begin >= own.end) { return; }
  let invstd = inverse_deviation(own.quad);
  var scale = invstd;
  if (WEIGHT) { scale *= weight[own.quad]; }
  if (TRAINING) {
    let center = mean[own.quad];
    let mean_dy = sum_dy[own.quad] / f32(params.rows);
    let slope = sum_dy_xhat[own.quad] / f32(params.rows) * invstd;
    for (var at = own.begin; at < own.end; at += own.stride) {
      dx[at] = scale * (dy[at] - mean_dy - (x[at] - center) * slope);
    }
  } else {
    for (var at = own.begin; at < own.end; at += own.stride) {
      dx[at] = scale * dy[at];
    }
  }
}
