// conv2d_panel: what conv2d.wgsl computes, for adapters that run on the CPU (see matmul_panel.wgsl for why it is built this
// way). A workgroup is one subgroup of 8 lanes; LANES of them own 16 output pixels x 4*LANES output channels.
//
// bindings  x: read, [n, h, w, in_channels]; w: read, texels of [kh, kw, in_channels/groups, out_channels]; bias: read, [out_channels]; y: write, [n, oh, ow, out_channels]
// params    n, h, w, oh, ow; in_channels, out_channels, groups, kh, kw, stride_y, stride_x, pad_y, pad_x, dil_y, dil_x,
//           has_bias (0: bias is bound but not read)
// dispatch  (ceil(out_channels/groups / (4*LANES)), ceil(n*oh*ow / (128/LANES)), groups) workgroups of 8
// limits    channels per group are multiples of 4, in and out; subgroups of at least 8 lanes that hold a workgroup of 8

enable subgroups;

const ROWS: u32 = 16u;
const LANES: u32 = 8u; // @tune 4 8
const LOADS: u32 = ROWS / LANES;

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

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var w: texture_2d<f32>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

fn fetch(texel: u32) -> vec4f {
  return textureLoad(w, vec2u(texel & 4095u, texel >> 12u), 0);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group_in = params.in_channels / params.groups / 4u;
  let group_out = params.out_channels / params.groups / 4u;
  let in_channels = params.in_channels / 4u;
  let out_channels = params.out_channels / 4u;
  let pixels = params.n * params.oh * params.ow;
  let first = lane & (8u - LANES);
  let row0 = (group.y * (8u / LANES) + first / LANES) * ROWS;

  // Where tap (0, 0) of the pixels that this lane loads lies: in the image, and in memory. Pixels beyond the edge repeat the
  // last one; they are computed and not stored.
  var top: array<i32, LOADS>;
  var left: array<i32, LOADS>;
  var start: array<i32, LOADS>;
  for (var i = 0u; i < LOADS; i++) {
    let pixel = min(row0 + i * LANES + lane - first, pixels - 1u);
    let line = pixel / params.ow;
    let image = line / params.oh;
    top[i] = i32((line - image * params.oh) * params.stride_y) - i32(params.pad_y);
    left[i] = i32((pixel - line * params.ow) * params.stride_x) - i32(params.pad_x);
    start[i] = ((i32(image * params.h) + top[i]) * i32(params.w) + left[i]) * i32(in_channels) + i32(group.z * group_in);
  }

  let column = group.x * LANES + lane - first;
  let to = group.z * group_out + min(column, group_out - 1u);
  var texel = to;
  var c: array<vec4f, ROWS>;
  for (var ky = 0u; ky < params.kh; ky++) {
    for (var kx = 0u; kx < params.kw; kx++) {
      let ty = i32(ky * params.dil_y);
      let tx = i32(kx * params.dil_x);
      var inside: array<bool, LOADS>;
      var at: array<u32, LOADS>;
      for (var i = 0u; i < LOADS; i++) {
        inside[i] = u32(top[i] + ty) < params.h && u32(left[i] + tx) < params.w; // below zero wraps far above
        at[i] = u32(select(0, start[i] + (ty * i32(params.w) + tx) * i32(in_channels), inside[i]));
      }
      for (var channel = 0u; channel < group_in; channel++) {
        let b0 = fetch(texel);
        let b1 = fetch(texel + out_channels);
        let b2 = fetch(texel + 2u * out_channels);
        let b3 = fetch(texel + 3u * out_channels);
        texel += 4u * out_channels;
        var a: array<vec4f, LOADS>;
        for (var i = 0u; i < LOADS; i++) { a[i] = select(vec4f(), x[at[i] + channel], inside[i]); }
        for (var r = 0u; r < ROWS; r++) {
          let s = subgroupShuffle(a[r / LANES], first + r % LANES);
          c[r] = fma(vec4f(s.w), b3, fma(vec4f(s.z), b2, fma(vec4f(s.y), b1, fma(vec4f(s.x), b0, c[r]))));
        }
      }
    }
  }

  if (column >= group_out) { return; }
  var offset = vec4f();
  if (params.has_bias != 0u) { offset = bias[to]; }
  for (var r = 0u; r < ROWS; r++) {
    if (row0 + r < pixels) { y[(row0 + r) * out_channels + to] = c[r] + offset; }
  }
}
