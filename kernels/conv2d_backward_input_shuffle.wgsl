// conv2d_backward_input_shuffle: what conv2d_backward_input.wgsl computes, for adapters that run on the CPU (see
// matmul_shuffle.wgsl for why it is built this way). A workgroup is one subgroup of 8 lanes and owns ROWS input pixels of
// one phase x 64 input channels; a lane loads one output channel of dy for all ROWS pixels and hands the values round.
//
// Operands, overrides, params and phases as in conv2d_backward_input.wgsl.
// dispatch  (ceil(IN/GROUPS / 64), ceil(n*ceil(h/STRIDE_Y)*ceil(w/STRIDE_X) / ROWS), GROUPS*STRIDE_Y*STRIDE_X)
//           workgroups of 8
// limits    any sizes; needs subgroups of at least 8 lanes that hold a workgroup of 8

enable subgroups;

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

const ROWS: u32 = 16u; // @tune 8 16
const OUTSIDE: i32 = -1;

struct Params {
  n: u32,
  h: u32,
  w: u32,
  oh: u32,
  ow: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let phase = group.z / GROUPS;
  let g = group.z % GROUPS;
  let phase_y = phase / STRIDE_X;
  let phase_x = phase % STRIDE_X;
  let rows = (params.h + STRIDE_Y - 1u) / STRIDE_Y;
  let cols = (params.w + STRIDE_X - 1u) / STRIDE_X;
  let row0 = group.y * ROWS;
  let col0 = group.x * 64u + lane * 8u;

  // Image and position of each pixel; OUTSIDE in the place of y where the phase has no such pixel.
  var image: array<i32, ROWS>;
  var py: array<i32, ROWS>;
  var px: array<i32, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    let line = (row0 + r) / cols;
    let y = (line % rows) * STRIDE_Y + phase_y;
    let x = ((row0 + r) % cols) * STRIDE_X + phase_x;
    image[r] = i32(line / rows);
    py[r] = select(OUTSIDE, i32(y), line / rows < params.n && y < params.h && x < params.w);
    px[r] = i32(x);
  }
  var w_at: array<u32, 8>;
  for (var j = 0u; j < 8u; j++) { w_at[j] = min(col0 + j, GROUP_IN - 1u) * OUT + g * GROUP_OUT; }

  var c: array<f32, ROWS * 8u>;
  for (var ky = 0u; ky < KH; ky++) {
    for (var kx = 0u; kx < KW; kx++) {
      let shift_y = i32(PAD_Y) - i32(ky * DIL_Y);
      let shift_x = i32(PAD_X) - i32(kx * DIL_X);
      if ((i32(phase_y) + shift_y) % i32(STRIDE_Y) != 0 || (i32(phase_x) + shift_x) % i32(STRIDE_X) != 0) { continue; }
      // Where this tap of each pixel reads dy, or OUTSIDE.
      var at: array<i32, ROWS>;
      for (var r = 0u; r < ROWS; r++) {
        let sy = py[r] + shift_y;
        let sx = px[r] + shift_x;
        let oy = sy / i32(STRIDE_Y);
        let ox = sx / i32(STRIDE_X);
        let inside = py[r] >= 0 && sy >= 0 && sx >= 0 && oy < i32(params.oh) && ox < i32(params.ow);
        let position = (image[r] * i32(params.oh) + oy) * i32(params.ow) + ox;
        at[r] = select(OUTSIDE, position * i32(OUT) + i32(g * GROUP_OUT), inside);
      }
      let w_tap = (ky * KW + kx) * GROUP_IN * OUT;
      for (var inner = 0u; inner < GROUP_OUT; inner += 8u) {
        let k = i32(min(inner + lane, GROUP_OUT - 1u));
        var dyv: array<f32, ROWS>;
        for (var r = 0u; r < ROWS; r++) { dyv[r] = select(0.0, dy[max(at[r] + k, 0)], at[r] >= 0); }
        let depth = min(8u, GROUP_OUT - inner);
        for (var d = 0u; d < depth; d++) {
          var wv: array<f32, 8>;
          for (var j = 0u; j < 8u; j++) { wv[j] = w[w_tap + w_at[j] + inner + d]; }
          for (var r = 0u; r < ROWS; r++) {
            let s = subgroupShuffle(dyv[r], d);
            for (var j = 0u; j < 8u; j++) { c[r * 8u + j] = fma(s, wv[j], c[r * 8u + j]); }
          }
        }
      }
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    let pixel = u32((image[r] * i32(params.h) + py[r]) * i32(params.w) + px[r]);
    for (var j = 0u; j < 8u; j++) {
      if (py[r] >= 0 && col0 + j < GROUP_IN) {
        dx[pixel * IN + g * GROUP_IN + col0 + j] = c[r * 8u + j];
      }
    }
  }
}
