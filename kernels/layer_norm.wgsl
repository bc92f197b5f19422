// layer_norm: normalisation of each row over its columns (torch.nn.functional.layer_norm; statistics: moments.wgsl).
//
// forward      y = xhat * weight + bias,  xhat = (x - mean) * invstd,  invstd = 1 / sqrt(variance + eps)
// row_sums     per block of columns: (sum of g, sum of g * xhat) of each row, g = dy * weight
// weight_sums  per block of rows: (sum of dy, sum of dy * xhat) of each column. Their totals over the blocks
//              (sum_pairs.wgsl) are the gradients of bias and weight
// backward     dx = invstd * (g - mean of g over the row - xhat * mean of g * xhat over the row)
//
// layout    x, y, dy, dx: [rows, columns]. mean, variance, sum_g, sum_g_xhat: [rows]. weight, bias: [columns]
// bindings  forward: x, mean, variance, weight, bias read, y write. row_sums: x, dy, mean, variance, weight read,
//           pairs write ([blocks, rows]). weight_sums: x, dy, mean, variance read, pairs write ([blocks, columns]).
//           backward: x, dy, mean, variance, weight, sum_g, sum_g_xhat read, dx write
// WEIGHT    false: weight is 1 and its binding any buffer.  BIAS  likewise, with 0
// params    rows, columns; block: columns per invocation, in weight_sums rows per invocation; eps
// dispatch  forward, backward: one invocation per row and block, neighbours being blocks. row_sums: the same,
//           neighbours being rows. weight_sums: one per block and column, neighbours being columns.
//           ceil(invocations / 64) workgroups, folded over y beyond 65535

override WEIGHT: bool = true;
override BIAS: bool = true;

struct Params {
  rows: u32,
  columns: u32,
  block: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> sum_g: array<f32>;
@group(0) @binding(7) var<storage, read> sum_g_xhat: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;
@group(0) @binding(9) var<storage, read_write> pairs: array<vec2f>;
@group(0) @binding(10) var<storage, read_write> dx: array<f32>;
@group(0) @binding(11) var<uniform> params: Params;

fn inverse_deviation(row: u32) -> f32 {
  return 1.0 / sqrt(variance[row] + params.eps);
}

fn weight_of(column: u32) -> f32 {
  if (WEIGHT) { return weight[column]; }
  return 1.0;
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * grid.x * 64u;
  let blocks = (params.columns + params.block - 1u) / params.block;
  let row = i / blocks;
  if (row >= params.rows) { return; }
  let first = (i - row * blocks) * params.block;
  let center = mean[row];
  let invstd = inverse_deviation(row);
  for (var column = first; column < min(first + params.block, params.columns); column++) {
    let at = row * params.columns + column;
    var value = (x[at] - center) * invstd * weight_of(column);
    if (BIAS) { value += bias[column]; }
    y[at] = value;
  }
}

@compute @workgroup_size(64)
fn row_sums(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * grid.x * 64u;
  let block = i / params.rows;
  let first = block * params.block;
  if (first >= params.columns) { return; }
  let row = i - block * params.rows;
  let center = mean[row];
  var sum = vec2f();
  for (var column = first; column < min(first + params.block, params.columns); column++) {
    let at = row * params.columns + column;
    let g = dy[at] * weight_of(column);
    sum += vec2f(g, g * (x[at] - center));
  }
  pairs[i] = vec2f(sum.x, sum.y * inverse_deviation(row));
}

@compute @workgroup_size(64)
fn weight_sums(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * grid.x * 64u;
  let block = i / params.columns;
  let first = block * params.block;
  if (first >= params.rows) { return; }
  let column = i - block * params.columns;
  var sum = vec2f();
  for (var row = first; row < min(first + params.block, params.rows); row++) {
    let at = row * params.columns + column;
    let gradient = dy[at];
    sum += vec2f(gradient, gradient * (x[at] - mean[row]) * inverse_deviation(row));
  }
  pairs[i] = sum;
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * grid.x * 64u;
  let blocks = (params.columns + params.block - 1u) / params.block;
  let row = i / blocks;
  if (row >= params.rows) { return; }
  let first = (i - row * blocks) * params.block;
  let center = mean[row];
  let invstd = inverse_deviation(row);
  let mean_g = sum_g[row] / f32(params.columns);
  let slope = sum_g_xhat[row] / f32(params.columns) * invstd;
  for (var column = first; column < min(first + params.block, params.columns); column++) {
    let at = row * params.columns + column;
    dx[at] = invstd * (dy[at] * weight_of(column) - mean_g - (x[at] - center) * slope);
  }
}
