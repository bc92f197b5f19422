// cosine: similarity of pairs of rows, and its gradients (torch.nn.functional.cosine_similarity).
//
// A row is the middle axis of [outer][length][inner]; A = max(|a|, EPS) and B = max(|b|, EPS) with Euclidean norms:
//   forward   y = sum(a * b) / (A * B); norms[row] = (|a|, |b|)
//   backward  da = dy * (b / B - y * a / A) / A, db likewise; the second term only where the norm is not clamped:
//             a clamped norm is a constant
//
// EPS       least norm
//
// bindings  forward: a, b read, y [rows] and norms vec2f [rows] write
//           backward: a, b, dy [rows], result [rows] (the y of forward), lengths (its norms) read, da, db write
// params    rows = outer * inner
// dispatch  one invocation per row: ceil(rows / 64) workgroups, folded over y beyond 65535

override EPS: f32;

struct Params {
  rows: u32,
  length: u32,
  inner: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> norms: array<vec2f>;
@group(0) @binding(4) var<storage, read> result: array<f32>;
@group(0) @binding(5) var<storage, read> lengths: array<vec2f>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> da: array<f32>;
@group(0) @binding(8) var<storage, read_write> db: array<f32>;
@group(0) @binding(9) var<uniform> params: Params;

fn rowStart(row: u32) -> u32 {
  return row / params.inner * params.length * params.inner + row % params.inner;
}

fn clamped(norm: vec2f) -> vec2f {
  return select(norm, vec2f(EPS), norm < vec2f(EPS));
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * groups.x * 64u;
  if (row >= params.rows) { return; }
  let start = rowStart(row);
  var dotProduct = 0.0;
  var squares = vec2f();
  for (var j = 0u; j < params.length; j++) {
    let at = start + j * params.inner;
    let pair = vec2f(a[at], b[at]);
    dotProduct += pair.x * pair.y;
    squares += pair * pair;
  }
  let found = sqrt(squares);
  let norm = clamped(found);
  norms[row] = found;
  y[row] = dotProduct / norm.x / norm.y; // one after the other: their product may underflow
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * groups.x * 64u;
  if (row >= params.rows) { return; }
  let start = rowStart(row);
  let found = lengths[row];
  let norm = clamped(found);
  let pull = select(vec2f(result[row]), vec2f(), found < vec2f(EPS));
  let g = dy[row] / norm;
  for (var j = 0u; j < params.length; j++) {
    let at = start + j * params.inner;
    let unit = vec2f(a[at], b[at]) / norm;
    let grads = g * (unit.yx - pull * unit);
    da[at] = grads.x;
    db[at] = grads.y;
  }
}
