// batch_norm: normalisation of each channel over all rows (torch.nn.functional.batch_norm; statistics: moments.wgsl).
//
// forward        y = (x - mean) * invstd * weight + bias,  invstd = 1 / sqrt(variance + eps)
// gradient_sums  per block of rows: (sum dy, sum dy * xhat),  xhat = (x - mean) * invstd. Their totals over the blocks
//                (sum_pairs.wgsl) are the gradients of bias and weight
// backward       TRAINING: dx = weight * invstd * (dy - mean(dy) - xhat * mean(dy * xhat)), because mean and variance
//                depend on x; otherwise dx = weight * invstd * dy
//
// layout    x, y, dy, dx: [rows, channels]. mean, variance, weight, bias, sum_dy, sum_dy_xhat: [channels]
// bindings  forward: x, mean, variance, weight, bias read, y write. gradient_sums: x, dy, mean, variance read, pairs
//           write ([blocks, channels]). backward: x, dy, mean, variance, weight, sum_dy, sum_dy_xhat read, dx write
// WEIGHT    false: weight is 1 and its binding any buffer.  BIAS  likewise, with 0
// TRAINING  false: mean and variance are constants; sum_dy and sum_dy_xhat may be any buffer
// params    rows, channels; block: rows per invocation; eps. The number of channels is no override: an invocation
//           divides by it once, and so one pipeline serves every layer
// dispatch  one invocation per channel and block of rows, neighbours being channels:
//           ceil(ceil(rows / block) * channels / 64) workgroups, folded over y beyond 65535

override WEIGHT: bool = true;
override BIAS: bool = true;
override TRAINING: bool = true;

struct Params {
  rows: u32,
  channels: u32,
  block: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> sum_dy: array<f32>;
@group(0) @binding(7) var<storage, read> sum_dy_xhat: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;
@group(0) @binding(9) var<storage, read_write> pairs: array<vec2f>;
@group(0) @binding(10) var<storage, read_write> dx: array<f32>;
@group(0) @binding(11) var<uniform> params: Params;

/// What one invocation takes: elements `begin`, `begin + channels`, ... up to `end`, all of one channel. An invocation
/// beyond the last block gets begin >= end.
struct Span {
  channel: u32,
  begin: u32,
  end: u32,
}

fn span(i: u32) -> Span {
  let block = i / params.channels;
  let channel = i - block * params.channels;
  let first = block * params.block;
  let last = min(first + params.block, params.rows);
  return Span(channel, first * params.channels + channel, last * params.channels);
}

fn inverse_deviation(channel: u32) -> f32 {
  return 1.0 / sqrt(variance[channel] + params.eps);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let own = span(id.x + id.y * grid.x * 64u);
  if (own.begin >= own.end) { return; }
  let center = mean[own.channel];
  var scale = inverse_deviation(own.channel);
  if (WEIGHT) { scale *= weight[own.channel]; }
  var offset = 0.0;
  if (BIAS) { offset = bias[own.channel]; }
  for (var at = own.begin; at < own.end; at += params.channels) {
    y[at] = (x[at] - center) * scale + offset;
  }
}

@compute @workgroup_size(64)
fn gradient_sums(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * grid.x * 64u;
  let own = span(i);
  if (own.begin >= own.end) { return; }
  let center = mean[own.channel];
  var sum = vec2f();
  for (var at = own.begin; at < own.end; at += params.channels) {
    let gradient = dy[at];
    sum += vec2f(gradient, gradient * (x[at] - center));
  }
  pairs[i] = vec2f(sum.x, sum.y * inverse_deviation(own.channel));
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let own = span(id.x + id.y * grid.x * 64u);
  if (own.begin >= own.end) { return; }
  let invstd = inverse_deviation(own.channel);
  var scale = invstd;
  if (WEIGHT) { scale *= weight[own.channel]; }
  if (TRAINING) {
    let center = mean[own.channel];
    let mean_dy = sum_dy[own.channel] / f32(params.rows);
    let slope = sum_dy_xhat[own.channel] / f32(params.rows) * invstd;
    for (var at = own.begin; at < own.end; at += params.channels) {
      dx[at] = scale * (dy[at] - mean_dy - (x[at] - center) * slope);
    }
  } else {
    for (var at = own.begin; at < own.end; at += params.channels) {
      dx[at] = scale * dy[at];
    }
  }
}
