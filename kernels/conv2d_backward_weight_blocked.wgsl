// conv2d_backward_weight_blocked: what conv2d_backward_weight.wgsl computes, for GPUs, where the channels of a group are
// multiples of 4, in as well as out. Built like matmul_blocked.wgsl: ROWS of (ky, kx, input channel) x 64 output channels
// in a workgroup, 8 x 4 in an invocation, 16 output pixels staged at a time.
//
// An invocation that stages x keeps one tap and four channels, and follows four pixels by carrying their digits. Where
// input and output pixels are the same (1x1, stride 1, no padding) there is nothing to follow.
//
// x, dy, dw, overrides and params as in conv2d_backward_weight.wgsl.
//
// dispatch  (ceil(OUT/GROUPS / 64), ceil(KH*KW*IN/GROUPS / ROWS), GROUPS * splits) workgroups of 2 * ROWS
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
override IS_POINTWISE: bool = KH * KW * STRIDE_Y * STRIDE_X == 1u && PAD_Y + PAD_X == 0u;

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

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> x_tile: array<array<vec4f, ROWS / 4u + 1u>, DEPTH>;
var<workgroup> dy_tile: array<array<vec4f, COLS / 4u + 1u>, DEPTH>;

fn read_x(at: i32) -> vec4f {
  if (at < 0) { return vec4f(); }
  return x[at];
}

fn read_dy(pixel: u32, end: u32, at: u32) -> vec4f {
  if (pixel >= end) { return vec4f(); }
  return dy[pixel * (OUT / 4u) + at];
}

fn store(part: u32, row: u32, at: u32, value: vec4f) {
  let rows = KH * KW * GROUP_IN;
  if (row < rows) { dw[(part * rows + row) * (OUT / 4u) + at] = value; }
}

@compute @workgroup_size(2u * ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let g = group.z % GROUPS;
  let part = group.z / GROUPS;
  let lines = params.n * params.oh;
  let part_lines = (lines + params.splits - 1u) / params.splits;
  let begin = min(part * part_lines, lines) * params.ow;
  let end = min(min(part * part_lines, lines) + part_lines, lines) * params.ow;

  // The first ROWS invocations stage x, the 64 after them dy: four channels of four pixels. Neighbours read neighbouring
  // channels.
  let stages_x = local < ROWS;
  let job = select(local - ROWS, local, stages_x);
  let quads = select(COLS, ROWS, stages_x) / 4u;
  let quad = job % quads;
  let slot = job / quads;
  let my_row = group.y * ROWS + 4u * quad;
  let is_row = my_row < KH * KW * GROUP_IN;
  let tap = my_row / GROUP_IN;
  let ty = i32((tap / KW) * DIL_Y) - i32(PAD_Y);
  let tx = i32((tap % KW) * DIL_X) - i32(PAD_X);
  let x_quad = i32((g * GROUP_IN + my_row % GROUP_IN) / 4u);
  let dy_quad = group.x * (COLS / 4u) + quad;

  // Digits of the four pixels that this invocation stages next.
  var pixel = vec4u(begin + 4u * slot) + vec4u(0u, 1u, 2u, 3u);
  var ox = pixel % params.ow;
  var oy = pixel / params.ow % params.oh;
  var image = pixel / params.ow / params.oh;

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
  for (var inner = begin; inner < end; inner += DEPTH) {
    if (stages_x) {
      var inside = (pixel < vec4u(end)) & vec4<bool>(is_row);
      var source = vec4i(pixel);
      if (!IS_POINTWISE) {
        let sy = vec4i(oy * STRIDE_Y) + ty;
        let sx = vec4i(ox * STRIDE_X) + tx;
        inside &= (vec4u(sy) < vec4u(params.h)) & (vec4u(sx) < vec4u(params.w)); // below zero wraps far above
        source = (vec4i(image * params.h) + sy) * i32(params.w) + sx;
        ox += DEPTH;
        for (var wraps = ox >= vec4u(params.ow); any(wraps); wraps = ox >= vec4u(params.ow)) {
          ox -= select(vec4u(), vec4u(params.ow), wraps);
          oy += select(vec4u(), vec4u(1u), wraps);
          let is_last = oy == vec4u(params.oh);
          oy = select(oy, vec4u(), is_last);
          image += select(vec4u(), vec4u(1u), is_last);
        }
      }
      pixel += DEPTH;
      let at = select(vec4i(-1), source * i32(IN / 4u) + x_quad, inside);
      x_tile[4u * slot][quad] = read_x(at.x);
      x_tile[4u * slot + 1u][quad] = read_x(at.y);
      x_tile[4u * slot + 2u][quad] = read_x(at.z);
      x_tile[4u * slot + 3u][quad] = read_x(at.w);
    } else if (local < ROWS + COLS) {
      let stop = select(0u, end, dy_quad < GROUP_OUT / 4u);
      let at = g * (GROUP_OUT / 4u) + dy_quad;
      dy_tile[4u * slot][quad] = read_dy(pixel.x, stop, at);
      dy_tile[4u * slot + 1u][quad] = read_dy(pixel.y, stop, at);
      dy_tile[4u * slot + 2u][quad] = read_dy(pixel.z, stop, at);
      dy_tile[4u * slot + 3u][quad] = read_dy(pixel.w, stop, at);
      pixel += DEPTH;
    }
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d++) {
      let v = dy_tile[d][col];
      let upper = x_tile[d][row];
      let lower = x_tile[d][row + 1u];
      c0 = fma(vec4f(upper.x), v, c0);
      c1 = fma(vec4f(upper.y), v, c1);
      c2 = fma(vec4f(upper.z), v, c2);
      c3 = fma(vec4f(upper.w), v, c3);
      c4 = fma(vec4f(lower.x), v, c4);
      c5 = fma(vec4f(lower.y), v, c5);
      c6 = fma(vec4f(lower.z), v, c6);
      c7 = fma(vec4f(lower.w), v, c7);
    }
    workgroupBarrier();
  }

  let out_quad = group.x * (COLS / 4u) + col;
  if (out_quad >= GROUP_OUT / 4u) { return; }
  let at = g * (GROUP_OUT / 4u) + out_quad;
  let first = group.y * ROWS + 4u * row;
  store(part, first, at, c0);
  store(part, first + 1u, at, c1);
  store(part, first + 2u, at, c2);
  store(part, first + 3u, at, c3);
  store(part, first + 4u, at, c4);
  store(part, first + 5u, at, c5);
  store(part, first + 6u, at, c6);
  store(part, first + 7u, at, c7);
}
