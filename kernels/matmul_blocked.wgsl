// matmul_blocked: what matmul.wgsl computes, for GPUs, where the innermost axes of a, b and y are multiples of 4 long.
//
// A workgroup owns ROWS x 64 elements of y and an invocation 8 x 4 of them, in eight vectors that stay in registers: 8 fma
// on vectors for 3 reads of workgroup memory. Sixteen indices of k are staged at a time, both operands with k outermost,
// so that 4 rows or columns are one vector. An invocation moves a block of 4 x 4 values: four vectors as they lie in
// memory, transposed in registers where k is the innermost axis. The tiles are one vector wider than their content:
// then 8 neighbours write to different banks in either case. Tile, block and vectors are those that others measured to be
// best on several GPUs (borch, GEMM.md: 128 x 64, 8 x 4, 16 of k, a single buffer).
//
// Operands, layout of y, params and parts of k as in matmul.wgsl.
//
// dispatch  (ceil(n / 64), ceil(m / ROWS), batch * splits) workgroups of 2 * ROWS
// limits    the last axes of a, b and y as stored: multiples of 4; 12.8 KiB of workgroup memory

override TRANSPOSE_A: bool;
override TRANSPOSE_B: bool;

const ROWS: u32 = 128u; // @tune 64 128
const COLS: u32 = 64u;
const DEPTH: u32 = 16u;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  batch: u32,
  splits: u32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> a_tile: array<array<vec4f, ROWS / 4u + 1u>, DEPTH>;
var<workgroup> b_tile: array<array<vec4f, COLS / 4u + 1u>, DEPTH>;

// Place of a 4 x 4 block in a tile: which four rows (or columns), and which four of the 16 inner indices. Neighbours
// read neighbouring vectors of memory, wherever these go.
fn place(job: u32, width: u32, is_transposed: bool) -> vec2u {
  if (!is_transposed) { return vec2u(job % (width / 4u), job / (width / 4u)); }
  return vec2u((job / 16u) * 4u + (job / 2u) % 4u, (job / 8u) % 2u * 2u + job % 2u);
}

fn read_a(start: u32, line: u32, at: u32, ends: vec2u) -> vec4f {
  if (line >= ends.x || at >= ends.y) { return vec4f(); }
  return a[start + line * select(params.k, params.m, TRANSPOSE_A) / 4u + at];
}

fn read_b(start: u32, line: u32, at: u32, ends: vec2u) -> vec4f {
  if (line >= ends.x || at >= ends.y) { return vec4f(); }
  return b[start + line * select(params.n, params.k, TRANSPOSE_B) / 4u + at];
}

fn store(slab: u32, row: u32, col: u32, value: vec4f) {
  if (row < params.m && col < params.n / 4u) { y[(slab * params.m + row) * (params.n / 4u) + col] = value; }
}

@compute @workgroup_size(2u * ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let batch = group.z % params.batch;
  let part = group.z / params.batch;
  let part_length = (((params.k + params.splits - 1u) / params.splits + DEPTH - 1u) / DEPTH) * DEPTH;
  let begin = min(part * part_length, params.k);
  let end = min(begin + part_length, params.k);
  let a_start = batch * params.m * params.k / 4u;
  let b_start = batch * params.k * params.n / 4u;

  // The first ROWS invocations stage op(a), the 64 after them op(b). A line of memory is a row or column where k is
  // innermost, else an index of k.
  let stages_a = local < ROWS;
  let a_place = place(local, ROWS, !TRANSPOSE_A);
  let b_place = place(local - ROWS, COLS, TRANSPOSE_B);
  let a_rows = group.y * ROWS + 4u * a_place.x;
  let b_cols = group.x * COLS + 4u * b_place.x;

  let row = local / 16u * 2u;
  let col = local % 16u;
  var c0 = vec4f();
  var c1 = vec4f();
  var c2 = vec4f();
  var c3 = vec4f();
  var c4 = vec4f();
  var c5 = vec4f();
  var c6 = vec4f();
  var c7 = vec4f();
  for (var inner = begin; inner < end; inner += DEPTH) {
    if (stages_a) {
      let k = inner + 4u * a_place.y;
      let line = select(a_rows, k, TRANSPOSE_A);
      let at = select(k, a_rows, TRANSPOSE_A) / 4u;
      let ends = select(vec2u(params.m, end / 4u), vec2u(end, params.m / 4u), TRANSPOSE_A);
      var block = mat4x4f(
        read_a(a_start, line, at, ends),
        read_a(a_start, line + 1u, at, ends),
        read_a(a_start, line + 2u, at, ends),
        read_a(a_start, line + 3u, at, ends),
      );
      if (!TRANSPOSE_A) { block = transpose(block); }
      a_tile[4u * a_place.y][a_place.x] = block[0];
      a_tile[4u * a_place.y + 1u][a_place.x] = block[1];
      a_tile[4u * a_place.y + 2u][a_place.x] = block[2];
      a_tile[4u * a_place.y + 3u][a_place.x] = block[3];
    } else if (local < ROWS + COLS) {
      let k = inner + 4u * b_place.y;
      let line = select(k, b_cols, TRANSPOSE_B);
      let at = select(b_cols, k, TRANSPOSE_B) / 4u;
      let ends = select(vec2u(end, params.n / 4u), vec2u(params.n, end / 4u), TRANSPOSE_B);
      var block = mat4x4f(
        read_b(b_start, line, at, ends),
        read_b(b_start, line + 1u, at, ends),
        read_b(b_start, line + 2u, at, ends),
        read_b(b_start, line + 3u, at, ends),
      );
      if (TRANSPOSE_B) { block = transpose(block); }
      b_tile[4u * b_place.y][b_place.x] = block[0];
      b_tile[4u * b_place.y + 1u][b_place.x] = block[1];
      b_tile[4u * b_place.y + 2u][b_place.x] = block[2];
      b_tile[4u * b_place.y + 3u][b_place.x] = block[3];
    }
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d++) {
      let bv = b_tile[d][col];
      let upper = a_tile[d][row];
      let lower = a_tile[d][row + 1u];
      c0 = fma(vec4f(upper.x), bv, c0);
      c1 = fma(vec4f(upper.y), bv, c1);
      c2 = fma(vec4f(upper.z), bv, c2);
      c3 = fma(vec4f(upper.w), bv, c3);
      c4 = fma(vec4f(lower.x), bv, c4);
      c5 = fma(vec4f(lower.y), bv, c5);
      c6 = fma(vec4f(lower.z), bv, c6);
      c7 = fma(vec4f(lower.w), bv, c7);
    }
    workgroupBarrier();
  }

  let first = group.y * ROWS + 4u * row;
  let out_col = group.x * (COLS / 4u) + col;
  store(group.z, first, out_col, c0);
  store(group.z, first + 1u, out_col, c1);
  store(group.z, first + 2u, out_col, c2);
  store(group.z, first + 3u, out_col, c3);
  store(group.z, first + 4u, out_col, c4);
  store(group.z, first + 5u, out_col, c5);
  store(group.z, first + 6u, out_col, c6);
  store(group.z, first + 7u, out_col, c7);
}
