// interpolate_linear: linear resampling along one axis, and its adjoint. Two of these, first along the height and then
// along the width, are bilinear resampling (torch.nn.functional.interpolate(mode="bilinear")): the weights of a pixel
// are products of one weight per axis, so the passes may be taken one after the other.
//
// forward   y[o, i, k] = (1 - t) * x[o, s, k] + t * x[o, min(s + 1, in_size - 1), k],
//           where s + t = max(origin + i * step, 0) is the source position of output i, s whole and 0 <= t < 1
// adjoint   dx[o, s, k] = sum over outputs i, ascending, of the weight that i gives to s, times dy[o, i, k]
//
// layout    x, dx: [outer, in_size, inner]; y, dy: [outer, out_size, inner]. For [n, h, w, c] the height is
//           outer = n, inner = w * c, and the width outer = n * h, inner = c
// bindings  forward: x read, y write. adjoint: dy read, dx write
// params    outer, in_size, out_size, inner; origin_whole, origin_fraction and step_whole, step_fraction: origin and
//           step in fixed point, value = whole + fraction / 2^32, because the fraction t of an f32 position would lose
//           a digit for every digit of s. out_size < 65536
// dispatch  one invocation per SEGMENT neighbours along the axis (of y in forward, of dx in adjoint) in one (o, k),
//           which loads every value it needs once. x: ceil(ceil(size / SEGMENT) * inner / 64) workgroups; y times z:
//           at least `outer`

const SEGMENT: u32 = 16u; // @tune 4 8 16 32

struct Params {
  outer: u32,
  in_size: u32,
  out_size: u32,
  inner: u32,
  origin_whole: i32,
  origin_fraction: u32,
  step_whole: i32,
  step_fraction: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

const UNIT = 1.0 / 4294967296.0;

/// A position along the axis of the input, whole + fraction / 2^32.
struct Position {
  whole: i32,
  fraction: u32,
}

fn plus(a: Position, b: Position) -> Position {
  let fraction = a.fraction + b.fraction;
  return Position(a.whole + b.whole + select(0, 1, fraction < a.fraction), fraction);
}

fn origin() -> Position {
  return Position(params.origin_whole, params.origin_fraction);
}

fn step() -> Position {
  return Position(params.step_whole, params.step_fraction);
}

/// origin + i * step. The product of i and the fraction has more than 32 bits: it is taken in two halves.
fn position_of(i: u32) -> Position {
  let upper = i * (params.step_fraction >> 16u);
  let lower = i * (params.step_fraction & 0xffffu);
  let product = plus(Position(i32(upper >> 16u), upper << 16u), Position(i32(i) * params.step_whole, lower));
  return plus(origin(), product);
}

/// An output that lies before every output whose position is `whole` or more, but not far before the first of them.
fn output_before(whole: i32) -> u32 {
  let from_origin = f32(whole - params.origin_whole) - f32(params.origin_fraction) * UNIT;
  let size = f32(params.step_whole) + f32(params.step_fraction) * UNIT;
  if (whole <= 0 || size == 0.0) { return 0u; }
  return u32(max(floor(from_origin / size) - 1.0, 0.0));
}

@compute @workgroup_size(64)
fn forward(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
) {
  let outer = group.y + group.z * grid.y;
  let segment = id.x / params.inner;
  let k = id.x - segment * params.inner;
  let begin = segment * SEGMENT;
  let end = min(begin + SEGMENT, params.out_size);
  if (outer >= params.outer || begin >= end) { return; }

  let base = outer * params.in_size * params.inner + k;
  let last = params.in_size - 1u;
  var at = params.in_size; // the input that `low` holds; none yet
  var low = 0.0;
  var high = 0.0;
  var position = position_of(begin);
  var index = (outer * params.out_size + begin) * params.inner + k;
  for (var i = begin; i < end; i++) {
    let next = min(u32(max(position.whole, 0)), last);
    if (next != at) {
      if (next == at + 1u) { low = high; } else { low = x[base + next * params.inner]; }
      high = x[base + min(next + 1u, last) * params.inner];
      at = next;
    }
    let t = select(f32(position.fraction) * UNIT, 0.0, position.whole < 0);
    y[index] = (1.0 - t) * low + t * high;
    index += params.inner;
    position = plus(position, step());
  }
}

@compute @workgroup_size(64)
fn adjoint(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
) {
  let outer = group.y + group.z * grid.y;
  let segment = id.x / params.inner;
  let k = id.x - segment * params.inner;
  let begin = segment * SEGMENT;
  let end = min(begin + SEGMENT, params.in_size);
  if (outer >= params.outer || begin >= end) { return; }

  let source_base = outer * params.out_size * params.inner + k;
  let target_base = outer * params.in_size * params.inner + k;
  let last = params.in_size - 1u;
  // Sums for the inputs `at` and `at + 1` while the outputs between them go by.
  var at = max(begin, 1u) - 1u;
  var low = 0.0;
  var high = 0.0;
  var i = output_before(i32(at));
  var position = position_of(i);
  for (; i < params.out_size; i++) {
    let next = min(u32(max(position.whole, 0)), last);
    // Before the first input and after the last one both taps are the same input.
    let t = select(f32(position.fraction) * UNIT, 0.0, position.whole < 0 || next == last);
    position = plus(position, step());
    if (next >= end) { break; }
    if (next < at) { continue; }
    while (at < next) {
      if (at >= begin) { dx[target_base + at * params.inner] = low; }
      low = high;
      high = 0.0;
      at++;
    }
    let value = dy[source_base + i * params.inner];
    low += (1.0 - t) * value;
    high += t * value;
  }
  while (at < end) {
    if (at >= begin) { dx[target_base + at * params.inner] = low; }
    low = high;
    high = 0.0;
    at++;
  }
}
