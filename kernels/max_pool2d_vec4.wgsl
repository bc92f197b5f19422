// max_pool2d_vec4: max_pool2d.wgsl where the number of channels is a multiple of 4. An invocation takes four channels,
// which is several times as fast on CPU adapters. Formulas, layouts, bindings, overrides and params are those of
// max_pool2d.wgsl; QUADS follows from CHANNELS and is not to be set.
//
// dispatch  one invocation per 4 channels of an element of y (backward: of dx), a workgroup taking 64 of one image row:
//           x: ceil(width * CHANNELS / 4 / 64), y: height, z: n

override CHANNELS: u32;
override KERNEL_H: u32;
override KERNEL_W: u32;
override STRIDE_H: u32;
override STRIDE_W: u32;
override PADDING_H: u32;
override PADDING_W: u32;
override DILATION_H: u32;
override DILATION_W: u32;
override QUADS: u32 = CHANNELS / 4u;

struct Params {
  in_h: u32,
  in_w: u32,
  out_h: u32,
  out_w: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> indices: array<vec4i>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> indices_out: array<vec4i>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(6) var<uniform> params: Params;

struct Largest {
  value: vec4f,
  index: vec4i,
}

/// By its bits: compilers may take `value != value` for false.
fn is_nan(value: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(value) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

fn largest(image: u32, row: u32, column: u32, quad: u32) -> Largest {
  var minus_infinity = 0xff800000u; // a variable, because constant expressions may not be infinite
  var best = Largest(vec4f(bitcast<f32>(minus_infinity)), vec4i(-1));
  // Places before the image wrap around to large numbers: one comparison finds the padding on both sides.
  for (var ky = 0u; ky < KERNEL_H; ky++) {
    let iy = row * STRIDE_H + ky * DILATION_H - PADDING_H;
    if (iy >= params.in_h) { continue; }
    for (var kx = 0u; kx < KERNEL_W; kx++) {
      let ix = column * STRIDE_W + kx * DILATION_W - PADDING_W;
      if (ix >= params.in_w) { continue; }
      let place = iy * params.in_w + ix;
      let value = x[(image * params.in_h * params.in_w + place) * QUADS + quad];
      let better = (value > best.value) | (best.index < vec4i()) | is_nan(value);
      best = Largest(select(best.value, value, better), select(best.index, vec4i(i32(place)), better));
    }
  }
  return best;
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x / QUADS;
  if (column >= params.out_w) { return; }
  let i = (id.z * params.out_h + id.y) * params.out_w * QUADS + id.x;
  y[i] = largest(id.z, id.y, column, id.x - column * QUADS).value;
}

@compute @workgroup_size(64)
fn forward_indices(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x / QUADS;
  if (column >= params.out_w) { return; }
  let i = (id.z * params.out_h + id.y) * params.out_w * QUADS + id.x;
  let best = largest(id.z, id.y, column, id.x - column * QUADS);
  y[i] = best.value;
  indices_out[i] = best.index;
}

/// The first of the windows that may reach `padded`, a place counted from the edge of the padding.
fn first_window(padded: u32, reach: u32, stride: u32) -> u32 {
  return (max(padded, reach) - reach + stride - 1u) / stride;
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x / QUADS;
  if (column >= params.in_w) { return; }
  let quad = id.x - column * QUADS;
  let padded_y = id.y + PADDING_H;
  let padded_x = column + PADDING_W;
  let first_row = first_window(padded_y, DILATION_H * (KERNEL_H - 1u), STRIDE_H);
  let first_column = first_window(padded_x, DILATION_W * (KERNEL_W - 1u), STRIDE_W);
  let end_row = min(padded_y / STRIDE_H + 1u, params.out_h);
  let end_column = min(padded_x / STRIDE_W + 1u, params.out_w);
  let own = vec4i(i32(id.y * params.in_w + column));
  var sum = vec4f();
  for (var row = first_row; row < end_row; row++) {
    for (var window = first_column; window < end_column; window++) {
      let i = ((id.z * params.out_h + row) * params.out_w + window) * QUADS + quad;
      sum += select(vec4f(), dy[i], indices[i] == own);
    }
  }
  dx[(id.z * params.in_h + id.y) * params.in_w * QUADS + id.x] = sum;
}
