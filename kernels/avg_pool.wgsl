// avg_pool: means over windows along one axis, and the adjoint. Two of these, one per axis, are average pooling and
// adaptive average pooling (torch.nn.functional.avg_pool2d, adaptive_avg_pool2d), because windows are rectangles and
// their divisors products.
//
// forward   y[o, i, k] = sum of x[o, j, k] over the window of i, begin <= j < end, divided by its divisor
// adjoint   dx[o, j, k] = sum of dy[o, i, k] / divisor over the windows i that contain j, ascending
// ADAPTIVE  true: window i is floor(i * in_size / out_size) .. ceil((i + 1) * in_size / out_size), divided by its size
//           false: window i is `kernel` long and begins at i * stride - padding, cut to the axis
// COUNT_PADDING  of ADAPTIVE false: whether the divisor counts what lies in the padding, or only what is on the axis
//
// layout    x, dx: [outer, in_size, inner]; y, dy: [outer, out_size, inner]. For [n, h, w, c] the height is outer = n,
//           inner = w * c, and the width outer = n * h, inner = c
// bindings  forward: x read, y write. adjoint: dy read, dx write
// params    outer, in_size, out_size, inner; kernel, stride, padding as above; divisor: if not 0, takes the place of
//           the divisor of every window. in_size * (out_size + 1) < 2^32
// dispatch  forward: one invocation per element of y, x: ceil(out_size * inner / 64) workgroups. adjoint: one per
//           SEGMENT neighbours along the axis of dx, x: ceil(ceil(in_size / SEGMENT) * inner / 64). y times z: at least
//           `outer`

override ADAPTIVE: bool;
override COUNT_PADDING: bool = true;

const SEGMENT: u32 = 16u; // @tune 4 8 16 32

struct Params {
  outer: u32,
  in_size: u32,
  out_size: u32,
  inner: u32,
  kernel: u32,
  stride: u32,
  padding: u32,
  divisor: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

struct Window {
  begin: u32,
  end: u32,
  divisor: f32,
}

fn window(i: u32) -> Window {
  var begin = i * params.in_size / params.out_size;
  var end = ((i + 1u) * params.in_size + params.out_size - 1u) / params.out_size;
  var count = end - begin;
  if (!ADAPTIVE) {
    // Counted from the edge of the padding, then from the edge of the axis.
    let padded_begin = i * params.stride;
    let padded_end = min(padded_begin + params.kernel, params.in_size + 2u * params.padding);
    begin = max(padded_begin, params.padding) - params.padding;
    end = min(max(padded_end, params.padding) - params.padding, params.in_size);
    count = select(max(end, begin) - begin, padded_end - padded_begin, COUNT_PADDING);
  }
  return Window(begin, end, select(params.divisor, f32(count), params.divisor == 0.0));
}

/// A window that begins no later than the first window containing j.
fn window_before(j: u32) -> u32 {
  if (ADAPTIVE) { return j * params.out_size / params.in_size; }
  let padded = j + params.padding;
  return (max(padded + 1u, params.kernel) - params.kernel) / params.stride;
}

@compute @workgroup_size(64)
fn forward(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
) {
  let outer = group.y + group.z * grid.y;
  let i = id.x / params.inner;
  if (outer >= params.outer || i >= params.out_size) { return; }
  let k = id.x - i * params.inner;
  let own = window(i);
  let base = outer * params.in_size * params.inner + k;
  var sum = 0.0;
  for (var j = own.begin; j < own.end; j++) {
    sum += x[base + j * params.inner];
  }
  // A window without a single element on the axis has mean 0, whatever its divisor.
  y[outer * params.out_size * params.inner + id.x] = select(0.0, sum / own.divisor, own.begin < own.end);
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

  let source = outer * params.out_size * params.inner + k;
  let destination = outer * params.in_size * params.inner + k;
  // Windows first .. next - 1 contain j, and share their sum with the following j until `first` ends or `next` begins.
  var first = window_before(begin);
  var next = first;
  var first_end = window(first).end;
  var next_begin = window(next).begin;
  var sum = 0.0;
  for (var j = begin; j < end; j++) {
    if (j == begin || j >= first_end || j >= next_begin) {
      while (first < params.out_size && first_end <= j) {
        first++;
        first_end = window(first).end;
      }
      while (next < params.out_size && next_begin <= j) {
        next++;
        next_begin = window(next).begin;
      }
      sum = 0.0;
      for (var i = first; i < next; i++) {
        sum += dy[source + i * params.inner] / window(i).divisor;
      }
    }
    dx[destination + j * params.inner] = sum;
  }
}
