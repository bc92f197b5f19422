// conv2d_backward_input_panel: what conv2d_backward_input.wgsl computes, for adapters that run on the CPU (see
// matmul_panel.wgsl for why it is built this way). A workgroup is one subgroup of 8 lanes; LANES of them own 16 input pixels of
// one phase x PANELS*4*LANES input channels.
//
// Phases as in conv2d_backward_input.wgsl, but only those that a tap meets: the k-th along an axis is the one of tap k. The
// pixels of the others have no gradient and keep what dx holds: zeros.
//
// bindings  dy: read, [n, oh, ow, out_channels]; dy_each: the same buffer; w: read, texels of [kh, kw, group_in, groups *
//           (group_out rounded up to a multiple of 4)]; dx: write, [n, h, w, in_channels]
// overrides EACH: group_out is no multiple of 4, and dy is read number by number
// params    n, h, w, oh, ow; in_channels, out_channels, groups; group_in, group_out: of a group; kh, kw, stride_y, stride_x,
//           pad_y, pad_x, dil_y, dil_x; phases_x: phases along x that a tap meets, min(kw, stride_x / gcd(stride_x, dil_x));
//           phases_y in the dispatch likewise
// dispatch  (ceil(group_in / (PANELS*4*LANES)), ceil(n*ceil(h/stride_y)*ceil(w/stride_x) / (128/LANES)),
//           groups*phases_y*phases_x) workgroups of 8
// limits    group_in is a multiple of 4, and group_out unless EACH; subgroups of at least 8 lanes that hold a workgroup of 8

enable subgroups;

const ROWS: u32 = 16u;
const LANES: u32 = 8u; // @tune 4 8
const PANELS: u32 = 1u; // @tune 1 2
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
  group_in: u32,
  group_out: u32,
  kh: u32,
  kw: u32,
  stride_y: u32,
  stride_x: u32,
  pad_y: u32,
  pad_x: u32,
  dil_y: u32,
  dil_x: u32,
  phases_x: u32,
}

override EACH: bool = false;

@group(0) @binding(0) var<storage, read> dy: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy_each: array<f32>;
@group(0) @binding(2) var w: texture_2d<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

const NEXT: vec4u = vec4u(0u, 1u, 2u, 3u);

fn fetch(texel: u32) -> vec4f {
  return textureLoad(w, vec2u(texel & 4095u, texel >> 12u), 0);
}

// Four output channels of each of four input channels, turned: four input channels of each output channel.
fn fetch_turned(texel: u32, weight_row: u32) -> mat4x4f {
  let w0 = fetch(texel);
  let w1 = fetch(texel + weight_row);
  let w2 = fetch(texel + 2u * weight_row);
  let w3 = fetch(texel + 3u * weight_row);
  return transpose(mat4x4f(w0, w1, w2, w3));
}

// Up to 4 channels of a pixel that has `left` more of them, zeros after those.
fn load_each(at: u32, left: u32) -> vec4f {
  let place = at + min(NEXT, vec4u(left - 1u));
  let values = vec4f(dy_each[place.x], dy_each[place.y], dy_each[place.z], dy_each[place.w]);
  return select(vec4f(), values, NEXT < vec4u(left));
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group_in = params.group_in / 4u;
  let group_steps = (params.group_out + 3u) / 4u;
  let weight_row = params.groups * group_steps;
  let unit = select(4u, 1u, EACH); // of places in dy
  let out_places = params.out_channels / unit;
  let phase = group.z / params.groups;
  let g = group.z - phase * params.groups;
  let tap_y = phase / params.phases_x;
  let tap_x = phase - tap_y * params.phases_x;
  let phase_y = (tap_y * params.dil_y + params.pad_y * (params.stride_y - 1u)) % params.stride_y; // of -pad_y, kept positive
  let phase_x = (tap_x * params.dil_x + params.pad_x * (params.stride_x - 1u)) % params.stride_x;
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
  let row = row0 + lane - first;
  let line = row / cols;
  var image = line / rows;
  var qy = line - image * rows;
  var qx = row - line * cols;
  for (var i = 0u; i < LOADS; i++) {
    let y = qy * params.stride_y + phase_y;
    let x = qx * params.stride_x + phase_x;
    let exists = image < params.n && y < params.h && x < params.w;
    let to = ((image * params.h + y) * params.w + x) * (params.in_channels / 4u) + g * group_in;
    destination[i] = select(NOWHERE, to, exists);
    py[i] = i32(qy);
    px[i] = i32(qx);
    start[i] = i32((image * params.oh + qy) * params.ow + qx);
    qx += LANES;
    for (; qx >= cols; qx -= cols) {
      qy++;
      if (qy == rows) {
        qy = 0u;
        image++;
      }
    }
  }

  // Of the 4 input channels of this lane, the weights of the first; those of the next follow after `weight_row`.
  let column = group.x * PANELS * LANES + lane - first;
  let weights = 4u * min(column, group_in - 1u) * weight_row + g * group_steps;
  let across = 4u * min(column + LANES, group_in - 1u) * weight_row + g * group_steps - weights; // to the second panel
  var c: array<vec4f, ROWS>;
  var d: array<vec4f, ROWS>; // the second panel
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
        at[i] = u32(select(0, start[i] + step_y * i32(params.ow) + step_x, inside[i])) * out_places + g * params.group_out / unit;
      }
      let tap = (ky * params.kw + kx) * 4u * group_in * weight_row + weights;
      for (var step = 0u; step < group_steps; step++) {
        let b = fetch_turned(tap + step, weight_row);
        var a: array<vec4f, LOADS>;
        if (EACH) {
          for (var i = 0u; i < LOADS; i++) {
            a[i] = select(vec4f(), load_each(at[i] + 4u * step, params.group_out - 4u * step), inside[i]);
          }
        } else {
          for (var i = 0u; i < LOADS; i++) { a[i] = select(vec4f(), dy[at[i] + step], inside[i]); }
        }
        for (var r = 0u; r < ROWS; r++) {
          let s = subgroupShuffle(a[r / LANES], first + r % LANES);
          c[r] = fma(vec4f(s.w), b[3], fma(vec4f(s.z), b[2], fma(vec4f(s.y), b[1], fma(vec4f(s.x), b[0], c[r]))));
        }
        if (PANELS == 2u) {
          let e = fetch_turned(tap + step + across, weight_row);
          for (var r = 0u; r < ROWS; r++) {
            let s = subgroupShuffle(a[r / LANES], first + r % LANES);
            d[r] = fma(vec4f(s.w), e[3], fma(vec4f(s.z), e[2], fma(vec4f(s.y), e[1], fma(vec4f(s.x), e[0], d[r]))));
          }
        }
      }
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    let to = subgroupShuffle(destination[r / LANES], first + r % LANES);
    if (to != NOWHERE && column < group_in) { dx[to + column] = c[r]; }
    if (PANELS == 2u && to != NOWHERE && column + LANES < group_in) { dx[to + column + LANES] = d[r]; }
  }
}
