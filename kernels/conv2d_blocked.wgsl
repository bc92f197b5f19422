// conv2d_blocked: what conv2d.wgsl computes, for GPUs, where the channels of a group are multiples of 4, in as well as
// out. Built like matmul_blocked.wgsl, which says why: ROWS output pixels x 64 output channels in a workgroup, 8 x 4 in
// an invocation, 16 channels of one tap staged at a time.
//
// Taps are taken one by one: an invocation that stages x works out once per tap where its four pixels read, and then
// only adds the channel. A few output pixels with a long sum may be split: part s of the channels of all taps goes to
// slice s of y, and reduce.wgsl adds the slices in order. The bias is in the first.
//
// x, w, bias as in conv2d.wgsl;  y  [splits, n, oh, ow, OUT].  Overrides and params as there, and
// splits    parts of KH * KW * IN/GROUPS, with IN/GROUPS rounded up to 16 and each a multiple of 16 long
//
// dispatch  (ceil(OUT/GROUPS / 64), ceil(n*oh*ow / ROWS), GROUPS * splits) workgroups of 2 * ROWS
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
override HAS_BIAS: bool = false;
override GROUP_IN: u32 = IN / GROUPS;
override GROUP_OUT: u32 = OUT / GROUPS;
override TAP_LENGTH: u32 = (GROUP_IN + 15u) / 16u * 16u;

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
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> x_tile: array<array<vec4f, ROWS / 4u + 1u>, DEPTH>;
var<workgroup> w_tile: array<array<vec4f, COLS / 4u + 1u>, DEPTH>;

fn read_x(start: i32, at: u32) -> vec4f {
  if (start < 0 || at >= GROUP_IN / 4u) { return vec4f(); }
  return x[u32(start) + at];
}

fn store(part: u32, pixel: u32, at: u32, value: vec4f) {
  let pixels = params.n * params.oh * params.ow;
  if (pixel < pixels) { y[(part * pixels + pixel) * (OUT / 4u) + at] = value; }
}

@compute @workgroup_size(2u * ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let g = group.z % GROUPS;
  let part = group.z / GROUPS;
  let part_length = ((KH * KW * TAP_LENGTH / DEPTH + params.splits - 1u) / params.splits) * DEPTH;
  let begin = part * part_length;
  let end = min(begin + part_length, KH * KW * TAP_LENGTH);

  // The first ROWS invocations stage x: four channels of four pixels; neighbours as in matmul_blocked.wgsl. The 64 after
  // them stage w: four output channels of four input channels.
  let stages_x = local < ROWS;
  let job = select(local - ROWS, local, stages_x);
  let quad = select(job % (COLS / 4u), (job / 16u) * 4u + (job / 2u) % 4u, stages_x);
  let slot = select(job / (COLS / 4u), (job / 8u) % 2u * 2u + job % 2u, stages_x);
  let pixel = vec4u(group.y * ROWS + 4u * quad) + vec4u(0u, 1u, 2u, 3u);
  let line = pixel / params.ow;
  let image = line / params.oh;
  let is_pixel = image < vec4u(params.n);
  let top = vec4i((line - image * params.oh) * STRIDE_Y) - i32(PAD_Y);
  let left = vec4i((pixel - line * params.ow) * STRIDE_X) - i32(PAD_X);
  let start = (vec4i(image * params.h) + top) * i32(params.w) + left;
  let w_quad = group.x * (COLS / 4u) + quad;

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
    let ty = i32((tap / KW) * DIL_Y);
    let tx = i32((tap % KW) * DIL_X);
    // Below zero wraps far above; -1 stands for a pixel outside, which is zero.
    let inside = is_pixel & (vec4u(top + ty) < vec4u(params.h)) & (vec4u(left + tx) < vec4u(params.w));
    let source = (start + (ty * i32(params.w) + tx)) * i32(IN / 4u) + i32(g * (GROUP_IN / 4u));
    let x_at = select(vec4i(-1), source, inside);
    let stop = min(end - tap_start, GROUP_IN);
    for (var inner = max(begin, tap_start) - tap_start; inner < stop; inner += DEPTH) {
      let channel = inner + 4u * slot;
      var block = mat4x4f();
      if (stages_x) {
        block = transpose(mat4x4f(
          read_x(x_at.x, channel / 4u),
          read_x(x_at.y, channel / 4u),
          read_x(x_at.z, channel / 4u),
          read_x(x_at.w, channel / 4u),
        ));
        x_tile[4u * slot][quad] = block[0];
        x_tile[4u * slot + 1u][quad] = block[1];
        x_tile[4u * slot + 2u][quad] = block[2];
        x_tile[4u * slot + 3u][quad] = block[3];
      } else if (local < ROWS + COLS) {
        if (channel < GROUP_IN && w_quad < GROUP_OUT / 4u) {
          let at = ((tap * GROUP_IN + channel) * OUT + g * GROUP_OUT) / 4u + w_quad;
          block = mat4x4f(w[at], w[at + OUT / 4u], w[at + 2u * (OUT / 4u)], w[at + 3u * (OUT / 4u)]);
        }
        w_tile[4u * slot][quad] = block[0];
        w_tile[4u * slot + 1u][quad] = block[1];
        w_tile[4u * slot + 2u][quad] = block[2];
        w_tile[4u * slot + 3u][quad] = block[3];
      }
      workgroupBarrier();
      for (var d = 0u; d < DEPTH; d++) {
        let wv = w_tile[d][col];
        let upper = x_tile[d][row];
        let lower = x_tile[d][row + 1u];
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

  let out_quad = group.x * (COLS / 4u) + col;
  if (out_quad >= GROUP_OUT / 4u) { return; }
  let at = g * (GROUP_OUT / 4u) + out_quad;
  var offset = vec4f();
  if (HAS_BIAS && part == 0u) { offset = bias[at]; }
  let first = group.y * ROWS + 4u * row;
  store(part, first, at, c0 + offset);
  store(part, first + 1u, at, c1 + offset);
  store(part, first + 2u, at, c2 + offset);
  store(part, first + 3u, at, c3 + offset);
  store(part, first + 4u, at, c4 + offset);
  store(part, first + 5u, at, c5 + offset);
  store(part, first + 6u, at, c6 + offset);
  store(part, first + 7u, at, c7 + offset);
}
