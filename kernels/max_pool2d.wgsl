// max_pool2d: the largest value of each window (torch.nn.functional.max_pool2d); padding counts as minus infinity.
//
// forward          y[n, oy, ox, c] = max of x[n, iy, ix, c] over iy = oy * STRIDE_H - PADDING_H + ky * DILATION_H, ky <
//                  KERNEL_H, and ix likewise, within the image. NaN counts as the maximum
// forward_indices  the same, and where in the image that value is, as iy * in_w + ix: of equal values the first in
//                  row-major order, of NaNs the last. -1 for a window that lies in the padding altogether
// backward         dx[n, iy, ix, c] = sum of dy over the windows, in row-major order, whose index is (iy, ix)
//
// layout    x, dx: [n, in_h, in_w, CHANNELS]; y, dy, indices: [n, out_h, out_w, CHANNELS]
// bindings  forward: x read, y write. forward_indices: also indices_out write. backward: dy, indices read, dx write
// overrides CHANNELS; KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W, PADDING_H, PADDING_W, DILATION_H, DILATION_W
// params    in_h, in_w, out_h, out_w
// dispatch  one invocation per element of y (backward: of dx), a workgroup taking 64 of one image row:
//           x: ceil(width * CHANNELS / 64), y: height, z: n

override CHANNELS: u32;
override KERNEL_H: u32;
override KERNEL_W: u32;
override STRIDE_H: u32;
override STRIDE_W: u32;
override PADDING_H: u32;
override PADDING_W: u32;
override DILATION_H: u32;
override DILATION_W: u32;

struct Params {
  in_h: u32,
  in_w: u32,
  out_h: u32,
  out_w: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> indices_out: array<i32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

struct Largest {
  value: f32,
  index: i32,
}

/// By its bits: compilers may take `value != value` for false.
fn is_nan(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u;
}

fn largest(image: u32, row: u32, column: u32, channel: u32) -> Largest {
  var minus_infinity = 0xff800000u; // a variable, because constant expressions may not be infinite
  var best = Largest(bitcast<f32>(minus_infinity), -1);
  // Places before the image wrap around to large numbers: one comparison finds the padding on both sides.
  for (var ky = 0u; ky < KERNEL_H; ky++) {
    let iy = row * STRIDE_H + ky * DILATION_H - PADDING_H;
    if (iy >= params.in_h) { continue; }
    for (var kx = 0u; kx < KERNEL_W; kx++) {
      let ix = column * STRIDE_W + kx * DILATION_W - PADDING_W;
      if (ix >= params.in_w) { continue; }
      let value = x[((image * params.in_h + iy) * params.in_w + ix) * CHANNELS + channel];
      if (value > best.value || best.index < 0 || is_nan(value)) {
        best = Largest(value, i32(iy * params.in_w + ix));
      }
    }
  }
  return best;
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x / CHANNELS;
  if (column >= params.out_w) { return; }
  let i = (id.z * params.out_h + id.y) * params.out_w * CHANNELS + id.x;
  y[i] = largest(id.z, id.y, column, id.x - column * CHANNELS).value;
}

@compute @workgroup_size(64)
fn forward_indices(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x / CHANNELS;
  if (column >= params.out_w) { return; }
  let i = (id.z * params.out_h + id.y) * params.out_w * CHANNELS + id.x;
  let best = largest(id.z, id.y, column, id.x - column * CHANNELS);
  y[i] = best.value;
  indices_out[i] = best.index;
}

/// The first of the windows that may reach `padded`, a place counted from the edge of the padding.
fn first_window(padded: u32, reach: u32, stride: u32) -> u32 {
  return (max(padded, reach) - reach + stride - 1u) / stride;
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x / CHANNELS;
  if (column >= params.in_w) { return; }
  let channel = id.x - column * CHANNELS;
  let padded_y = id.y + PADDING_H;
  let padded_x = column + PADDING_W;
  let first_row = first_window(padded_y, DILATION_H * (KERNEL_H - 1u), STRIDE_H);
  let first_column = first_window(padded_x, DILATION_W * (KERNEL_W - 1u), STRIDE_W);
  let end_row = min(padded_y / STRIDE_H + 1u, params.out_h);
  let end_column = min(padded_x / STRIDE_W + 1u, params.out_w);
  let own = i32(id.y * params.in_w + column);
  var sum = 0.0;
  for (var row = first_row; row < end_row; row++) {
    for (var window = first_column; window < end_column; window++) {
      let i = ((id.z * params.out_h + row) * params.out_w + window) * CHANNELS + channel;
      if (indices[i] == own) { sum += dy[i]; }
    }
  }
  dx[(id.z * params.in_h + id.y) * params.in_w * CHANNELS + id.x] = sum;
}
