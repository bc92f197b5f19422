// upsampled_cross_entropy: cross-entropy of class scores resized bilinearly to their labels, and its gradient, without
// storing the resized scores (torch.nn.functional.cross_entropy of torch.nn.functional.interpolate(mode="bilinear")).
//
// Of an output pixel with label t and scores z_k, those of the four pixels of x around it mixed as in
// interpolate_linear.wgsl:  loss = lse - z_t,   d loss / d z_k = exp(z_k - lse) - [k = t],   lse = log(sum_j exp z_j)
// SMOOTHING S puts (1 - S) [k = j] + S / CLASSES for [k = j], that is (1 - S) loss + S times its mean over all t.
// With WEIGHTED both are multiplied by the weight of t, as the official code does; torch weighs what smoothing spreads
// over the other classes by their weights. A label that is IGNORE, or no class at all, gives loss 0 and no gradient.
//
// x is seen as (h + 1) x (w + 1) cells: cell (i, j) lies between the centres of the pixels (i - 1, j - 1) and (i, j),
// its corners; beyond the border the nearest pixel stands for a corner. All outputs in a cell are mixed from its
// corners, so whoever computes many of them loads each score once for all.
//
// forward   sums[i] = (loss, weight) over the outputs of one row in one cell, i = (image, row, cell); the weight of an
//           output is that of its label or, where BY_COUNT or not WEIGHTED, 1; lse of every output, rounded no more
//           than its scores have been
// losses    loss[output] = lse - z_t of every output by itself: no smoothing, no weights
// backward  corners[image][cell][4][CLASSES] = the gradient that the outputs of a cell give to its upper left, upper
//           right, lower left and lower right corner, with that of corners beyond the border added to their pixels'
// gather    dx = dloss[0] * factor[0] * the sum of the four entries of `parts`, the corners, that are a pixel's.
//           `factor` is what cross_entropy_mean.wgsl leaves after adding up the sums.
//
// So backward takes every exponential once, nothing is added atomically, and stored are one number per output until
// backward and four per score of x during it: for outputs 8 times as large as x a sixteenth of the resized scores.
// Going back over one axis after the other would store an eighth, and take the exponentials of most outputs twice, for
// the columns on both sides.
//
// PIXELS    outputs that forward has in registers at a time; a set that is not full costs as much as a full one
// CLASSES   scores per pixel
// IGNORE    label that does not count
// SMOOTHING label smoothing, 0..1
// WEIGHTED  whether `weight` is read; where it is not, any buffer may stand there
// BY_COUNT  see forward
//
// layout    x, dx: [n, h, w, CLASSES]; labels i32, lse, saved (the lse), loss: [n, height, width];
//           weight [CLASSES]
// bindings  forward: x, labels, weight read, lse, sums (vec2f) write; losses: x, labels read, loss write;
//           backward: x, labels, weight, saved read, corners write; gather: parts, dloss [1], factor [1] read, dx write
// params    n, h, w; height, width: below 65536; position of the first output row or column on those of x, and the
//           distance to the next, in fixed point, value = whole + fraction / 2^32:
//           origin_y_whole, origin_y_fraction, step_y_whole, step_y_fraction,
//           origin_x_whole, origin_x_fraction, step_x_whole, step_x_fraction
// dispatch  forward: one invocation per output row and column of cells, n*height*(w+1); losses: one per output;
//           backward: one per cell and 4 classes, n*(h+1)*(w+1)*ceil(CLASSES/4); gather: one per pixel of x and 4
//           classes, n*h*w*ceil(CLASSES/4); ceil(invocations / 64) workgroups, folded over y beyond 65535

override CLASSES: u32;
override IGNORE: i32;
override SMOOTHING: f32 = 0.0;
override WEIGHTED: bool = false;
override BY_COUNT: bool = false;
override CHUNKS: u32 = (CLASSES + 3u) / 4u; // groups of four classes

const PIXELS: u32 = 8u; // @tune 1 2 3 4 5 6 7 8

struct Params {
  n: u32,
  h: u32,
  w: u32,
  height: u32,
  width: u32,
  origin_y_whole: i32,
  origin_y_fraction: u32,
  step_y_whole: i32,
  step_y_fraction: u32,
  origin_x_whole: i32,
  origin_x_fraction: u32,
  step_x_whole: i32,
  step_x_fraction: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<vec2f>;
@group(0) @binding(4) var<storage, read> saved: array<f32>;
@group(0) @binding(5) var<storage, read_write> corners: array<f32>;
@group(0) @binding(6) var<storage, read> parts: array<f32>;
@group(0) @binding(7) var<storage, read> dloss: array<f32>;
@group(0) @binding(8) var<storage, read> factor: array<f32>;
@group(0) @binding(9) var<storage, read_write> dx: array<f32>;
@group(0) @binding(10) var<uniform> params: Params;
@group(0) @binding(11) var<storage, read> weight: array<f32>;
@group(0) @binding(12) var<storage, read_write> loss: array<f32>;

const UNIT = 1.0 / 4294967296.0;
// Stands for "nothing seen yet" and for classes beyond the last: finite, and its exponential is 0 in any pixel.
const LOWEST = -1e30;
// Of a pixel that does not count: no class has a share in it.
const VOID = 1e30;

/// A position along an axis of the input, whole + fraction / 2^32.
struct Position {
  whole: i32,
  fraction: u32,
}

struct Axis {
  origin: Position,
  step: Position,
  in_size: u32,
  out_size: u32,
}

fn rows() -> Axis {
  return Axis(
    Position(params.origin_y_whole, params.origin_y_fraction),
    Position(params.step_y_whole, params.step_y_fraction), params.h, params.height);
}

fn columns() -> Axis {
  return Axis(
    Position(params.origin_x_whole, params.origin_x_fraction),
    Position(params.step_x_whole, params.step_x_fraction), params.w, params.width);
}

fn plus(a: Position, b: Position) -> Position {
  let fraction = a.fraction + b.fraction;
  return Position(a.whole + b.whole + select(0, 1, fraction < a.fraction), fraction);
}

/// origin + i * step. The product of i and the fraction has more than 32 bits: it is taken in two halves.
fn position_of(axis: Axis, i: u32) -> Position {
  let upper = i * (axis.step.fraction >> 16u);
  let lower = i * (axis.step.fraction & 0xffffu);
  let product = plus(Position(i32(upper >> 16u), upper << 16u), Position(i32(i) * axis.step.whole, lower));
  return plus(axis.origin, product);
}

fn fraction_of(position: Position) -> f32 {
  return f32(position.fraction) * UNIT;
}

/// The first output in a row or column of cells: cell c lies between the inputs c - 1 and c.
fn first_of(axis: Axis, cell: u32) -> u32 {
  if (cell == 0u) { return 0u; }
  if (cell > axis.in_size) { return axis.out_size; }
  let whole = i32(cell) - 1;
  let size = f32(axis.step.whole) + fraction_of(axis.step);
  let distance = f32(whole - axis.origin.whole) - fraction_of(axis.origin);
  var i = 0u;
  if (size > 0.0) { i = u32(max(floor(distance / size) - 1.0, 0.0)); }
  var position = position_of(axis, i);
  while (i < axis.out_size && position.whole < whole) {
    position = plus(position, axis.step);
    i++;
  }
  return i;
}

/// Where the classes of the four corners of a cell start: upper left, upper right, lower left, lower right. Beyond the
/// border the nearest pixel stands for them.
fn corner_starts(image: u32, cell_y: u32, cell_x: u32) -> vec4u {
  let upper = (image * params.h + max(cell_y, 1u) - 1u) * params.w;
  let lower = (image * params.h + min(cell_y, params.h - 1u)) * params.w;
  let left = max(cell_x, 1u) - 1u;
  let right = min(cell_x, params.w - 1u);
  return vec4u(upper + left, upper + right, lower + left, lower + right) * CLASSES;
}

/// Four classes from k on of the input pixel whose classes start at `start`.
fn scores(start: u32, k: u32) -> vec4f {
  let at = start + select(vec4u(k), k + vec4u(0u, 1u, 2u, 3u), present(k));
  return select(vec4f(LOWEST), vec4f(x[at.x], x[at.y], x[at.z], x[at.w]), present(k));
}

/// Which of the four classes from k on exist.
fn present(k: u32) -> vec4<bool> {
  return k + vec4u(0u, 1u, 2u, 3u) < vec4u(CLASSES);
}

/// The label of an output, -1 where it is IGNORE.
fn label_of(output: u32) -> i32 {
  let label = labels[output];
  return select(label, -1, label == IGNORE);
}

fn counts(label: i32) -> bool {
  return label >= 0 && label < i32(CLASSES);
}

fn weight_of(label: i32) -> f32 {
  if (WEIGHTED) { return weight[label]; }
  return 1.0;
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  let line = index / (params.w + 1u);
  let cell = index - line * (params.w + 1u);
  let image = line / params.height;
  if (image >= params.n) { return; }

  let y = position_of(rows(), line - image * params.height);
  let ty = fraction_of(y);
  let corner = corner_starts(image, u32(y.whole + 1), cell);
  let end = first_of(columns(), cell + 1u);
  var total = vec2f();
  for (var first = first_of(columns(), cell); first < end; first += PIXELS) {
    var t: array<f32, PIXELS>;
    var top: array<f32, PIXELS>;
    var sum: array<f32, PIXELS>;
    var own: array<f32, PIXELS>;
    var all: array<f32, PIXELS>;
    var label: array<i32, PIXELS>;
    var position = position_of(columns(), first);
    for (var p = 0u; p < PIXELS; p++) {
      t[p] = fraction_of(position);
      position = plus(position, columns().step);
      top[p] = LOWEST;
      sum[p] = 0.0;
      own[p] = 0.0;
      all[p] = 0.0;
      label[p] = -1;
      if (first + p < end) { label[p] = label_of(line * params.width + first + p); }
    }
    for (var k = 0u; k < CLASSES; k += 4u) {
      let low = mix(scores(corner[0], k), scores(corner[2], k), ty);
      let rise = mix(scores(corner[1], k), scores(corner[3], k), ty) - low;
      for (var p = 0u; p < PIXELS; p++) {
        let z = low + t[p] * rise;
        let higher = max(max(top[p], max(z.x, z.y)), max(z.z, z.w));
        let e = exp(z - higher);
        sum[p] = sum[p] * exp(top[p] - higher) + (e.x + e.y + e.z + e.w);
        top[p] = higher;
        let mine = vec4i(label[p] - i32(k)) == vec4i(0, 1, 2, 3);
        own[p] = select(select(select(select(own[p], z.x, mine.x), z.y, mine.y), z.z, mine.z), z.w, mine.w);
        if (SMOOTHING > 0.0) { all[p] += dot(select(vec4f(), z, present(k)), vec4f(1.0)); }
      }
    }
    for (var p = 0u; p < PIXELS; p++) {
      if (first + p < end) {
        let at = line * params.width + first + p;
        if (counts(label[p])) {
          let logSum = log(sum[p]);
          let w = weight_of(label[p]);
          var value = logSum - (own[p] - top[p]);
          if (SMOOTHING > 0.0) {
            value = (1.0 - SMOOTHING) * value + SMOOTHING * (logSum - (all[p] / f32(CLASSES) - top[p]));
          }
          total += vec2f(w * value, select(w, 1.0, BY_COUNT));
          lse[at] = top[p] + logSum;
        } else {
          lse[at] = VOID;
        }
      }
    }
  }
  sums[index] = total;
}

@compute @workgroup_size(64)
fn losses(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  let line = index / params.width;
  let image = line / params.height;
  if (image >= params.n) { return; }
  let label = label_of(index);
  if (!counts(label)) {
    loss[index] = 0.0;
    return;
  }
  let y = position_of(rows(), line - image * params.height);
  let t = position_of(columns(), index - line * params.width);
  let corner = corner_starts(image, u32(y.whole + 1), u32(t.whole + 1));
  let ty = fraction_of(y);
  var top = LOWEST;
  var sum = 0.0;
  var own = 0.0;
  for (var k = 0u; k < CLASSES; k += 4u) {
    let low = mix(scores(corner[0], k), scores(corner[2], k), ty);
    let rise = mix(scores(corner[1], k), scores(corner[3], k), ty) - low;
    let z = low + fraction_of(t) * rise;
    let higher = max(max(top, max(z.x, z.y)), max(z.z, z.w));
    let e = exp(z - higher);
    sum = sum * exp(top - higher) + (e.x + e.y + e.z + e.w);
    top = higher;
    let mine = vec4i(label - i32(k)) == vec4i(0, 1, 2, 3);
    own += dot(select(vec4f(), z, mine), vec4f(1.0));
  }
  loss[index] = log(sum) - (own - top);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  let cell = index / CHUNKS;
  let k = (index - cell * CHUNKS) * 4u;
  let line = cell / (params.w + 1u);
  let cell_x = cell - line * (params.w + 1u);
  let image = line / (params.h + 1u);
  let cell_y = line - image * (params.h + 1u);
  if (image >= params.n) { return; }

  let corner = corner_starts(image, cell_y, cell_x);
  let upper_left = scores(corner[0], k);
  let upper_right = scores(corner[1], k);
  let lower_left = scores(corner[2], k);
  let lower_right = scores(corner[3], k);
  var d_upper_left = vec4f();
  var d_upper_right = vec4f();
  var d_lower_left = vec4f();
  var d_lower_right = vec4f();
  let first = first_of(columns(), cell_x);
  let end = first_of(columns(), cell_x + 1u);
  let first_position = position_of(columns(), first);
  let first_row = first_of(rows(), cell_y);
  let end_row = first_of(rows(), cell_y + 1u);
  var y = position_of(rows(), first_row);
  for (var row = first_row; row < end_row; row++) {
    let ty = fraction_of(y);
    y = plus(y, rows().step);
    let low = mix(upper_left, lower_left, ty);
    let rise = mix(upper_right, lower_right, ty) - low;
    var d_left = vec4f();
    var d_right = vec4f();
    var position = first_position;
    let start = (image * params.height + row) * params.width;
    for (var column = first; column < end; column++) {
      let t = fraction_of(position);
      position = plus(position, columns().step);
      let label = label_of(start + column);
      let mine = vec4i(label - i32(k)) == vec4i(0, 1, 2, 3);
      var g = exp(low + t * rise - saved[start + column]) - select(vec4f(), vec4f(1.0 - SMOOTHING), mine);
      if ((SMOOTHING > 0.0 || WEIGHTED) && counts(label)) {
        g = weight_of(label) * (g - SMOOTHING / f32(CLASSES));
      }
      d_left += g;
      d_right += t * g;
    }
    d_left -= d_right;
    d_upper_left += d_left - ty * d_left;
    d_lower_left += ty * d_left;
    d_upper_right += d_right - ty * d_right;
    d_lower_right += ty * d_right;
  }
  if (cell_y == 0u) {
    d_lower_left += d_upper_left;
    d_lower_right += d_upper_right;
  }
  if (cell_y == params.h) {
    d_upper_left += d_lower_left;
    d_upper_right += d_lower_right;
  }
  if (cell_x == 0u) {
    d_upper_right += d_upper_left;
    d_lower_right += d_lower_left;
  }
  if (cell_x == params.w) {
    d_upper_left += d_upper_right;
    d_lower_left += d_lower_right;
  }
  for (var j = 0u; j < 4u; j++) {
    if (k + j < CLASSES) {
      let at = cell * 4u * CLASSES + k + j;
      corners[at] = d_upper_left[j];
      corners[at + CLASSES] = d_upper_right[j];
      corners[at + 2u * CLASSES] = d_lower_left[j];
      corners[at + 3u * CLASSES] = d_lower_right[j];
    }
  }
}

@compute @workgroup_size(64)
fn gather(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  let pixel = index / CHUNKS;
  let line = pixel / params.w;
  let image = line / params.h;
  if (image >= params.n) { return; }
  let scale = dloss[0] * factor[0];
  // The cell above and to the left of the pixel: every row has one cell more than pixels, every image one row.
  let cell = (line + image) * (params.w + 1u) + pixel - line * params.w;
  let begin = (index - pixel * CHUNKS) * 4u;
  for (var k = begin; k < min(begin + 4u, CLASSES); k++) {
    let here = cell * 4u * CLASSES + k;
    let below = here + (params.w + 1u) * 4u * CLASSES;
    let upper = parts[here + 3u * CLASSES] + parts[here + 6u * CLASSES];
    let lower = parts[below + CLASSES] + parts[below + 4u * CLASSES];
    dx[pixel * CLASSES + k] = scale * (upper + lower);
  }
}
