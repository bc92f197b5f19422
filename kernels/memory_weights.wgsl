// memory_weights: how much every feature vector of the low-resolution grid counts in the update of every memory slot.
//
// A memory update averages, per slot, the feature vectors f_p of the label pixels p that belong to it, where f_p is the
// grid resized bilinearly to the labels' size (torch.nn.functional.interpolate). That resize is linear,
// f_p = sum_a b_pa g_a over the four taps a of p, so the average over pixels is one over cells:
// sum_p d_p f_p = sum_q weights[row, q] g_q with
//
//   weights[row, q] = sum over the pixels p of this row of b_pq d_p          (weighted by distance)
//   counts[row, q]  = the same with every d_p = 1                            (plain)
//
// and nothing of the labels' size with a channel axis ever exists. With COSINE the distance of a pixel is
//   d_p = max(0, 1 - f_p . M_row / (max(|f_p|, eps) max(|M_row|, eps))),  eps = 1e-8  (torch: 1 - cosine_similarity)
// where f_p . M_row = sum_a b_pa dots[a, row], and |f_p|^2 is a quadratic form of b_p: see `gram` in memory_norms.wgsl.
//
// A pixel belongs to the first empty slot of its class if there is one (with d_p = 1), else to the slot with the
// largest cosine, the first of equals. Pixels labelled ignore_index or outside 0 .. CLASSES - 1 belong to none, nor do,
// with SKIP_ZERO, those of |f_p| < 1e-6.
//
// Both outputs are added to: clear them first, then dispatch once for each of the four values of (row_parity,
// column_parity). One invocation takes all pixels between four neighbouring cells and adds to those four; cells of one
// parity are two apart, so no two invocations of a dispatch meet, and every sum has a fixed order without atomics.
//
// layouts   labels [images, label_h, label_w]; dots [cells, CLASSES * SLOTS]; gram [cells, 5]; norms [CLASSES * SLOTS];
//           weights, counts [CLASSES * SLOTS, cells]; cells q = (image * h + i) * w + j
//           dots are not read without COSINE, gram is not without COSINE or SKIP_ZERO
// overrides CLASSES; SLOTS: slots per class; COSINE: weigh by distance; SKIP_ZERO: leave out pixels without features
// params    images, h, w, label_h, label_w, ignore_index, row_parity, column_parity: as above
//           y_step, y_start, y_unit: label row y lies at max(y_step * y + y_start, 0) / y_unit cells, in exact integers
//           because rounded positions would move pixels between cells; x_step, x_start, x_unit: the same for columns
// dispatch  one invocation per cell whose row and column have the parities:
//           images * ceil((h - row_parity) / 2) * ceil((w - column_parity) / 2), workgroups of 64, folded over y
//           beyond 65535

override CLASSES: i32;
override SLOTS: i32;
override COSINE: bool;
override SKIP_ZERO: bool;

const EPS = 1e-8;
const LEAST_LENGTH = 1e-6;
const NO_ROW = -1;

struct Params {
  images: u32,
  h: u32,
  w: u32,
  label_h: u32,
  label_w: u32,
  y_step: i32,
  y_start: i32,
  y_unit: i32,
  x_step: i32,
  x_start: i32,
  x_unit: i32,
  ignore_index: i32,
  row_parity: u32,
  column_parity: u32,
}

@group(0) @binding(0) var<storage, read> labels: array<i32>;
@group(0) @binding(1) var<storage, read> dots: array<f32>;
@group(0) @binding(2) var<storage, read> gram: array<f32>;
@group(0) @binding(3) var<storage, read> norms: array<f32>;
@group(0) @binding(4) var<storage, read_write> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> counts: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

// The first label row (or column) whose source position is at or beyond `cell`.
fn first_pixel(cell: i32, step: i32, start: i32, unit: i32) -> i32 {
  if (cell == 0) { return 0; } // positions before it are clamped to it; and step is 0 only where there is no other
  return max(cell * unit - start + step - 1, 0) / step;
}

// How far a label row (or column) lies from `cell` towards the next one. Beyond the last cell both taps are that cell.
fn fraction(pixel: i32, cell: i32, cells: i32, step: i32, start: i32, unit: i32) -> f32 {
  let beyond = max(step * pixel + start, 0) - cell * unit;
  return select(f32(beyond) / f32(unit), 0.0, cell == cells - 1);
}

fn is_finite(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u; // comparisons with NaN may be optimised away
}

fn tap_dots(taps: vec4i, row: i32) -> vec4f {
  let at = taps * (CLASSES * SLOTS) + row;
  return vec4f(dots[at.x], dots[at.y], dots[at.z], dots[at.w]);
}

fn tap_products(taps: vec4i) -> mat4x4f {
  let at = 5 * taps;
  let right = gram[at.x + 1];
  let down = gram[at.x + 2];
  let diagonal = gram[at.x + 3];
  let anti_diagonal = gram[at.x + 4];
  let down_right = gram[at.y + 2];
  let right_down = gram[at.z + 1];
  return mat4x4f(
    gram[at.x], right, down, diagonal,
    right, gram[at.y], anti_diagonal, down_right,
    down, anti_diagonal, gram[at.z], right_down,
    diagonal, down_right, right_down, gram[at.w],
  );
}

// dot(mix, values) where a tap without weight does not matter, even if it is not a number.
fn mixed(mix: vec4f, values: vec4f) -> f32 {
  return dot(mix, select(vec4f(), values, mix > vec4f()));
}

fn row_of(label: i32, mix: vec4f, taps: vec4i) -> i32 {
  if (label == params.ignore_index || label < 0 || label >= CLASSES) { return NO_ROW; }
  let first = label * SLOTS;
  if (SLOTS == 1) { return first; }
  var best = first;
  var highest = -3.4e38;
  for (var row = first; row < first + SLOTS; row++) {
    let norm = norms[row];
    if (norm < 0.0) { return row; }
    let similarity = mixed(mix, tap_dots(taps, row)) / max(norm, EPS); // |f_p| is the same for all slots
    if (similarity > highest) {
      highest = similarity;
      best = row;
    }
  }
  return best;
}

// |f_p|^2, which is not finite where a vector with weight is not.
fn squared_length(mix: vec4f, products: mat4x4f) -> f32 {
  let squared = dot(mix, products * mix);
  if (is_finite(squared)) { return squared; }
  return mixed(mix, vec4f(
    mixed(mix, products[0]), mixed(mix, products[1]), mixed(mix, products[2]), mixed(mix, products[3]),
  ));
}

fn distance_of(mix: vec4f, row_dots: vec4f, row_norm: f32, products: mat4x4f) -> f32 {
  let squared = squared_length(mix, products);
  if (!is_finite(squared)) { return squared; } // max() below may turn NaN into 0, and the sums must show it
  var product = dot(mix, row_dots);
  if (!is_finite(product)) { product = mixed(mix, row_dots); }
  let length = sqrt(max(squared, 0.0));
  return max(1.0 - product / (max(length, EPS) * max(row_norm, EPS)), 0.0);
}

fn add(row: i32, taps: vec4i, weighted: vec4f, counted: vec4f) {
  if (row == NO_ROW) { return; }
  let first = row * i32(params.images * params.h * params.w);
  for (var a = 0; a < 4; a++) {
    weights[first + taps[a]] += weighted[a];
    counts[first + taps[a]] += counted[a];
  }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  let down = (params.h - params.row_parity + 1u) / 2u;
  let across = (params.w - params.column_parity + 1u) / 2u;
  if (index >= params.images * down * across) { return; }
  let h = i32(params.h);
  let w = i32(params.w);
  let i = i32(2u * (index / across % down) + params.row_parity);
  let j = i32(2u * (index % across) + params.column_parity);
  let image = i32(index / (across * down));

  let top = (image * h + i) * w;
  let bottom = (image * h + min(i + 1, h - 1)) * w;
  let next_j = min(j + 1, w - 1);
  let taps = vec4i(top + j, top + next_j, bottom + j, bottom + next_j);
  var products: mat4x4f;
  if (COSINE || SKIP_ZERO) { products = tap_products(taps); }

  let y_first = first_pixel(i, params.y_step, params.y_start, params.y_unit);
  let x_first = first_pixel(j, params.x_step, params.x_start, params.x_unit);
  var y_end = i32(params.label_h);
  var x_end = i32(params.label_w);
  if (i + 1 < h) { y_end = first_pixel(i + 1, params.y_step, params.y_start, params.y_unit); }
  if (j + 1 < w) { x_end = first_pixel(j + 1, params.x_step, params.x_start, params.x_unit); }

  // Neighbouring pixels mostly share a row: their sums stay in registers until it changes.
  var row = NO_ROW;
  var row_dots = vec4f();
  var row_norm = -1.0;
  var weighted = vec4f();
  var counted = vec4f();
  var y = y_first;
  var x = x_first;
  loop {
    let inside = y < y_end && x < x_end;
    var next = NO_ROW; // also behind the last pixel, so that the last row is added like the others
    var mix: vec4f;
    if (inside) {
      let v = fraction(y, i, h, params.y_step, params.y_start, params.y_unit);
      let u = fraction(x, j, w, params.x_step, params.x_start, params.x_unit);
      mix = vec4f((1.0 - v) * (1.0 - u), (1.0 - v) * u, v * (1.0 - u), v * u);
      next = row_of(labels[(image * i32(params.label_h) + y) * i32(params.label_w) + x], mix, taps);
      if (SKIP_ZERO && squared_length(mix, products) < LEAST_LENGTH * LEAST_LENGTH) { next = NO_ROW; }
    }
    if (next != row) {
      add(row, taps, weighted, counted);
      weighted = vec4f();
      counted = vec4f();
      row = next;
      if (row != NO_ROW) {
        row_norm = norms[row];
        if (COSINE) { row_dots = tap_dots(taps, row); }
      }
    }
    if (!inside) { break; }
    if (row != NO_ROW) {
      var distance = 1.0;
      if (COSINE && row_norm >= 0.0) { distance = distance_of(mix, row_dots, row_norm, products); }
      weighted += distance * mix;
      counted += mix;
    }
    x++;
    if (x == x_end) {
      x = x_first;
      y++;
    }
  }
}
