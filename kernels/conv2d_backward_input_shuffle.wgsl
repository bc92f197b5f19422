// conv2d_backward_input_shuffle: what conv2d_backward_input.wgsl computes, for adapters that run on the CPU (see
// matmul_shuffle.wgsl for why it is built this way). A workgroup is one subgroup of 8 lanes and owns ROWS input pixels of
// one phase x 8*COLS input channels; a lane loads one output channel of dy for all ROWS pixels and hands the values round.
//
// Operands and phases as in conv2d_backward_input.wgsl. What is an override there is a param here:
// compiling takes a CPU adapter about a second, dividing by a number that the compiler does not know next to nothing.
//
// params    n, h, w, oh, ow; in_channels, out_channels, groups, kh, kw, stride_y, stride_x, pad_y, pad_x, dil_y, dil_x
// dispatch  (ceil(in_channels/groups / (8*COLS)), ceil(n*ceil(h/stride_y)*ceil(w/stride_x) / ROWS),
//            groups*stride_y*stride_x) workgroups of 8
// limits    any sizes; needs subgroups of at least 8 lanes that hold a workgroup of 8

enable subgroups;

const ROWS: u32 = 16u; // @tune 16 32
const COLS: u32 = 8u; // @tune 4 8
const OUTSIDE: i32 = -1;

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

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group_in = params.in_channels / params.groups;
  let group_out = params.out_channels / params.groups;
  let phase = group.z / params.groups;
  let g = group.z % params.groups;
  let phase_y = phase / params.stride_x;
  let phase_x = phase % params.stride_x;
  let rows = (params.h + params.stride_y - 1u) / params.stride_y;
  let cols = (params.w + params.stride_x - 1u) / params.stride_x;
  let row0 = group.y * ROWS;
  let col0 = (group.x * 8u + lane) * COLS;

  // Each pixel's row and column within its phase, where it lies in dx, and where the phase's grid begins in dy; OUTSIDE
  // in the place of the row where there is no such pixel. Divisions are dear: every lane does those of one pixel in eight
  // and hands the results round.
  var py: array<i32, ROWS>;
  var px: array<i32, ROWS>;
  var target_at: array<u32, ROWS>;
  var source_at: array<i32, ROWS>;
  for (var block = 0u; block < ROWS; block += 8u) {
    let row = row0 + block + lane;
    let line = row / cols;
    let image = line / rows;
    let qy = line - image * rows;
    let qx = row - line * cols;
    let y = qy * params.stride_y + phase_y;
    let x = qx * params.stride_x + phase_x;
    let exists = image < params.n && y < params.h && x < params.w;
    let to = ((image * params.h + y) * params.w + x) * params.in_channels;
    let base = (image * params.oh + qy) * params.ow + qx;
    for (var i = 0u; i < 8u; i++) {
      py[block + i] = subgroupShuffle(select(OUTSIDE, i32(qy), exists), i);
      px[block + i] = subgroupShuffle(i32(qx), i);
      target_at[block + i] = subgroupShuffle(to, i);
      source_at[block + i] = subgroupShuffle(i32(base), i);
    }
  }
  var w_at: array<u32, COLS>;
  for (var j = 0u; j < COLS; j++) { w_at[j] = min(col0 + j, group_in - 1u) * params.out_channels + g * group_out; }

  var c: array<f32, ROWS * COLS>;
  for (var ky = 0u; ky < params.kh; ky++) {
    for (var kx = 0u; kx < params.kw; kx++) {
      let shift_y = i32(params.pad_y) - i32(ky * params.dil_y);
      let shift_x = i32(params.pad_x) - i32(kx * params.dil_x);
      if ((i32(phase_y) + shift_y) % i32(params.stride_y) != 0 || (i32(phase_x) + shift_x) % i32(params.stride_x) != 0) { continue; }
      // Where this tap of each pixel reads dy, or OUTSIDE. The stride divides the shift of a phase that the tap meets.
      let step_y = (i32(phase_y) + shift_y) / i32(params.stride_y);
      let step_x = (i32(phase_x) + shift_x) / i32(params.stride_x);
      var at: array<i32, ROWS>;
      for (var r = 0u; r < ROWS; r++) {
        let inside = py[r] >= 0 && u32(py[r] + step_y) < params.oh && u32(px[r] + step_x) < params.ow;
        let position = source_at[r] + step_y * i32(params.ow) + step_x;
        at[r] = select(OUTSIDE, position * i32(params.out_channels) + i32(g * group_out), inside);
      }
      let w_tap = (ky * params.kw + kx) * group_in * params.out_channels;
      for (var inner = 0u; inner < group_out; inner += 8u) {
        let k = i32(min(inner + lane, group_out - 1u));
        var dyv: array<f32, ROWS>;
        for (var r = 0u; r < ROWS; r++) { dyv[r] = select(0.0, dy[max(at[r] + k, 0)], at[r] >= 0); }
        let depth = min(8u, group_out - inner);
        for (var d = 0u; d < depth; d++) {
          var wv: array<f32, COLS>;
          for (var j = 0u; j < COLS; j++) { wv[j] = w[w_tap + w_at[j] + inner + d]; }
          for (var r = 0u; r < ROWS; r++) {
            let s = subgroupShuffle(dyv[r], d);
            for (var j = 0u; j < COLS; j++) { c[r * COLS + j] = fma(s, wv[j], c[r * COLS + j]); }
          }
        }
      }
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    for (var j = 0u; j < COLS; j++) {
      if (py[r] >= 0 && col0 + j < group_in) {
        dx[target_at[r] + g * group_in + col0 + j] = c[r * COLS + j];
      }
    }
  }
}
