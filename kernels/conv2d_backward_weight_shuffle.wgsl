// conv2d_backward_weight_shuffle: what conv2d_backward_weight.wgsl computes, for adapters that run on the CPU (see
// matmul_shuffle.wgsl for why it is built this way). A workgroup is one subgroup of 8 lanes and owns ROWS weights
// (ky, kx, input channel) x 64 output channels; a lane loads one output pixel for all ROWS weights and hands the values
// round. Pixels are visited line by line, 8 at a time, so that no position needs a division.
//
// Operands, overrides and params as in conv2d_backward_weight.wgsl.
// dispatch  (ceil(OUT/GROUPS / 64), ceil(KH*KW*IN/GROUPS / ROWS), GROUPS * splits) workgroups of 8
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
override GROUP_IN: u32 = IN / GROUPS;
override GROUP_OUT: u32 = OUT / GROUPS;

const ROWS: u32 = 16u; // @tune 8 16

struct Params {
  n: u32,
  h: u32,
  w: u32,
  oh: u32,
  ow: u32,
  splits: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let g = group.z % GROUPS;
  let part = group.z / GROUPS;
  let lines = params.n * params.oh;
  let part_lines = (lines + params.splits - 1u) / params.splits;
  let begin = min(part * part_lines, lines);
  let end = min(begin + part_lines, lines);
  let rows = KH * KW * GROUP_IN;
  let row0 = group.y * ROWS;
  let col0 = group.x * 64u + lane * 8u;

  // Tap of each weight, relative to the pixel's own position, and where it lies in memory.
  var ty: array<i32, ROWS>;
  var tx: array<i32, ROWS>;
  var offset: array<i32, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    let row = min(row0 + r, rows - 1u);
    let tap = row / GROUP_IN;
    ty[r] = i32((tap / KW) * DIL_Y) - i32(PAD_Y);
    tx[r] = i32((tap % KW) * DIL_X) - i32(PAD_X);
    offset[r] = (ty[r] * i32(params.w) + tx[r]) * i32(IN) + i32(g * GROUP_IN + row % GROUP_IN);
  }
  var dy_at: array<u32, 8>;
  for (var j = 0u; j < 8u; j++) { dy_at[j] = g * GROUP_OUT + min(col0 + j, GROUP_OUT - 1u); }

  var c: array<f32, ROWS * 8u>;
  for (var line = begin; line < end; line++) {
    let sy = i32((line % params.oh) * STRIDE_Y);
    let image = i32(line / params.oh);
    for (var ox = 0u; ox < params.ow; ox += 8u) {
      let sx = i32(min(ox + lane, params.ow - 1u) * STRIDE_X);
      let start = ((image * i32(params.h) + sy) * i32(params.w) + sx) * i32(IN);
      var xv: array<f32, ROWS>;
      for (var r = 0u; r < ROWS; r++) {
        let inside = u32(sy + ty[r]) < params.h && u32(sx + tx[r]) < params.w; // below zero wraps far above
        xv[r] = select(0.0, x[select(0, start + offset[r], inside)], inside);
      }
      let depth = min(8u, params.ow - ox);
      for (var d = 0u; d < depth; d++) {
        let pixel = (line * params.ow + ox + d) * OUT;
        var dyv: array<f32, 8>;
        for (var j = 0u; j < 8u; j++) { dyv[j] = dy[pixel + dy_at[j]]; }
        for (var r = 0u; r < ROWS; r++) {
          let s = subgroupShuffle(xv[r], d);
          for (var j = 0u; j < 8u; j++) { c[r * 8u + j] = fma(s, dyv[j], c[r * 8u + j]); }
        }
      }
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    for (var j = 0u; j < 8u; j++) {
      if (row0 + r < rows && col0 + j < GROUP_OUT) {
        dw[(part * rows + row0 + r) * OUT + g * GROUP_OUT + col0 + j] = c[r * 8u + j];
      }
    }
  }
}
