// conv2d_shuffle: what conv2d.wgsl computes, for adapters that run on the CPU (see matmul_shuffle.wgsl for why it is
// built this way). A workgroup is one subgroup of 8 lanes and owns ROWS output pixels x 64 output channels; a lane loads
// one index (ky, kx, channel) of the inner dimension for all ROWS pixels and hands the values round by shuffles.
//
// Operands, overrides and params as in conv2d.wgsl.
// dispatch  (ceil(OUT/GROUPS / 64), ceil(n*oh*ow / ROWS), GROUPS) workgroups of 8
// limits    any sizes; needs subgroups of at least 8 lanes that hold a workgroup of 8

enable subgroups;

override IN: u32;
override OUT: u32;
override GROUPS: u32 = 1u;
override KH: u32;
override KW: u32;
override STRIDE_Y: u32 = 1u;
override STRIDE_X: u32 = 1u;
override PAD_Y: u32 = 0u;
override PAD_X: u32 = 0u;
override DIL_Y: u32 = 1u;
override DIL_X: u32 = 1u;
override HAS_BIAS: bool = false;
override GROUP_IN: u32 = IN / GROUPS;
override GROUP_OUT: u32 = OUT / GROUPS;

const ROWS: u32 = 16u; // @tune 8 16

struct Params {
  n: u32,
  h: u32,
  w: u32,
  oh: u32,
  ow: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let pixels = params.n * params.oh * params.ow;
  let inner_length = KH * KW * GROUP_IN;
  let row0 = group.y * ROWS;
  let col0 = group.x * 64u + lane * 8u;

  // Input position that tap (0, 0) of each pixel reads, and where it lies in memory (negative above the first row).
  var top: array<i32, ROWS>;
  var left: array<i32, ROWS>;
  var start: array<i32, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    let pixel = min(row0 + r, pixels - 1u);
    let line = pixel / params.ow;
    top[r] = i32((line % params.oh) * STRIDE_Y) - i32(PAD_Y);
    left[r] = i32((pixel % params.ow) * STRIDE_X) - i32(PAD_X);
    start[r] = ((i32(line / params.oh) * i32(params.h) + top[r]) * i32(params.w) + left[r]) * i32(IN);
  }
  // Pixels and channels beyond the edge repeat the last one; they are computed and not stored.
  var w_at: array<u32, 8>;
  for (var j = 0u; j < 8u; j++) { w_at[j] = group.z * GROUP_OUT + min(col0 + j, GROUP_OUT - 1u); }

  var c: array<f32, ROWS * 8u>;
  for (var inner = 0u; inner < inner_length; inner += 8u) {
    let k = min(inner + lane, inner_length - 1u);
    let tap = k / GROUP_IN;
    let ty = i32((tap / KW) * DIL_Y);
    let tx = i32((tap % KW) * DIL_X);
    let offset = (ty * i32(params.w) + tx) * i32(IN) + i32(group.z * GROUP_IN + k % GROUP_IN);
    var xv: array<f32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
      let inside = u32(top[r] + ty) < params.h && u32(left[r] + tx) < params.w; // below zero wraps far above
      xv[r] = select(0.0, x[select(0, start[r] + offset, inside)], inside);
    }
    let depth = min(8u, inner_length - inner);
    for (var d = 0u; d < depth; d++) {
      var wv: array<f32, 8>;
      for (var j = 0u; j < 8u; j++) { wv[j] = w[w_at[j] + (inner + d) * OUT]; }
      for (var r = 0u; r < ROWS; r++) {
        let s = subgroupShuffle(xv[r], d);
        for (var j = 0u; j < 8u; j++) { c[r * 8u + j] = fma(s, wv[j], c[r * 8u + j]); }
      }
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    for (var j = 0u; j < 8u; j++) {
      if (row0 + r < pixels && col0 + j < GROUP_OUT) {
        let channel = group.z * GROUP_OUT + col0 + j;
        var value = c[r * 8u + j];
        if (HAS_BIAS) { value += bias[channel]; }
        y[(row0 + r) * OUT + channel] = value;
      }
    }
  }
}
