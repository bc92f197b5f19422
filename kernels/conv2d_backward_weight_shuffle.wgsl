// conv2d_backward_weight_shuffle: what conv2d_backward_weight.wgsl computes, for adapters that run on the CPU (see
// matmul_shuffle.wgsl for why it is built this way). A workgroup is one subgroup of 8 lanes and owns ROWS weights
// (ky, kx, input channel) x 8*COLS output channels; a lane loads one output pixel for all ROWS weights and hands the values
// round. Pixels are visited line by line, 8 at a time, so that no position needs a division.
//
// Operands as in conv2d_backward_weight.wgsl. What is an override there is a param here:
// compiling takes a CPU adapter about a second, dividing by a number that the compiler does not know next to nothing.
//
// params    n, h, w, oh, ow; in_channels, out_channels, groups, kh, kw, stride_y, stride_x, pad_y, pad_x, dil_y, dil_x, splits
// dispatch  (ceil(out_channels/groups / (8*COLS)), ceil(kh*kw*in_channels/groups / ROWS), groups * splits) workgroups of 8
// limits    any sizes; needs subgroups of at least 8 lanes that hold a workgroup of 8

enable subgroups;

const ROWS: u32 = 16u; // @tune 16 32
const COLS: u32 = 8u; // @tune 4 8

struct Params {
  n: u32,
  h: u32,
  w: u32,
  oh: u32,
  ow: u32,
  in_channels: u32,
  out_channels: u32,
  groups: u32,
  kh: u32,
  kw: u32,
  stride_y: u32,
  stride_x: u32,
  pad_y: u32,
  pad_x: u32,
  dil_y: u32,
  dil_x: u32,
  splits: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group_in = params.in_channels / params.groups;
  let group_out = params.out_channels / params.groups;
  let g = group.z % params.groups;
  let part = group.z / params.groups;
  let lines = params.n * params.oh;
  let part_lines = (lines + params.splits - 1u) / params.splits;
  let begin = min(part * part_lines, lines);
  let end = min(begin + part_lines, lines);
  let rows = params.kh * params.kw * group_in;
  let row0 = group.y * ROWS;
  let col0 = (group.x * 8u + lane) * COLS;

  // Tap of each weight, relative to the pixel's own position, and where it lies in memory. Divisions are dear: every lane
  // does those of one weight in eight and hands the results round.
  var ty: array<i32, ROWS>;
  var tx: array<i32, ROWS>;
  var offset: array<i32, ROWS>;
  for (var block = 0u; block < ROWS; block += 8u) {
    let row = min(row0 + block + lane, rows - 1u);
    let tap = row / group_in;
    let ky = tap / params.kw;
    let y = i32(ky * params.dil_y) - i32(params.pad_y);
    let x = i32((tap - ky * params.kw) * params.dil_x) - i32(params.pad_x);
    let at = (y * i32(params.w) + x) * i32(params.in_channels) + i32(g * group_in + row - tap * group_in);
    for (var i = 0u; i < 8u; i++) {
      ty[block + i] = subgroupShuffle(y, i);
      tx[block + i] = subgroupShuffle(x, i);
      offset[block + i] = subgroupShuffle(at, i);
    }
  }
  var dy_at: array<u32, COLS>;
  for (var j = 0u; j < COLS; j++) { dy_at[j] = g * group_out + min(col0 + j, group_out - 1u); }

  var c: array<f32, ROWS * COLS>;
  for (var line = begin; line < end; line++) {
    let sy = i32((line % params.oh) * params.stride_y);
    let image = i32(line / params.oh);
    for (var ox = 0u; ox < params.ow; ox += 8u) {
      let sx = i32(min(ox + lane, params.ow - 1u) * params.stride_x);
      let start = ((image * i32(params.h) + sy) * i32(params.w) + sx) * i32(params.in_channels);
      var xv: array<f32, ROWS>;
      for (var r = 0u; r < ROWS; r++) {
        let inside = u32(sy + ty[r]) < params.h && u32(sx + tx[r]) < params.w; // below zero wraps far above
        xv[r] = select(0.0, x[select(0, start + offset[r], inside)], inside);
      }
      let depth = min(8u, params.ow - ox);
      for (var d = 0u; d < depth; d++) {
        let pixel = (line * params.ow + ox + d) * params.out_channels;
        var dyv: array<f32, COLS>;
        for (var j = 0u; j < COLS; j++) { dyv[j] = dy[pixel + dy_at[j]]; }
        for (var r = 0u; r < ROWS; r++) {
          let s = subgroupShuffle(xv[r], d);
          for (var j = 0u; j < COLS; j++) { c[r * COLS + j] = fma(s, dyv[j], c[r * COLS + j]); }
        }
      }
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    for (var j = 0u; j < COLS; j++) {
      if (row0 + r < rows && col0 + j < group_out) {
        dw[(part * rows + row0 + r) * params.out_channels + g * group_out + col0 + j] = c[r * COLS + j];
      }
    }
  }
}
