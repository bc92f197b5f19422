// matmul: y[b] = op(a[b]) * op(b[b]) for each matrix of a batch (torch.bmm, torch.matmul), f32, row-major.
//
// op(a) is m x k: a is stored [batch, m, k], or [batch, k, m] where TRANSPOSE_A.
// op(b) is k x n: b is stored [batch, k, n], or [batch, n, k] where TRANSPOSE_B.
// y is [splits, batch, m, n]: slice s holds the sum over its part of k. With splits = 1 that is the product; otherwise
// reduce.wgsl adds the slices in order.
//
// params    m, n, k; batch; splits: parts that k is cut into, each a multiple of 16 long (the last may be shorter)
// dispatch  (ceil(n / 64), ceil(m / 64), batch * splits) workgroups of 256: a 64 x 64 tile each, 4 x 4 per invocation
// limits    any sizes; 8 KiB of workgroup memory

override TRANSPOSE_A: bool;
override TRANSPOSE_B: bool;

const TILE: u32 = 64u;
const DEPTH: u32 = 16u;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  batch: u32,
  splits: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> a_tile: array<f32, TILE * DEPTH>;
var<workgroup> b_tile: array<f32, TILE * DEPTH>;

fn load_a(base: u32, row: u32, inner: u32, end: u32) -> f32 {
  if (row >= params.m || inner >= end) { return 0.0; }
  return a[base + select(row * params.k + inner, inner * params.m + row, TRANSPOSE_A)];
}

fn load_b(base: u32, inner: u32, col: u32, end: u32) -> f32 {
  if (col >= params.n || inner >= end) { return 0.0; }
  return b[base + select(inner * params.n + col, col * params.k + inner, TRANSPOSE_B)];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let batch = group.z % params.batch;
  let part = group.z / params.batch;
  let part_length = (((params.k + params.splits - 1u) / params.splits + DEPTH - 1u) / DEPTH) * DEPTH;
  let begin = min(part * part_length, params.k);
  let end = min(begin + part_length, params.k);
  let row0 = group.y * TILE;
  let col0 = group.x * TILE;
  let base_a = batch * params.m * params.k;
  let base_b = batch * params.k * params.n;

  let row = row0 + (local / 16u) * 4u;
  let col = col0 + (local % 16u) * 4u;
  var c0 = vec4f();
  var c1 = vec4f();
  var c2 = vec4f();
  var c3 = vec4f();
  for (var inner = begin; inner < end; inner += DEPTH) {
    for (var i = 0u; i < 4u; i++) {
      // Neighbouring invocations read neighbouring words, whichever way the operand lies in memory.
      if (TRANSPOSE_A) {
        let d = local / TILE + 4u * i;
        a_tile[d * TILE + local % TILE] = load_a(base_a, row0 + local % TILE, inner + d, end);
      } else {
        let r = local / DEPTH + 16u * i;
        a_tile[(local % DEPTH) * TILE + r] = load_a(base_a, row0 + r, inner + local % DEPTH, end);
      }
      if (TRANSPOSE_B) {
        let c = local / DEPTH + 16u * i;
        b_tile[(local % DEPTH) * TILE + c] = load_b(base_b, inner + local % DEPTH, col0 + c, end);
      } else {
        let d = local / TILE + 4u * i;
        b_tile[d * TILE + local % TILE] = load_b(base_b, inner + d, col0 + local % TILE, end);
      }
    }
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d++) {
      let r = row - row0;
      let c = col - col0;
      let bv = vec4f(b_tile[d * TILE + c], b_tile[d * TILE + c + 1u], b_tile[d * TILE + c + 2u], b_tile[d * TILE + c + 3u]);
      c0 = fma(vec4f(a_tile[d * TILE + r]), bv, c0);
      c1 = fma(vec4f(a_tile[d * TILE + r + 1u]), bv, c1);
      c2 = fma(vec4f(a_tile[d * TILE + r + 2u]), bv, c2);
      c3 = fma(vec4f(a_tile[d * TILE + r + 3u]), bv, c3);
    }
    workgroupBarrier();
  }

  let out = array<vec4f, 4>(c0, c1, c2, c3);
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      if (row + r < params.m && col + c < params.n) {
        y[(group.z * params.m + row + r) * params.n + col + c] = out[r][c];
      }
    }
  }
}
