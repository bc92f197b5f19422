// interpolate_nearest: images resampled by repeating or leaving out pixels (torch.nn.functional.interpolate and
// torch.nn.Upsample with mode="nearest").
//
// forward   y[n, oy, ox, c] = x[n, s(oy), s(ox), c], where s(i) = min(floor(i * step), size - 1) along each axis. The
//           product is rounded to f32, as PyTorch does it: for some ratios that moves a pixel
// adjoint   dx[n, iy, ix, c] = sum of dy over the outputs that take (iy, ix), in row-major order
//
// layout    x, dx: [n, in_h, in_w, CHANNELS]; y, dy: [n, out_h, out_w, CHANNELS]
// bindings  forward: x read, y write. adjoint: dy read, dx write
// overrides CHANNELS
// params    in_h, in_w, out_h, out_w; step_h, step_w: inputs per output along the axis, above 0
// dispatch  one invocation per element of y (adjoint: of dx), a workgroup taking 64 of one image row:
//           x: ceil(width * CHANNELS / 64), y: height, z: n

override CHANNELS: u32;

struct Params {
  in_h: u32,
  in_w: u32,
  out_h: u32,
  out_w: u32,
  step_h: f32,
  step_w: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

/// s(i), before the minimum.
fn source(i: u32, step: f32) -> u32 {
  return u32(f32(i) * step);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x / CHANNELS;
  if (column >= params.out_w) { return; }
  let iy = min(source(id.y, params.step_h), params.in_h - 1u);
  let ix = min(source(column, params.step_w), params.in_w - 1u);
  let channel = id.x - column * CHANNELS;
  y[(id.z * params.out_h + id.y) * params.out_w * CHANNELS + id.x] =
    x[((id.z * params.in_h + iy) * params.in_w + ix) * CHANNELS + channel];
}

/// The first of `outputs` outputs whose source is `place` or more; the quotient may be off by a little.
fn first_from(place: u32, step: f32, outputs: u32) -> u32 {
  var i = min(u32(f32(place) / step), outputs);
  while (i > 0u && source(i - 1u, step) >= place) { i--; }
  while (i < outputs && source(i, step) < place) { i++; }
  return i;
}

/// Begin and end of the outputs that take `place`: the last place has everything behind it too.
fn takers(place: u32, size: u32, step: f32, outputs: u32) -> vec2u {
  let end = select(first_from(place + 1u, step, outputs), outputs, place + 1u == size);
  return vec2u(first_from(place, step, outputs), end);
}

@compute @workgroup_size(64)
fn adjoint(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x / CHANNELS;
  if (column >= params.in_w) { return; }
  let channel = id.x - column * CHANNELS;
  let rows = takers(id.y, params.in_h, params.step_h, params.out_h);
  let columns = takers(column, params.in_w, params.step_w, params.out_w);
  var total = 0.0;
  for (var oy = rows.x; oy < rows.y; oy++) {
    for (var ox = columns.x; ox < columns.y; ox++) {
      total += dy[((id.z * params.out_h + oy) * params.out_w + ox) * CHANNELS + channel];
    }
  }
  dx[(id.z * params.in_h + id.y) * params.in_w * CHANNELS + id.x] = total;
}
