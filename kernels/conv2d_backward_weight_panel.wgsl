// conv2d_backward_weight_panel: what conv2d_backward_weight.wgsl computes, for adapters that run on the CPU (see
// matmul_panel.wgsl for why it is built this way). A workgroup is one subgroup of 8 lanes and owns 16 weights
// (ky, kx, input channel) x 32 output channels; a lane loads 4 input channels of one pixel in four, twice, and hands them
// round: the lower 4 lanes those of the first four weights of every eight, the upper 4 lanes those of the others.
//
// bindings  x: read, [n, h, w, in_channels]; panels: read, dy as pack_panels.wgsl leaves it, a slice per group, outer 1, inner
//           the pixels n*oh*ow, length that rounded up to 4; dw: write, [splits, kh, kw, in_channels/groups, out_channels],
//           parts of the pixels to be added in order
// params    n, h, w, oh, ow; in_channels, out_channels, groups, kh, kw, stride_y, stride_x, pad_y, pad_x, dil_y, dil_x, splits
// dispatch  (ceil(out_channels/groups / 32), ceil(kh*kw*in_channels/groups / 16), groups * splits) workgroups of 8
// limits    channels per group are multiples of 4, in and out; subgroups of at least 8 lanes that hold a workgroup of 8

enable subgroups;

const ROWS: u32 = 16u;

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
@group(0) @binding(1) var panels: texture_2d<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group_in = params.in_channels / params.groups;
  let group_out = params.out_channels / params.groups;
  let g = group.z % params.groups;
  let part = group.z / params.groups;
  let pixels = params.n * params.oh * params.ow;
  let steps = (pixels + 3u) / 4u;
  let part_steps = (steps + params.splits - 1u) / params.splits;
  let begin = min(part * part_steps, steps);
  let end = min(begin + part_steps, steps);
  let rows = params.kh * params.kw * group_in;
  let row0 = group.y * ROWS;

  // This lane's two fours of weights: their tap, relative to the pixel's own position, and where it lies in memory. Those
  // beyond the last repeat it; they are computed and not stored.
  let quad = min(vec2u(row0 + lane / 4u * 4u, row0 + lane / 4u * 4u + 8u), vec2u(rows - 4u));
  let tap = quad / group_in;
  let ky = tap / params.kw;
  let ty = vec2i(ky * params.dil_y) - i32(params.pad_y);
  let tx = vec2i((tap - ky * params.kw) * params.dil_x) - i32(params.pad_x);
  let channels = i32(params.in_channels / 4u);
  let offset = (ty * i32(params.w) + tx) * channels + vec2i((g * group_in + quad - tap * group_in) / 4u);

  // This lane's pixel, as digits that are carried instead of divided.
  let first = 4u * begin + lane % 4u;
  let line = first / params.ow;
  var image = line / params.oh;
  var oy = line - image * params.oh;
  var ox = first - line * params.ow;

  var texel = ((g * groups.x + group.x) * steps + begin) * 32u + lane;
  var c: array<vec4f, ROWS>;
  for (var i = begin; i < end; i++) {
    let sy = i32(oy * params.stride_y);
    let sx = i32(ox * params.stride_x);
    // Below zero wraps far above; there is no image beyond the last.
    let inside = (vec2u(sy + ty) < vec2u(params.h)) & (vec2u(sx + tx) < vec2u(params.w)) & vec2<bool>(image < params.n);
    let start = ((i32(image * params.h) + sy) * i32(params.w) + sx) * channels;
    let at = select(vec2i(), start + offset, inside);
    let low = select(vec4f(), x[at.x], inside.x);
    let high = select(vec4f(), x[at.y], inside.y);
    let place = vec2u(texel & 4095u, texel >> 12u);
    let b0 = textureLoad(panels, place, 0);
    let b1 = textureLoad(panels, place + vec2u(8u, 0u), 0);
    let b2 = textureLoad(panels, place + vec2u(16u, 0u), 0);
    let b3 = textureLoad(panels, place + vec2u(24u, 0u), 0);
    texel += 32u;
    let a = array(low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w);
    for (var r = 0u; r < ROWS; r++) {
      let s = a[r / 8u * 4u + r % 4u];
      let upper = r & 4u;
      let s0 = vec4f(subgroupShuffle(s, upper));
      let s1 = vec4f(subgroupShuffle(s, upper + 1u));
      let s2 = vec4f(subgroupShuffle(s, upper + 2u));
      let s3 = vec4f(subgroupShuffle(s, upper + 3u));
      c[r] = fma(s3, b3, fma(s2, b2, fma(s1, b1, fma(s0, b0, c[r]))));
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

  let column = group.x * 8u + lane;
  if (column >= group_out / 4u) { return; }
  for (var r = 0u; r < ROWS; r++) {
    if (row0 + r < rows) { dw[(part * rows + row0 + r) * (params.out_channels / 4u) + g * group_out / 4u + column] = c[r]; }
  }
}
