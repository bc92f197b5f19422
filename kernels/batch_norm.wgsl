// batch_norm: normalisation of each channel over all rows (torch.nn.functional.batch_norm; statistics: moments.wgsl),
// and in the same passes what residual networks do next: add a shortcut, then ReLU or LeakyReLU.
//
// forward          y = act(u + residual), u = (x - mean) * invstd * weight + bias, invstd = 1 / sqrt(variance + eps);
//                  act(v) = v where v > 0, else SLOPE * v
// gradient_sums    per block of rows: (sum g, sum g * xhat), g = dy * act'(u), xhat = (x - mean) * invstd. u is
//                  computed anew, which costs less than reading y
// gradient_sums_residual  the same after an activation of u + residual: g = dy * act'(result), where result is y, whose
//                  sign is that of the argument. Writes g, which is the gradient of the residual too
// gradient_totals  over the blocks, in order: dbias = sum g, dweight = sum g * xhat; averages are both, over rows
// backward         TRAINING: dx = weight * invstd * (g - mean(g) - xhat * mean(g * xhat)), because mean and variance
//                  depend on x; otherwise dx = weight * invstd * g. g is that of gradient_sums. After
//                  gradient_sums_residual its g goes in as dy, with ACTIVATION false
//
// layout    x, residual, y, result, dy, g, dx: [rows, channels]. mean, variance, weight, bias, dweight, dbias:
//           [channels]. averages: [2, channels]
// bindings  forward: x, mean, variance, weight, bias, residual read, y write. gradient_sums: x, dy, mean, variance,
//           weight, bias read, pairs_out write ([blocks, channels]). gradient_sums_residual: x, dy, result, mean,
//           variance read, g and pairs_out write. gradient_totals: pairs read, averages_out, dweight, dbias write.
//           backward: x, dy, mean, variance, weight, bias, averages read, dx write
// WEIGHT    false: weight is 1 and its binding any buffer.  BIAS, RESIDUAL  likewise, with 0
// ACTIVATION  false: act(v) = v.  SLOPE  0 for ReLU
// TRAINING  false: mean and variance are constants; averages may be any buffer
// params    rows, channels; block: rows per invocation; eps. The number of channels is no override: an invocation
//           divides by it once, and so one pipeline serves every layer
// dispatch  gradient_totals: one invocation per channel, ceil(channels / 64) workgroups. The others: one per channel
//           and block of rows, neighbours being channels: ceil(ceil(rows / block) * channels / 64). Folded over y
//           beyond 65535

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

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read> result: array<f32>;
@group(0) @binding(8) var<storage, read> pairs: array<vec2f>;
@group(0) @binding(9) var<storage, read> averages: array<f32>;
@group(0) @binding(10) var<storage, read_write> y: array<f32>;
@group(0) @binding(11) var<storage, read_write> g: array<f32>;
@group(0) @binding(12) var<storage, read_write> pairs_out: array<vec2f>;
@group(0) @binding(13) var<storage, read_write> averages_out: array<f32>;
@group(0) @binding(14) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(15) var<storage, read_write> dbias: array<f32>;
@group(0) @binding(16) var<storage, read_write> dx: array<f32>;
@group(0) @binding(17) var<uniform> params: Params;

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

fn scale_of(channel: u32, invstd: f32) -> f32 {
  if (WEIGHT) { return invstd * weight[channel]; }
  return invstd;
}

fn offset_of(channel: u32) -> f32 {
  if (BIAS) { return bias[channel]; }
  return 0.0;
}

fn activate(value: f32) -> f32 {
  if (!ACTIVATION) { return value; }
  let negative = select(SLOPE * value, 0.0, SLOPE == 0.0); // not value * 0: infinity must become 0
  return select(value, negative, value <= 0.0); // NaN is not <= 0 and stays
}

/// The derivative of `activate` by its argument, which had the sign of `value`.
fn activation_gradient(value: f32) -> f32 {
  return select(1.0, SLOPE, ACTIVATION && value <= 0.0);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let own = span(id.x + id.y * grid.x * 64u);
  if (own.begin >= own.end) { return; }
  let center = mean[own.channel];
  let scale = scale_of(own.channel, inverse_deviation(own.channel));
  let offset = offset_of(own.channel);
  for (var at = own.begin; at < own.end; at += params.channels) {
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
  let center = mean[own.channel];
  let invstd = inverse_deviation(own.channel);
  let scale = scale_of(own.channel, invstd);
  let offset = offset_of(own.channel);
  var sum = vec2f();
  for (var at = own.begin; at < own.end; at += params.channels) {
    let deviation = x[at] - center;
    let gradient = dy[at] * activation_gradient(deviation * scale + offset);
    sum += vec2f(gradient, gradient * deviation);
  }
  pairs_out[i] = vec2f(sum.x, sum.y * invstd);
}

@compute @workgroup_size(64)
fn gradient_sums_residual(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * grid.x * 64u;
  let own = span(i);
  if (own.begin >= own.end) { return; }
  let center = mean[own.channel];
  var sum = vec2f();
  for (var at = own.begin; at < own.end; at += params.channels) {
    let gradient = dy[at] * activation_gradient(result[at]);
    g[at] = gradient;
    sum += vec2f(gradient, gradient * (x[at] - center));
  }
  pairs_out[i] = vec2f(sum.x, sum.y * inverse_deviation(own.channel));
}

@compute @workgroup_size(64)
fn gradient_totals(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let channel = id.x + id.y * grid.x * 64u;
  if (channel >= params.channels) { return; }
  let blocks = (params.rows + params.block - 1u) / params.block;
  var total = vec2f();
  for (var block = 0u; block < blocks; block++) {
    total += pairs[block * params.channels + channel];
  }
  dbias[channel] = total.x;
  dweight[channel] = total.y;
  averages_out[channel] = total.x / f32(params.rows);
  averages_out[params.channels + channel] = total.y / f32(params.rows);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let own = span(id.x + id.y * grid.x * 64u);
  if (own.begin >= own.end) { return; }
  let center = mean[own.channel];
  let invstd = inverse_deviation(own.channel);
  let scale = scale_of(own.channel, invstd);
  let offset = offset_of(own.channel);
  var average = 0.0;
  var slope = 0.0;
  if (TRAINING) {
    average = averages[own.channel];
    slope = averages[params.channels + own.channel] * invstd;
  }
  for (var at = own.begin; at < own.end; at += params.channels) {
    var gradient = dy[at];
    if (ACTIVATION || TRAINING) {
      let deviation = x[at] - center;
      gradient *= activation_gradient(deviation * scale + offset);
      if (TRAINING) { gradient -= average + deviation * slope; }
    }
    dx[at] = scale * gradient;
  }
}
