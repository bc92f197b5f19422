// conv2d_backward_input_panel: what conv2d_backward_input.wgsl computes, for adapters that run on the CPU (see
// matmul_panel.wgsl for why it is built this way). A workgroup is one subgroup of 8 lanes; LANES of them own 16 input pixels of
// one phase x 4*LANES input channels.
//
// Phases as in conv2d_backward_input.wgsl.
//
// bindings  dy: read, [n, oh, ow, out_channels]; w: read, texels of [kh, kw, in_channels/groups, out_channels]; dx: write,
//           [n, h, w, in_channels]
// params    n, h, w, oh, ow; in_channels, out_channels, groups, kh, kw, stride_y, stride_x, pad_y, pad_x, dil_y, dil_x
// dispatch  (ceil(in_channels/groups / (4*LANES)), ceil(n*ceil(h/stride_y)*ceil(w/stride_x) / (128/LANES)),
//            groups*stride_y*stride_x) workgroups of 8
// limits    channels per group are multiples of 4, in and out; subgroups of at least 8 lanes that hold a workgroup of 8

enable subgroups;

const ROWS: u32 = 16u;
const LANES: u32 = 8u; // @tune 4 8
const LOADS: u32 = ROWS / LANES;
const NOWHERE: u32 = 0xffffffffu;

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
}

@group(0) @binding(0) var<storage, read> dy: array<vec4f>;
@group(0) @binding(1) var w: texture_2d<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

fn fetch(texel: u32) -> vec4f {
  return textureLoad(w, vec2u(texel & 4095u, texel >> 12u), 0);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group_in = params.in_channels / params.groups / 4u;
  let group_out = params.out_channels / params.groups / 4u;
  let out_channels = params.out_channels / 4u;
  let phase = group.z / params.groups;
  let g = group.z % params.groups;
  let phase_y = phase / params.stride_x;
  let phase_x = phase % params.stride_x;
  let rows = (params.h + params.stride_y - 1u) / params.stride_y;
  let cols = (params.w + params.stride_x - 1u) / params.stride_x;
  let first = lane & (8u - LANES);
  let row0 = (group.y * (8u / LANES) + first / LANES) * ROWS;

  // The pixels that this lane loads: row and column within the phase, where they lie in dx, or NOWHERE, and where the phase's
  // grid begins in dy.
  var py: array<i32, LOADS>;
  var px: array<i32, LOADS>;
  var destination: array<u32, LOADS>;
  var start: array<i32, LOADS>;
  for (var i = 0u; i < LOADS; i++) {
    let row = row0 + i * LANES + lane - first;
    let line = row / cols;
    let image = line / rows;
    let qy = line - image * rows;
    let qx = row - line * cols;
    let y = qy * params.stride_y + phase_y;
    let x = qx * params.stride_x + phase_x;
    let exists = image < params.n && y < params.h && x < params.w;
    let to = ((image * params.h + y) * params.w + x) * (params.in_channels / 4u) + g * group_in;
    destination[i] = select(NOWHERE, to, exists);
    py[i] = i32(qy);
    px[i] = i32(qx);
    start[i] = i32((image * params.oh + qy) * params.ow + qx);
  }

  // Of the 4 input channels of this lane, the weights of the first; those of the next follow after `out_channels`.
  let column = group.x * LANES + lane - first;
  let weights = 4u * min(column, group_in - 1u) * out_channels + g * group_out;
  var c: array<vec4f, ROWS>;
  for (var ky = 0u; ky < params.kh; ky++) {
    for (var kx = 0u; kx < params.kw; kx++) {
      let shift_y = i32(phase_y + params.pad_y) - i32(ky * params.dil_y);
      let shift_x = i32(phase_x + params.pad_x) - i32(kx * params.dil_x);
      if (shift_y % i32(params.stride_y) != 0 || shift_x % i32(params.stride_x) != 0) { continue; }
      // Where this tap of each pixel reads dy. The stride divides the shift of a phase that the tap meets.
      let step_y = shift_y / i32(params.stride_y);
      let step_x = shift_x / i32(params.stride_x);
      var inside: array<bool, LOADS>;
      var at: array<u32, LOADS>;
      for (var i = 0u; i < LOADS; i++) {
        let exists = destination[i] != NOWHERE;
        inside[i] = exists && u32(py[i] + step_y) < params.oh && u32(px[i] + step_x) < params.ow; // below zero wraps far above
        at[i] = u32(select(0, start[i] + step_y * i32(params.ow) + step_x, inside[i])) * out_channels + g * group_out;
      }
      let tap = (ky * params.kw + kx) * 4u * group_in * out_channels + weights;
      for (var channel = 0u; channel < group_out; channel++) {
        // Four output channels of each of four input channels, and turned: four input channels of each output channel.
        let w0 = fetch(tap + channel);
        let w1 = fetch(tap + channel + out_channels);
        let w2 = fetch(tap + channel + 2u * out_channels);
        let w3 = fetch(tap + channel + 3u * out_channels);
        let b = transpose(mat4x4f(w0, w1, w2, w3));
        var a: array<vec4f, LOADS>;
        for (var i = 0u; i < LOADS; i++) { a[i] = select(vec4f(), dy[at[i] + channel], inside[i]); }
        for (var r = 0u; r < ROWS; r++) {
          let s = subgroupShuffle(a[r / LANES], first + r % LANES);
          c[r] = fma(vec4f(s.w), b[3], fma(vec4f(s.z), b[2], fma(vec4f(s.y), b[1], fma(vec4f(s.x), b[0], c[r]))));
        }
      }
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    let to = subgroupShuffle(destination[r / LANES], first + r % LANES);
    if (to != NOWHERE && column < group_in) { dx[to + column] = c[r]; }
  }
}
