// conv2d_backward_weight_panel: what conv2d_backward_weight.wgsl computes, for adapters that run on the CPU (see
// matmul_panel.wgsl for why it is built this way). A workgroup is one subgroup of 8 lanes; LANES of them own 16 weights
// (ky, kx, input channel) x PANELS*4*LANES output channels. A lane loads 4 input channels of one pixel in four.
//
// bindings  x: read, [n, h, w, in_channels]; dy: read, texels of [n, oh, ow, out_channels]; dw: write, [splits, kh, kw,
//           in_channels/groups, out_channels], parts of the pixels to be added in order
// params    n, h, w, oh, ow; in_channels, out_channels, groups, kh, kw, stride_y, stride_x, pad_y, pad_x, dil_y, dil_x, splits
// dispatch  (ceil(out_channels/groups / (PANELS*4*LANES)), ceil(kh*kw*in_channels/groups / (128/LANES)),
//           groups * splits) workgroups of 8
// limits    channels per group are multiples of 4, in and out; subgroups of at least 8 lanes that hold a workgroup of 8

enable subgroups;

const ROWS: u32 = 16u;
const LANES: u32 = 8u; // @tune 4 8
const PANELS: u32 = 1u; // @tune 1 2
const LOADS: u32 = ROWS / LANES;
const QUADS: u32 = LANES / 4u; // fours of weights that a load of LANES lanes brings

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

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var dy: texture_2d<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

fn fetch(texel: u32) -> vec4f {
  return textureLoad(dy, vec2u(texel & 4095u, texel >> 12u), 0);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group_in = params.in_channels / params.groups;
  let group_out = params.out_channels / params.groups / 4u;
  let in_channels = params.in_channels / 4u;
  let out_channels = params.out_channels / 4u;
  let g = group.z % params.groups;
  let part = group.z / params.groups;
  let pixels = params.n * params.oh * params.ow;
  let steps = (pixels + 3u) / 4u;
  let part_steps = (steps + params.splits - 1u) / params.splits;
  let begin = min(part * part_steps, steps);
  let end = min(begin + part_steps, steps);
  let rows = params.kh * params.kw * group_in;
  let first = lane & (8u - LANES);
  let row0 = (group.y * (8u / LANES) + first / LANES) * ROWS;

  // The fours of weights that this lane loads: their tap, relative to the pixel's own position, and where it lies in memory.
  // Those beyond the last repeat it; they are computed and not stored.
  var ty: array<i32, LOADS>;
  var tx: array<i32, LOADS>;
  var offset: array<i32, LOADS>;
  for (var i = 0u; i < LOADS; i++) {
    let row = min(row0 + 4u * (i * QUADS + (lane - first) / 4u), rows - 4u);
    let tap = row / group_in;
    let ky = tap / params.kw;
    ty[i] = i32(ky * params.dil_y) - i32(params.pad_y);
    tx[i] = i32((tap - ky * params.kw) * params.dil_x) - i32(params.pad_x);
    offset[i] = (ty[i] * i32(params.w) + tx[i]) * i32(in_channels) + i32((g * group_in + row - tap * group_in) / 4u);
  }

  // This lane's pixel, as digits that are carried instead of divided.
  let pixel = 4u * begin + lane % 4u;
  let line = pixel / params.ow;
  var image = line / params.oh;
  var oy = line - image * params.oh;
  var ox = pixel - line * params.ow;

  let column = group.x * PANELS * LANES + lane - first;
  let target_at = g * group_out + min(column, group_out - 1u);
  let target_across = g * group_out + min(column + LANES, group_out - 1u); // in the second panel
  var c: array<vec4f, ROWS>;
  var d: array<vec4f, ROWS>; // the second panel
  for (var step = begin; step < end; step++) {
    // Pixels beyond the last repeat it here; x is zero for them.
    let pixel0 = 4u * step * out_channels;
    let pixel1 = min(4u * step + 1u, pixels - 1u) * out_channels;
    let pixel2 = min(4u * step + 2u, pixels - 1u) * out_channels;
    let pixel3 = min(4u * step + 3u, pixels - 1u) * out_channels;
    let b0 = fetch(pixel0 + target_at);
    let b1 = fetch(pixel1 + target_at);
    let b2 = fetch(pixel2 + target_at);
    let b3 = fetch(pixel3 + target_at);
    let sy = i32(oy * params.stride_y);
    let sx = i32(ox * params.stride_x);
    let start = ((i32(image * params.h) + sy) * i32(params.w) + sx) * i32(in_channels);
    var a: array<vec4f, LOADS>;
    for (var i = 0u; i < LOADS; i++) {
      let inside = u32(sy + ty[i]) < params.h && u32(sx + tx[i]) < params.w && image < params.n; // below zero wraps far above
      a[i] = select(vec4f(), x[u32(select(0, start + offset[i], inside))], inside);
    }
    var each: array<vec4f, ROWS>; // row by row, in every lane
    for (var r = 0u; r < ROWS; r++) {
      let quad = r / 4u;
      let s = a[quad / QUADS][r % 4u];
      let source = first + quad % QUADS * 4u;
      each[r].x = subgroupShuffle(s, source);
      each[r].y = subgroupShuffle(s, source + 1u);
      each[r].z = subgroupShuffle(s, source + 2u);
      each[r].w = subgroupShuffle(s, source + 3u);
    }
    for (var r = 0u; r < ROWS; r++) {
      let s = each[r];
      c[r] = fma(vec4f(s.w), b3, fma(vec4f(s.z), b2, fma(vec4f(s.y), b1, fma(vec4f(s.x), b0, c[r]))));
    }
    if (PANELS == 2u) {
      let d0 = fetch(pixel0 + target_across);
      let d1 = fetch(pixel1 + target_across);
      let d2 = fetch(pixel2 + target_across);
      let d3 = fetch(pixel3 + target_across);
      for (var r = 0u; r < ROWS; r++) {
        let s = each[r];
        d[r] = fma(vec4f(s.w), d3, fma(vec4f(s.z), d2, fma(vec4f(s.y), d1, fma(vec4f(s.x), d0, d[r]))));
      }
    }
    ox += 4u;
    for (; ox >= params.ow; ox -= params.ow) {
      oy++;
      if (oy == params.oh) {
        oy = 0u;
        image++;
      }
    }
  }

  if (column >= group_out) { return; }
  for (var r = 0u; r < ROWS; r++) {
    if (row0 + r < rows) { dw[(part * rows + row0 + r) * out_channels + target_at] = c[r]; }
  }
  if (PANELS == 1u || column + LANES >= group_out) { return; }
  for (var r = 0u; r < ROWS; r++) {
    if (row0 + r < rows) { dw[(part * rows + row0 + r) * out_channels + target_across] = d[r]; }
  }
}
