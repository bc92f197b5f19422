// softmax: softmax and log-softmax along the middle axis of [outer][length][inner], and their gradients
// (torch.softmax, torch.log_softmax).
//
// forward   softmax      y = exp(x - top) / sum exp(x - top)        top = largest of the row
//           log-softmax  y = x - top - log(sum exp(x - top))
// backward  softmax      dx = y * (dy - sum(dy * y))
//           log-softmax  dx = dy - exp(y) * sum(dy)
// LOG       false softmax, true log-softmax
//
// A row of NaN, of nothing but -infinity, or with +infinity gives NaN, as in PyTorch; -infinity among others counts as
// absent. Top and sum are found in one pass that rescales the sum when a larger element turns up (Milakov and
// Gimelshein, "Online normalizer calculation for softmax", 2018).
//
// forward, backward            one invocation per row: for many or short rows
// forwardGroup, backwardGroup  one workgroup of 128 per row: for few long rows. Partial results meet in a fixed tree.
//
// bindings  forward: x read, y write; backward: result (the y of forward), dy read, dx write. Elements of a row lie `inner` apart.
// params    rows = outer * inner; length > 0
// dispatch  per row: ceil(rows / 64) workgroups; group: `rows` workgroups. Both folded over y beyond 65535.

override LOG: bool;

struct Params {
  rows: u32,
  length: u32,
  inner: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> result: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

const GROUP = 128u;
// Stands for "nothing seen yet". Finite, so that no difference with it is NaN; its exponential is 0 in any row.
const LOWEST = -3.4028234e38;

struct Stats {
  top: f32,
  sum: f32,
}

var<workgroup> partTop: array<f32, 128>;
var<workgroup> partSum: array<f32, 128>;

fn rowStart(row: u32) -> u32 {
  return row / params.inner * params.length * params.inner + row % params.inner;
}

// The elements first, first + step, ... four at a time, so that the sum is rescaled once per four.
fn stats(start: u32, first: u32, step: u32) -> Stats {
  var seen = Stats(LOWEST, 0.0);
  for (var j = first; j < params.length; j += 4u * step) {
    let place = vec4u(j, j + step, j + 2u * step, j + 3u * step);
    let present = place < vec4u(params.length);
    let at = start + select(vec4u(j), place, present) * params.inner; // absent: the first again, which changes no maximum
    let v = vec4f(x[at.x], x[at.y], x[at.z], x[at.w]);
    let top = max(max(seen.top, max(v.x, v.y)), max(v.z, v.w));
    let e = select(vec4f(), exp(v - top), present);
    seen = Stats(top, seen.sum * exp(seen.top - top) + (e.x + e.y + e.z + e.w));
  }
  return seen;
}

fn normalized(value: f32, row: Stats, logSum: f32) -> f32 {
  if (LOG) { return value - row.top - logSum; }
  return exp(value - row.top) / row.sum;
}

// What backward subtracts: the sum of dy * y, or of dy.
fn gradientSum(start: u32, first: u32, step: u32) -> f32 {
  var total = 0.0;
  for (var j = first; j < params.length; j += step) {
    let at = start + j * params.inner;
    if (LOG) { total += dy[at]; } else { total += dy[at] * result[at]; }
  }
  return total;
}

fn gradient(at: u32, total: f32) -> f32 {
  if (LOG) { return dy[at] - exp(result[at]) * total; }
  return result[at] * (dy[at] - total);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * groups.x * 64u;
  if (row >= params.rows) { return; }
  let start = rowStart(row);
  let found = stats(start, 0u, 1u);
  let logSum = log(found.sum);
  for (var j = 0u; j < params.length; j++) {
    let at = start + j * params.inner;
    y[at] = normalized(x[at], found, logSum);
  }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * groups.x * 64u;
  if (row >= params.rows) { return; }
  let start = rowStart(row);
  let total = gradientSum(start, 0u, 1u);
  for (var j = 0u; j < params.length; j++) {
    let at = start + j * params.inner;
    dx[at] = gradient(at, total);
  }
}

@compute @workgroup_size(128)
fn forwardGroup(
  @builtin(local_invocation_index) lane: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = group.x + group.y * groups.x;
  if (row >= params.rows) { return; }
  let start = rowStart(row);
  let mine = stats(start, lane, GROUP);
  partTop[lane] = mine.top;
  partSum[lane] = mine.sum;
  workgroupBarrier();
  for (var half = GROUP / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      let top = max(partTop[lane], partTop[lane + half]);
      partSum[lane] = partSum[lane] * exp(partTop[lane] - top) + partSum[lane + half] * exp(partTop[lane + half] - top);
      partTop[lane] = top;
    }
    workgroupBarrier();
  }
  let found = Stats(partTop[0], partSum[0]);
  let logSum = log(found.sum);
  for (var j = lane; j < params.length; j += GROUP) {
    let at = start + j * params.inner;
    y[at] = normalized(x[at], found, logSum);
  }
}

@compute @workgroup_size(128)
fn backwardGroup(
  @builtin(local_invocation_index) lane: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = group.x + group.y * groups.x;
  if (row >= params.rows) { return; }
  let start = rowStart(row);
  partSum[lane] = gradientSum(start, lane, GROUP);
  workgroupBarrier();
  for (var half = GROUP / 2u; half > 0u; half /= 2u) {
    if (lane < half) { partSum[lane] += partSum[lane + half]; }
    workgroupBarrier();
  }
  let total = partSum[0];
  for (var j = lane; j < params.length; j += GROUP) {
    let at = start + j * params.inner;
    dx[at] = gradient(at, total);
  }
}
