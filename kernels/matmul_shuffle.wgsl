// matmul_shuffle: what matmul.wgsl computes, for adapters that run on the CPU.
//
// There a load costs as much as a dozen multiplications and workgroup memory is slower still. So a workgroup is one
// subgroup of 8 lanes that owns a tile of ROWS x 8*COLS: every value of op(a) is loaded once, into one lane, and handed to
// the others by subgroupShuffle; every value of op(b) is loaded once, by the lane whose COLS columns it belongs to.
// The loops over ROWS and COLS run over arrays of that length so that the compiler unrolls them into registers.
//
// Operands and the layout of y as in matmul.wgsl; parts of k are multiples of 8. What is an override there is a param
// here: compiling takes a CPU adapter about a second.
//
// params    m, n, k, batch, splits as in matmul.wgsl; transpose_a, transpose_b: not 0 where stored transposed
// dispatch  (ceil(n / (8*COLS)), ceil(m / ROWS), batch * splits) workgroups of 8
// limits    any sizes; needs subgroups of at least 8 lanes that hold a workgroup of 8

enable subgroups;

const ROWS: u32 = 16u; // @tune 16 32
const COLS: u32 = 8u; // @tune 4 8

struct Params {
  m: u32,
  n: u32,
  k: u32,
  batch: u32,
  splits: u32,
  transpose_a: u32,
  transpose_b: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let batch = group.z % params.batch;
  let part = group.z / params.batch;
  let part_length = (((params.k + params.splits - 1u) / params.splits + 7u) / 8u) * 8u;
  let begin = min(part * part_length, params.k);
  let end = min(begin + part_length, params.k);
  let base_a = batch * params.m * params.k;
  let base_b = batch * params.k * params.n;
  let row0 = group.y * ROWS;
  let col0 = (group.x * 8u + lane) * COLS;
  let a_row = select(params.k, 1u, params.transpose_a != 0u);
  let a_inner = select(1u, params.m, params.transpose_a != 0u);
  let b_inner = select(params.n, 1u, params.transpose_b != 0u);
  let b_col = select(1u, params.k, params.transpose_b != 0u);

  // Rows and columns beyond the edge repeat the last one; they are computed and not stored.
  var b_at: array<u32, COLS>;
  for (var j = 0u; j < COLS; j++) { b_at[j] = base_b + min(col0 + j, params.n - 1u) * b_col; }

  var c: array<f32, ROWS * COLS>;
  for (var inner = begin; inner < end; inner += 8u) {
    var av: array<f32, ROWS>;
    let mine = base_a + min(inner + lane, end - 1u) * a_inner;
    for (var r = 0u; r < ROWS; r++) { av[r] = a[mine + min(row0 + r, params.m - 1u) * a_row]; }
    let depth = min(8u, end - inner);
    for (var d = 0u; d < depth; d++) {
      var bv: array<f32, COLS>;
      for (var j = 0u; j < COLS; j++) { bv[j] = b[b_at[j] + (inner + d) * b_inner]; }
      for (var r = 0u; r < ROWS; r++) {
        let s = subgroupShuffle(av[r], d);
        for (var j = 0u; j < COLS; j++) { c[r * COLS + j] = fma(s, bv[j], c[r * COLS + j]); }
      }
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    for (var j = 0u; j < COLS; j++) {
      if (row0 + r < params.m && col0 + j < params.n) {
        y[(group.z * params.m + row0 + r) * params.n + col0 + j] = c[r * COLS + j];
      }
    }
  }
}
