// attention: the softmax inside scaled dot-product attention (torch.nn.functional.scaled_dot_product_attention), in
// place for a chunk of query rows, and its gradient from row statistics. The products around it are matmul.wgsl's.
//
//   P = softmax(SCALE S) over keys, S = Q K^T, O = P V
//   dP = dO V^T,  dS = SCALE P * (dP - delta),  delta = rowsum(P * dP) = rowsum(dO * O)  (FlashAttention, 2022)
//
// probabilities   scores: S in, P out; statistics[row] = (max over keys of SCALE S, 1 / sum of exp(SCALE S - max))
// row_products    deltas[row] = sum over channels of output * d_output
// gradients       scores: S in, P out; d_scores: dP in, dS out; from saved_statistics and saved_deltas
//
// layouts   scores, d_scores [rows, keys], the rows first_row .. first_row + rows - 1 of all queries;
//           statistics [queries, 2]; deltas [queries]; output, d_output [queries, channels]
// overrides SCALE
// params    rows, keys: size of the chunk; first_row; channels: of the values (row_products only)
// dispatch  probabilities: one invocation per row; row_products: one per row; gradients: one per 4 keys of a row, that
//           is rows * ceil(keys / 4). Workgroups of 64, folded over y beyond 65535

override SCALE: f32;

struct Params {
  rows: u32,
  keys: u32,
  first_row: u32,
  channels: u32,
}

@group(0) @binding(0) var<storage, read_write> scores: array<f32>;
@group(0) @binding(1) var<storage, read_write> d_scores: array<f32>;
@group(0) @binding(2) var<storage, read_write> statistics: array<vec2f>;
@group(0) @binding(3) var<storage, read> saved_statistics: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> deltas: array<f32>;
@group(0) @binding(5) var<storage, read> saved_deltas: array<f32>;
@group(0) @binding(6) var<storage, read> output: array<f32>;
@group(0) @binding(7) var<storage, read> d_output: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

@compute @workgroup_size(64)
fn probabilities(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * groups.x * 64u;
  if (row >= params.rows) { return; }
  let first = row * params.keys;
  let end = first + params.keys;

  // One pass for both statistics: the sum is rescaled whenever a block of 4 raises the maximum.
  var highest = SCALE * scores[first];
  var total = 0.0;
  for (var at = first; at < end; at += 4u) {
    let last = end - 1u;
    let here = min(vec4u(at, at + 1u, at + 2u, at + 3u), vec4u(last));
    let block = SCALE * vec4f(scores[here.x], scores[here.y], scores[here.z], scores[here.w]);
    let before = highest;
    highest = max(highest, max(max(block.x, block.y), max(block.z, block.w)));
    let inside = vec4u(at, at + 1u, at + 2u, at + 3u) < vec4u(end);
    total = total * exp(before - highest) + dot(select(vec4f(), exp(block - highest), inside), vec4f(1.0));
  }
  let norm = 1.0 / total;
  for (var at = first; at < end; at++) { scores[at] = norm * exp(SCALE * scores[at] - highest); }
  statistics[params.first_row + row] = vec2f(highest, norm);
}

@compute @workgroup_size(64)
fn row_products(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * groups.x * 64u;
  if (row >= params.rows) { return; }
  var total = 0.0;
  for (var at = row * params.channels; at < (row + 1u) * params.channels; at++) { total += output[at] * d_output[at]; }
  deltas[row] = total;
}

@compute @workgroup_size(64)
fn gradients(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  let blocks = (params.keys + 3u) / 4u;
  let row = index / blocks;
  if (row >= params.rows) { return; }
  let row_statistics = saved_statistics[params.first_row + row];
  let delta = saved_deltas[params.first_row + row];
  let first = row * params.keys + 4u * (index % blocks);
  for (var at = first; at < min(first + 4u, (row + 1u) * params.keys); at++) {
    let p = row_statistics.y * exp(SCALE * scores[at] - row_statistics.x);
    scores[at] = p;
    d_scores[at] = SCALE * p * (d_scores[at] - delta);
  }
}
