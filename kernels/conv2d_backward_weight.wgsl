// conv2d_backward_weight: dw, the gradient of conv2d.wgsl with respect to its weights (torch.nn.grad.conv2d_weight), f32,
// as an implicit matrix product: rows are (ky, kx, input channel), columns output channels, and the inner dimension runs
// over the n*oh*ow output pixels. That is long where the result is small, so it may be split.
//
// x   [n, h, w, IN];  dy  [n, oh, ow, OUT]
// dw  [splits, KH, KW, IN / GROUPS, OUT]: slice s holds the sum over its part of the output rows (n*oh of them);
//     reduce.wgsl adds the slices in order
// Overrides as in conv2d.wgsl; params as there, and splits.
//
// dispatch  (ceil(OUT/GROUPS / 64), ceil(KH*KW*IN/GROUPS / 64), GROUPS * splits) workgroups of 256: a 64 x 64 tile,
//           4 x 4 per invocation
// limits    any sizes; 8 KiB of workgroup memory

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

const TILE: u32 = 64u;
const DEPTH: u32 = 16u;

struct Params {
  n: u32,
  h: u32,
  w: u32,
  oh: u32,
  ow: u32,
  splits: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> x_tile: array<f32, TILE * DEPTH>;
var<workgroup> dy_tile: array<f32, TILE * DEPTH>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let g = group.z % GROUPS;
  let part = group.z / GROUPS;
  let lines = params.n * params.oh;
  let part_lines = (lines + params.splits - 1u) / params.splits;
  let begin = min(part * part_lines, lines) * params.ow;
  let end = min(min(part * part_lines, lines) + part_lines, lines) * params.ow;
  let rows = KH * KW * GROUP_IN;
  let row0 = group.y * TILE;
  let col0 = group.x * TILE;

  // Staging: this invocation always loads one row, hence one tap and channel, of four pixels.
  let my_row = row0 + local % TILE;
  let tap = my_row / GROUP_IN;
  let ty = i32((tap / KW) * DIL_Y) - i32(PAD_Y);
  let tx = i32((tap % KW) * DIL_X) - i32(PAD_X);
  let channel = g * GROUP_IN + my_row % GROUP_IN;

  let row = (local / 16u) * 4u;
  let col = (local % 16u) * 4u;
  var c0 = vec4f();
  var c1 = vec4f();
  var c2 = vec4f();
  var c3 = vec4f();
  for (var inner = begin; inner < end; inner += DEPTH) {
    for (var i = 0u; i < 4u; i++) {
      let d = local / TILE + 4u * i;
      let pixel = inner + d;
      let line = pixel / params.ow;
      let sy = i32((line % params.oh) * STRIDE_Y) + ty;
      let sx = i32((pixel % params.ow) * STRIDE_X) + tx;
      let inside = pixel < end && my_row < rows && sy >= 0 && sy < i32(params.h) && sx >= 0 && sx < i32(params.w);
      var value = 0.0;
      if (inside) { value = x[((line / params.oh * params.h + u32(sy)) * params.w + u32(sx)) * IN + channel]; }
      x_tile[d * TILE + local % TILE] = value;

      value = 0.0;
      if (pixel < end && col0 + local % TILE < GROUP_OUT) {
        value = dy[pixel * OUT + g * GROUP_OUT + col0 + local % TILE];
      }
      dy_tile[d * TILE + local % TILE] = value;
    }
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d++) {
      let v = vec4f(dy_tile[d * TILE + col], dy_tile[d * TILE + col + 1u], dy_tile[d * TILE + col + 2u], dy_tile[d * TILE + col + 3u]);
      c0 = fma(vec4f(x_tile[d * TILE + row]), v, c0);
      c1 = fma(vec4f(x_tile[d * TILE + row + 1u]), v, c1);
      c2 = fma(vec4f(x_tile[d * TILE + row + 2u]), v, c2);
      c3 = fma(vec4f(x_tile[d * TILE + row + 3u]), v, c3);
    }
    workgroupBarrier();
  }

  let out = array<vec4f, 4>(c0, c1, c2, c3);
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      if (row0 + row + r < rows && col0 + col + c < GROUP_OUT) {
        dw[(part * rows + row0 + row + r) * OUT + g * GROUP_OUT + col0 + col + c] = out[r][c];
      }
    }
  }
}
