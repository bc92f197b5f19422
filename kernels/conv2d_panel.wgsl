// conv2d_panel: what conv2d.wgsl computes, for adapters that run on the CPU (see matmul_panel.wgsl for why it is built this
// way). A workgroup is one subgroup of 8 lanes; LANES of them own 16 output pixels x PANELS*4*LANES output channels.
//
// bindings  x: read, [n, h, w, in_channels]; x_each: the same buffer; w: read, texels of [kh, kw, group_in rounded up to a
//           multiple of 4, out_channels]; bias: read, [groups*group_bias]; y: write, [n, oh, ow, out_channels]
// overrides EACH: a line of the window is read number by number, as the one run of kw*in_channels that it is in memory: kw is
//           given as 1 and group_in as the length of the run. For few channels, such as those of an image
// params    n, h, w, oh, ow; in_channels, out_channels; group_in, group_out: of a group; group_bias: 0: bias is bound but not
//           read, else its length per group; kh, kw, stride_y, stride_x, pad_y, pad_x, dil_y, dil_x
// dispatch  (ceil(n*oh*ow / (128/LANES)), ceil(group_out / (PANELS*4*LANES)), groups) workgroups of 8: neighbours share weights,
//           which are the larger operand where the order matters
// limits    group_out is a multiple of 4; group_in too, unless EACH, which takes neither groups nor dilation along x; subgroups of
//           at least 8 lanes that hold a workgroup of 8

enable subgroups;

const ROWS: u32 = 16u;
const LANES: u32 = 8u; // @tune 4 8
const PANELS: u32 = 1u; // @tune 1 2
const LOADS: u32 = ROWS / LANES;
const OUTSIDE: i32 = -0x40000000; // further than any tap reaches

struct Params {
  n: u32,
  h: u32,
  w: u32,
  oh: u32,
  ow: u32,
  in_channels: u32,
  out_channels: u32,
  group_in: u32,
  group_out: u32,
  group_bias: u32,
  kh: u32,
  kw: u32,
  stride_y: u32,
  stride_x: u32,
  pad_y: u32,
  pad_x: u32,
  dil_y: u32,
  dil_x: u32,
}

override EACH: bool = false;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> x_each: array<f32>;
@group(0) @binding(2) var w: texture_2d<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<uniform> params: Params;

const NEXT: vec4u = vec4u(0u, 1u, 2u, 3u);

fn fetch(texel: u32) -> vec4f {
  return textureLoad(w, vec2u(texel & 4095u, texel >> 12u), 0);
}

// Numbers first .. first + 3 of a run at `at`; those before `begin` or not before `end` are zeros.
fn load_run(at: u32, first: u32, begin: u32, end: u32) -> vec4f {
  let number = first + NEXT;
  let inside = (number >= vec4u(begin)) & (number < vec4u(end));
  let place = select(vec4u(), at + number, inside);
  return select(vec4f(), vec4f(x_each[place.x], x_each[place.y], x_each[place.z], x_each[place.w]), inside);
}

// For the 4 channels of a column of a group.
fn bias_of(g: u32, column: u32) -> vec4f {
  if (params.group_bias == 0u) { return vec4f(); }
  let place = g * params.group_bias + min(4u * column + NEXT, vec4u(params.group_bias - 1u));
  return vec4f(bias[place.x], bias[place.y], bias[place.z], bias[place.w]);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group_steps = (params.group_in + 3u) / 4u;
  let group_out = params.group_out / 4u;
  let out_channels = params.out_channels / 4u;
  let unit = select(4u, 1u, EACH); // of places in x
  let in_places = params.in_channels / unit;
  let pixels = params.n * params.oh * params.ow;
  let first = lane & (8u - LANES);
  let row0 = (group.x * (8u / LANES) + first / LANES) * ROWS;

  // Where tap (0, 0) of the pixels that this lane loads lies: in the image, and in memory. Pixels beyond the last lie outside.
  var top: array<i32, LOADS>;
  var left: array<i32, LOADS>;
  var start: array<i32, LOADS>;
  var run_begin: array<u32, LOADS>; // within the image, where EACH
  var run_end: array<u32, LOADS>;
  let pixel = row0 + lane - first;
  let line = pixel / params.ow;
  var image = line / params.oh;
  var oy = line - image * params.oh;
  var ox = pixel - line * params.ow;
  for (var i = 0u; i < LOADS; i++) {
    top[i] = select(OUTSIDE, i32(oy * params.stride_y) - i32(params.pad_y), image < params.n);
    left[i] = i32(ox * params.stride_x) - i32(params.pad_x);
    start[i] = ((i32(image * params.h) + top[i]) * i32(params.w) + left[i]) * i32(in_places);
    start[i] += i32(group.z * params.group_in / unit);
    run_begin[i] = u32(max(-left[i], 0)) * params.in_channels;
    run_end[i] = min(u32(max(i32(params.w) - left[i], 0)) * params.in_channels, params.group_in);
    ox += LANES;
    for (; ox >= params.ow; ox -= params.ow) {
      oy++;
      if (oy == params.oh) {
        oy = 0u;
        image++;
      }
    }
  }

  let column = group.y * PANELS * LANES + lane - first;
  let to = group.z * group_out + min(column, group_out - 1u);
  let across = group.z * group_out + min(column + LANES, group_out - 1u) - to; // to the second panel
  var texel = to;
  var c: array<vec4f, ROWS>;
  var d: array<vec4f, ROWS>; // the second panel
  for (var ky = 0u; ky < params.kh; ky++) {
    for (var kx = 0u; kx < params.kw; kx++) {
      let ty = i32(ky * params.dil_y);
      let tx = i32(kx * params.dil_x);
      var inside: array<bool, LOADS>;
      var at: array<u32, LOADS>;
      for (var i = 0u; i < LOADS; i++) {
        inside[i] = u32(top[i] + ty) < params.h && (EACH || u32(left[i] + tx) < params.w); // below zero wraps far above
        at[i] = u32(select(0, start[i] + (ty * i32(params.w) + tx) * i32(in_places), inside[i]));
      }
      for (var step = 0u; step < group_steps; step++) {
        let b0 = fetch(texel);
        let b1 = fetch(texel + out_channels);
        let b2 = fetch(texel + 2u * out_channels);
        let b3 = fetch(texel + 3u * out_channels);
        var a: array<vec4f, LOADS>;
        if (EACH) {
          for (var i = 0u; i < LOADS; i++) {
            a[i] = load_run(at[i], 4u * step, run_begin[i], select(0u, run_end[i], inside[i]));
          }
        } else {
          for (var i = 0u; i < LOADS; i++) { a[i] = select(vec4f(), x[at[i] + step], inside[i]); }
        }
        for (var r = 0u; r < ROWS; r++) {
          let s = subgroupShuffle(a[r / LANES], first + r % LANES);
          c[r] = fma(vec4f(s.w), b3, fma(vec4f(s.z), b2, fma(vec4f(s.y), b1, fma(vec4f(s.x), b0, c[r]))));
        }
        if (PANELS == 2u) {
          let d0 = fetch(texel + across);
          let d1 = fetch(texel + across + out_channels);
          let d2 = fetch(texel + across + 2u * out_channels);
          let d3 = fetch(texel + across + 3u * out_channels);
          for (var r = 0u; r < ROWS; r++) {
            let s = subgroupShuffle(a[r / LANES], first + r % LANES);
            d[r] = fma(vec4f(s.w), d3, fma(vec4f(s.z), d2, fma(vec4f(s.y), d1, fma(vec4f(s.x), d0, d[r]))));
          }
        }
        texel += 4u * out_channels;
      }
    }
  }

  if (column >= group_out) { return; }
  let offset = bias_of(group.z, column);
  for (var r = 0u; r < ROWS; r++) {
    if (row0 + r < pixels) { y[(row0 + r) * out_channels + to] = c[r] + offset; }
  }
  if (PANELS == 1u || column + LANES >= group_out) { return; }
  let offset_across = bias_of(group.z, column + LANES);
  for (var r = 0u; r < ROWS; r++) {
    if (row0 + r < pixels) { y[(row0 + r) * out_channels + to + LANES] = d[r] + offset_across; }
  }
}
