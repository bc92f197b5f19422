// conv2d_shuffle: what conv2d.wgsl computes, for adapters that run on the CPU (see matmul_shuffle.wgsl for why it is
// built this way). A workgroup is one subgroup of 8 lanes and owns ROWS output pixels x 8*COLS output channels; a lane loads
// one index (ky, kx, channel) of the inner dimension for all ROWS pixels and hands the values round by shuffles.
//
// Operands as in conv2d.wgsl. What is an override there is a param here:
// compiling takes a CPU adapter about a second, dividing by a number that the compiler does not know next to nothing.
//
// params    n, h, w, oh, ow; in_channels, out_channels, groups, kh, kw, stride_y, stride_x, pad_y, pad_x, dil_y, dil_x,
//           has_bias (0: bias is bound but not read)
// dispatch  (ceil(out_channels/groups / (8*COLS)), ceil(n*oh*ow / ROWS), groups) workgroups of 8
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
  has_bias: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group_in = params.in_channels / params.groups;
  let group_out = params.out_channels / params.groups;
  let pixels = params.n * params.oh * params.ow;
  let inner_length = params.kh * params.kw * group_in;
  let row0 = group.y * ROWS;
  let col0 = (group.x * 8u + lane) * COLS;

  // Input position that tap (0, 0) of each pixel reads, and where it lies in memory (negative above the first row).
  // Divisions are dear: every lane does those of one pixel in eight and hands the results round.
  var top: array<i32, ROWS>;
  var left: array<i32, ROWS>;
  var start: array<i32, ROWS>;
  for (var block = 0u; block < ROWS; block += 8u) {
    let pixel = min(row0 + block + lane, pixels - 1u);
    let line = pixel / params.ow;
    let image = line / params.oh;
    let y = i32((line - image * params.oh) * params.stride_y) - i32(params.pad_y);
    let x = i32((pixel - line * params.ow) * params.stride_x) - i32(params.pad_x);
    let position = ((i32(image * params.h) + y) * i32(params.w) + x) * i32(params.in_channels);
    for (var i = 0u; i < 8u; i++) {
      top[block + i] = subgroupShuffle(y, i);
      left[block + i] = subgroupShuffle(x, i);
      start[block + i] = subgroupShuffle(position, i);
    }
  }
  // Pixels and channels beyond the edge repeat the last one; they are computed and not stored.
  var w_at: array<u32, COLS>;
  for (var j = 0u; j < COLS; j++) { w_at[j] = group.z * group_out + min(col0 + j, group_out - 1u); }

  // This lane's index of the inner dimension, as digits that are carried instead of divided.
  var channel = lane;
  var kx = 0u;
  var ky = 0u;
  var c: array<f32, ROWS * COLS>;
  for (var inner = 0u; inner < inner_length; inner += 8u) {
    for (; channel >= group_in; channel -= group_in) {
      kx = select(kx + 1u, 0u, kx + 1u == params.kw);
      ky += select(0u, 1u, kx == 0u);
    }
    let ty = i32(ky * params.dil_y);
    let tx = i32(kx * params.dil_x);
    let offset = (ty * i32(params.w) + tx) * i32(params.in_channels) + i32(group.z * group_in + channel);
    channel += 8u;
    var xv: array<f32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
      let inside = u32(top[r] + ty) < params.h && u32(left[r] + tx) < params.w; // below zero wraps far above
      xv[r] = select(0.0, x[select(0, start[r] + offset, inside)], inside); // lanes past the end are never read
    }
    let depth = min(8u, inner_length - inner);
    for (var d = 0u; d < depth; d++) {
      var wv: array<f32, COLS>;
      for (var j = 0u; j < COLS; j++) { wv[j] = w[w_at[j] + (inner + d) * params.out_channels]; }
      for (var r = 0u; r < ROWS; r++) {
        let s = subgroupShuffle(xv[r], d);
        for (var j = 0u; j < COLS; j++) { c[r * COLS + j] = fma(s, wv[j], c[r * COLS + j]); }
      }
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    for (var j = 0u; j < COLS; j++) {
      if (row0 + r < pixels && col0 + j < group_out) {
        let channel = group.z * group_out + col0 + j;
        var value = c[r * COLS + j];
        if (params.has_bias != 0u) { value += bias[channel]; }
        y[(row0 + r) * params.out_channels + channel] = value;
      }
    }
  }
}
