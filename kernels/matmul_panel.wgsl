// matmul_panel: what matmul.wgsl computes, for adapters that run on the CPU.
//
// There a load from a buffer costs as much as a dozen multiplications, workgroup memory is slower still, and a texture is the
// only memory that yields four numbers per load. So a workgroup is one subgroup of 8 lanes that owns 16 rows x 32 columns of
// y: a lane loads its 4 columns of op(b) from a texture, in the order that pack_panels.wgsl made, and a sixteenth of
// the rows' values of op(a), which subgroupShuffle hands to the others. Every value is loaded once per workgroup.
// The loops over the rows have as many turns as their arrays have places, so that the compiler unrolls them into registers.
//
// bindings  a: read, [batch, m, k], or [batch, k, m] where TRANSPOSE_A; panels: read, a slice per batch, outer 1, inner k,
//           length k rounded up to 4; y: write, [splits, batch, m, n], parts of k to be added in order
// overrides TRANSPOSE_A: op(a) is a transposed
// params    m, n, k, batch, splits: parts of k, multiples of 4
// dispatch  (ceil(n / 32), ceil(m / 16), batch * splits) workgroups of 8
// limits    n and the last axis of a are multiples of 4; subgroups of at least 8 lanes that hold a workgroup of 8

enable subgroups;

const ROWS: u32 = 16u;

override TRANSPOSE_A: bool;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  batch: u32,
  splits: u32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var panels: texture_2d<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let batch = group.z % params.batch;
  let part = group.z / params.batch;
  let steps = (params.k + 3u) / 4u;
  let part_steps = (steps + params.splits - 1u) / params.splits;
  let begin = min(part * part_steps, steps);
  let end = min(begin + part_steps, steps);
  let row0 = group.y * ROWS;

  // Where this lane reads a. As a lies: 4 values of k of two rows. Transposed: 4 rows,
  // twice, of one k; the lower 4 lanes have the first rows of a pair of fours.
  var at = vec2u();
  if (TRANSPOSE_A) {
    let quads = params.m / 4u;
    let quad = min(vec2u(row0 / 4u + lane / 4u, row0 / 4u + lane / 4u + 2u), vec2u(quads - 1u));
    at = batch * params.k * quads + quad;
  } else {
    at = (batch * params.m + min(vec2u(row0 + lane, row0 + lane + 8u), vec2u(params.m - 1u))) * (params.k / 4u);
  }

  var texel = ((batch * groups.x + group.x) * steps + begin) * 32u + lane;
  var c: array<vec4f, ROWS>;
  for (var i = begin; i < end; i++) {
    let place = vec2u(texel & 4095u, texel >> 12u);
    let b0 = textureLoad(panels, place, 0);
    let b1 = textureLoad(panels, place + vec2u(8u, 0u), 0);
    let b2 = textureLoad(panels, place + vec2u(16u, 0u), 0);
    let b3 = textureLoad(panels, place + vec2u(24u, 0u), 0);
    texel += 32u;
    if (TRANSPOSE_A) {
      let k = 4u * i + lane % 4u;
      let line = min(k, params.k - 1u) * (params.m / 4u);
      let low = select(vec4f(), a[at.x + line], k < params.k);
      let high = select(vec4f(), a[at.y + line], k < params.k);
      let columns = array(low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w);
      for (var r = 0u; r < ROWS; r++) {
        let s = columns[r / 8u * 4u + r % 4u];
        let first = r & 4u;
        let s0 = vec4f(subgroupShuffle(s, first));
        let s1 = vec4f(subgroupShuffle(s, first + 1u));
        let s2 = vec4f(subgroupShuffle(s, first + 2u));
        let s3 = vec4f(subgroupShuffle(s, first + 3u));
        c[r] = fma(s3, b3, fma(s2, b2, fma(s1, b1, fma(s0, b0, c[r]))));
      }
    } else {
      let rows = array(a[at.x + i], a[at.y + i]);
      for (var r = 0u; r < ROWS; r++) {
        let s = subgroupShuffle(rows[r / 8u], r % 8u);
        c[r] = fma(vec4f(s.w), b3, fma(vec4f(s.z), b2, fma(vec4f(s.y), b1, fma(vec4f(s.x), b0, c[r]))));
      }
    }
  }

  let column = group.x * 8u + lane;
  if (column >= params.n / 4u) { return; }
  for (var r = 0u; r < ROWS; r++) {
    if (row0 + r < params.m) { y[(group.z * params.m + row0 + r) * (params.n / 4u) + column] = c[r]; }
  }
}
