// conv2d_backward_input_blocked: what conv2d_backward_input.wgsl computes, for GPUs, where the channels of a group are
// multiples of 4, in as well as out. Built like conv2d_blocked.wgsl, with the pixels handled phase by phase as in the
// base kernel: ROWS input pixels of a phase x 64 input channels in a workgroup, 16 output channels of one tap staged at
// a time.
//
// dy, w as in conv2d_backward_input.wgsl;  dx  [splits, n, h, w, IN].  Overrides and params as there, and
// splits    parts of KH * KW * OUT/GROUPS, with OUT/GROUPS rounded up to 16 and each a multiple of 16 long: slice s of dx
//           has the sum over part s, and reduce.wgsl adds the slices in order
//
// dispatch  (ceil(IN/GROUPS / 64), ceil(n*ceil(h/STRIDE_Y)*ceil(w/STRIDE_X) / ROWS), GROUPS*STRIDE_Y*STRIDE_X*splits)
//           workgroups of 2 * ROWS
// limits    IN/GROUPS and OUT/GROUPS multiples of 4; 12.8 KiB of workgroup memory

override IN: u32;
override OUT: u32;
override GROUPS: u32 = 1u;
override KH: u32;
override KW: u32;
override STRIDE_Y: u32 = 1u;
override STRIDE_X: u32 = 1u;
override PAD_Y: u32 = 0u;
override PAD_X: u32 = 0u;
override DIL_Y: u32 = 1u;
override DIL_X: u32 = 1u;
override GROUP_IN: u32 = IN / GROUPS;
override GROUP_OUT: u32 = OUT / GROUPS;
override TAP_LENGTH: u32 = (GROUP_OUT + 15u) / 16u * 16u;

const ROWS: u32 = 128u; // @tune 64 128
const COLS: u32 = 64u;
const DEPTH: u32 = 16u;

struct Params {
  n: u32,
  h: u32,
  w: u32,
  oh: u32,
  ow: u32,
  splits: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> dy_tile: array<array<vec4f, ROWS / 4u + 1u>, DEPTH>;
var<workgroup> w_tile: array<array<vec4f, COLS / 4u + 1u>, DEPTH>;

fn read_dy(start: i32, at: u32) -> vec4f {
  if (start < 0 || at >= GROUP_OUT / 4u) { return vec4f(); }
  return dy[u32(start) + at];
}

fn read_w(tap: u32, channel: u32, at: u32) -> vec4f {
  if (channel >= GROUP_IN) { return vec4f(); }
  return w[(tap * GROUP_IN + channel) * (OUT / 4u) + at];
}

// Row of a phase to pixel: STRIDE apart, from the phase on.
fn store(part: u32, phase: vec2u, row: u32, at: u32, value: vec4f) {
  let cols = (params.w + STRIDE_X - 1u) / STRIDE_X;
  let rows = (params.h + STRIDE_Y - 1u) / STRIDE_Y;
  let line = row / cols;
  let image = line / rows;
  let y = (line - image * rows) * STRIDE_Y + phase.y;
  let x = (row - line * cols) * STRIDE_X + phase.x;
  if (image >= params.n || y >= params.h || x >= params.w) { return; }
  dx[(((part * params.n + image) * params.h + y) * params.w + x) * (IN / 4u) + at] = value;
}

@compute @workgroup_size(2u * ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let g = group.z % GROUPS;
  let phase_index = group.z / GROUPS % (STRIDE_Y * STRIDE_X);
  let phase = vec2u(phase_index % STRIDE_X, phase_index / STRIDE_X);
  let part = group.z / (GROUPS * STRIDE_Y * STRIDE_X);
  let part_length = ((KH * KW * TAP_LENGTH / DEPTH + params.splits - 1u) / params.splits) * DEPTH;
  let begin = part * part_length;
  let end = min(begin + part_length, KH * KW * TAP_LENGTH);

  // The first ROWS invocations stage dy: four output channels of four pixels. The 64 after them stage w: four output
  // channels of four input channels. Neighbours as in matmul_blocked.wgsl.
  let stages_dy = local < ROWS;
  let job = select(local - ROWS, local, stages_dy);
  let quad = (job / 16u) * 4u + (job / 2u) % 4u;
  let slot = (job / 8u) % 2u * 2u + job % 2u;
  let pixel = vec4u(group.y * ROWS + 4u * quad) + vec4u(0u, 1u, 2u, 3u);
  let rows = (params.h + STRIDE_Y - 1u) / STRIDE_Y;
  let cols = (params.w + STRIDE_X - 1u) / STRIDE_X;
  let line = pixel / cols;
  let image = line / rows;
  let is_pixel = image < vec4u(params.n);
  let top = vec4i(line - image * rows);
  let left = vec4i(pixel - line * cols);
  let w_channel = group.x * COLS + 4u * quad;

  let row = local / 16u * 2u;
  let col = local % 16u;
  var c0 = vec4f();
  var c1 = vec4f();
  var c2 = vec4f();
  var c3 = vec4f();
  var c4 = vec4f();
  var c5 = vec4f();
  var c6 = vec4f();
  var c7 = vec4f();
  for (var tap = begin / TAP_LENGTH; tap * TAP_LENGTH < end; tap++) {
    let tap_start = tap * TAP_LENGTH;
    let shift_y = i32(phase.y + PAD_Y) - i32((tap / KW) * DIL_Y);
    let shift_x = i32(phase.x + PAD_X) - i32((tap % KW) * DIL_X);
    if (shift_y % i32(STRIDE_Y) != 0 || shift_x % i32(STRIDE_X) != 0) { continue; }
    // Output pixels that this tap took the four input pixels to. Below zero wraps far above; -1 stands for none.
    let oy = top + shift_y / i32(STRIDE_Y);
    let ox = left + shift_x / i32(STRIDE_X);
    let inside = is_pixel & (vec4u(oy) < vec4u(params.oh)) & (vec4u(ox) < vec4u(params.ow));
    let source = ((vec4i(image * params.oh) + oy) * i32(params.ow) + ox) * i32(OUT / 4u) + i32(g * (GROUP_OUT / 4u));
    let dy_at = select(vec4i(-1), source, inside);
    let stop = min(end - tap_start, GROUP_OUT);
    for (var inner = max(begin, tap_start) - tap_start; inner < stop; inner += DEPTH) {
      let channel = inner + 4u * slot;
      var block = mat4x4f();
      if (stages_dy) {
        block = transpose(mat4x4f(
          read_dy(dy_at.x, channel / 4u),
          read_dy(dy_at.y, channel / 4u),
          read_dy(dy_at.z, channel / 4u),
          read_dy(dy_at.w, channel / 4u),
        ));
        dy_tile[4u * slot][quad] = block[0];
        dy_tile[4u * slot + 1u][quad] = block[1];
        dy_tile[4u * slot + 2u][quad] = block[2];
        dy_tile[4u * slot + 3u][quad] = block[3];
      } else if (local < ROWS + COLS) {
        if (channel < GROUP_OUT) {
          let at = (g * GROUP_OUT + channel) / 4u;
          block = transpose(mat4x4f(
            read_w(tap, w_channel, at),
            read_w(tap, w_channel + 1u, at),
            read_w(tap, w_channel + 2u, at),
            read_w(tap, w_channel + 3u, at),
          ));
        }
        w_tile[4u * slot][quad] = block[0];
        w_tile[4u * slot + 1u][quad] = block[1];
        w_tile[4u * slot + 2u][quad] = block[2];
        w_tile[4u * slot + 3u][quad] = block[3];
      }
      workgroupBarrier();
      for (var d = 0u; d < DEPTH; d++) {
        let wv = w_tile[d][col];
        let upper = dy_tile[d][row];
        let lower = dy_tile[d][row + 1u];
        c0 = fma(vec4f(upper.x), wv, c0);
        c1 = fma(vec4f(upper.y), wv, c1);
        c2 = fma(vec4f(upper.z), wv, c2);
        c3 = fma(vec4f(upper.w), wv, c3);
        c4 = fma(vec4f(lower.x), wv, c4);
        c5 = fma(vec4f(lower.y), wv, c5);
        c6 = fma(vec4f(lower.z), wv, c6);
        c7 = fma(vec4f(lower.w), wv, c7);
      }
      workgroupBarrier();
    }
  }

  let in_quad = group.x * (COLS / 4u) + col;
  if (in_quad >= GROUP_IN / 4u) { return; }
  let at = g * (GROUP_IN / 4u) + in_quad;
  let first = group.y * ROWS + 4u * row;
  store(part, phase, first, at, c0);
  store(part, phase, first + 1u, at, c1);
  store(part, phase, first + 2u, at, c2);
  store(part, phase, first + 3u, at, c3);
  store(part, phase, first + 4u, at, c4);
  store(part, phase, first + 5u, at, c5);
  store(part, phase, first + 6u, at, c6);
  store(part, phase, first + 7u, at, c7);
}
