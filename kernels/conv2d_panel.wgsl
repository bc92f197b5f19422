// conv2d_panel: what conv2d.wgsl computes, for adapters that run on the CPU (see matmul_panel.wgsl for why it is built this
// way). A workgroup is one subgroup of 8 lanes and owns 16 output pixels x 32 output channels; a lane loads 4 input channels
// of two of the pixels, and hands them round.
//
// bindings  x: read, [n, h, w, in_channels]; panels: read, the weights as pack_panels.wgsl leaves them, a slice per group,
//           outer the taps, inner the input channels; bias: read, [out_channels]; y: write, [n, oh, ow, out_channels]
// params    n, h, w, oh, ow; in_channels, out_channels, groups, kh, kw, stride_y, stride_x, pad_y, pad_x, dil_y, dil_x,
//           has_bias (0: bias is bound but not read)
// dispatch  (ceil(out_channels/groups / 32), ceil(n*oh*ow / 16), groups) workgroups of 8
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
  has_bias: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var panels: texture_2d<f32>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group_in = params.in_channels / params.groups;
  let group_out = params.out_channels / params.groups;
  let pixels = params.n * params.oh * params.ow;
  let row0 = group.y * ROWS;

  // Where tap (0, 0) of this lane's two pixels lies: in the image, and in memory. Pixels beyond the edge repeat the last
  // one; they are computed and not stored.
  let pixel = min(vec2u(row0 + lane, row0 + lane + 8u), vec2u(pixels - 1u));
  let line = pixel / params.ow;
  let image = line / params.oh;
  let top = vec2i((line - image * params.oh) * params.stride_y) - i32(params.pad_y);
  let left = vec2i((pixel - line * params.ow) * params.stride_x) - i32(params.pad_x);
  let start = ((vec2i(image * params.h) + top) * i32(params.w) + left) * i32(params.in_channels / 4u) + i32(group.z * group_in / 4u);

  var texel = (group.z * groups.x + group.x) * params.kh * params.kw * group_in * 8u + lane;
  var c: array<vec4f, ROWS>;
  for (var ky = 0u; ky < params.kh; ky++) {
    for (var kx = 0u; kx < params.kw; kx++) {
      let ty = i32(ky * params.dil_y);
      let tx = i32(kx * params.dil_x);
      // Below zero wraps far above.
      let inside = (vec2u(top + ty) < vec2u(params.h)) & (vec2u(left + tx) < vec2u(params.w));
      let at = select(vec2i(), start + (ty * i32(params.w) + tx) * i32(params.in_channels / 4u), inside);
      for (var channel = 0u; channel < group_in / 4u; channel++) {
        let low = select(vec4f(), x[u32(at.x) + channel], inside.x);
        let high = select(vec4f(), x[u32(at.y) + channel], inside.y);
        let place = vec2u(texel & 4095u, texel >> 12u);
        let b0 = textureLoad(panels, place, 0);
        let b1 = textureLoad(panels, place + vec2u(8u, 0u), 0);
        let b2 = textureLoad(panels, place + vec2u(16u, 0u), 0);
        let b3 = textureLoad(panels, place + vec2u(24u, 0u), 0);
        texel += 32u;
        let a = array(low, high);
        for (var r = 0u; r < ROWS; r++) {
          let s = subgroupShuffle(a[r / 8u], r % 8u);
          c[r] = fma(vec4f(s.w), b3, fma(vec4f(s.z), b2, fma(vec4f(s.y), b1, fma(vec4f(s.x), b0, c[r]))));
        }
      }
    }
  }

  let column = group.x * 8u + lane;
  if (column >= group_out / 4u) { return; }
  let to = (group.z * group_out) / 4u + column;
  var offset = vec4f();
  if (params.has_bias != 0u) { offset = bias[to]; }
  for (var r = 0u; r < ROWS; r++) {
    if (row0 + r < pixels) { y[(row0 + r) * (params.out_channels / 4u) + to] = c[r] + offset; }
  }
}
