// conv2d_backward_input_panel: what conv2d_backward_input.wgsl computes, for adapters that run on the CPU (see
// matmul_panel.wgsl for why it is built this way). A workgroup is one subgroup of 8 lanes and owns 16 input pixels of one
// phase x 32 input channels; a lane loads 4 output channels of dy for two of the pixels, and hands them round.
//
// Phases as in conv2d_backward_input.wgsl.
//
// bindings  dy: read, [n, oh, ow, out_channels]; panels: read, the weights as pack_panels.wgsl leaves them, a slice per group,
//           outer the taps, inner the output channels, columns the input channels; dx: write, [n, h, w, in_channels]
// params    n, h, w, oh, ow; in_channels, out_channels, groups, kh, kw, stride_y, stride_x, pad_y, pad_x, dil_y, dil_x
// dispatch  (ceil(in_channels/groups / 32), ceil(n*ceil(h/stride_y)*ceil(w/stride_x) / 16),
//            groups*stride_y*stride_x) workgroups of 8
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
}

@group(0) @binding(0) var<storage, read> dy: array<vec4f>;
@group(0) @binding(1) var panels: texture_2d<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group_in = params.in_channels / params.groups;
  let group_out = params.out_channels / params.groups;
  let phase = group.z / params.groups;
  let g = group.z % params.groups;
  let phase_y = phase / params.stride_x;
  let phase_x = phase % params.stride_x;
  let rows = (params.h + params.stride_y - 1u) / params.stride_y;
  let cols = (params.w + params.stride_x - 1u) / params.stride_x;
  let row0 = group.y * ROWS;

  // This lane's two pixels: row and column within the phase, whether there is such a pixel, where it lies in dx, and where
  // the phase's grid begins in dy.
  let row = vec2u(row0 + lane, row0 + lane + 8u);
  let line = row / cols;
  let image = line / rows;
  let qy = line - image * rows;
  let qx = row - line * cols;
  let py = qy * params.stride_y + phase_y;
  let px = qx * params.stride_x + phase_x;
  let exists = (image < vec2u(params.n)) & (py < vec2u(params.h)) & (px < vec2u(params.w));
  let destination = select(vec2u(0xffffffffu), ((image * params.h + py) * params.w + px) * (params.in_channels / 4u) + g * group_in / 4u, exists);
  let start = vec2i((image * params.oh + qy) * params.ow + qx);

  let panel_texels = group_out * 8u;
  let panel = (g * groups.x + group.x) * params.kh * params.kw * panel_texels + lane;
  var c: array<vec4f, ROWS>;
  for (var ky = 0u; ky < params.kh; ky++) {
    for (var kx = 0u; kx < params.kw; kx++) {
      let shift_y = i32(phase_y + params.pad_y) - i32(ky * params.dil_y);
      let shift_x = i32(phase_x + params.pad_x) - i32(kx * params.dil_x);
      if (shift_y % i32(params.stride_y) != 0 || shift_x % i32(params.stride_x) != 0) { continue; }
      // Where this tap of each pixel reads dy. The stride divides the shift of a phase that the tap meets.
      let step_y = shift_y / i32(params.stride_y);
      let step_x = shift_x / i32(params.stride_x);
      // Below zero wraps far above.
      let inside = exists & (vec2u(vec2i(qy) + step_y) < vec2u(params.oh)) & (vec2u(vec2i(qx) + step_x) < vec2u(params.ow));
      let position = select(vec2i(), start + step_y * i32(params.ow) + step_x, inside);
      let at = vec2u(position) * (params.out_channels / 4u) + g * group_out / 4u;
      var texel = panel + (ky * params.kw + kx) * panel_texels;
      for (var channel = 0u; channel < group_out / 4u; channel++) {
        let low = select(vec4f(), dy[at.x + channel], inside.x);
        let high = select(vec4f(), dy[at.y + channel], inside.y);
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
  let places = array(destination.x, destination.y);
  for (var r = 0u; r < ROWS; r++) {
    let to = subgroupShuffle(places[r / 8u], r % 8u);
    if (to != 0xffffffffu && column < group_in / 4u) { dx[to + column] = c[r]; }
  }
}
