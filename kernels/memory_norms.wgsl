// memory_norms: the lengths that the cosine similarities of a memory update are made of (see memory_weights.wgsl).
//
// slots           norms[r] = |memory[r, :]|, or -1 where the slot is empty, that is, where all its values are 0
// gram_products   the inner products from which the length of ANY bilinear mixture of neighbouring feature vectors
//                 follows without mixing the vectors: |sum_a b_a g_a|^2 = sum_ab b_a b_b (g_a . g_b). Per cell g_ij:
//                   gram[5 q + 0] = g_ij . g_ij         itself
//                   gram[5 q + 1] = g_ij . g_i,j+1      right
//                   gram[5 q + 2] = g_ij . g_i+1,j      down
//                   gram[5 q + 3] = g_ij . g_i+1,j+1    diagonal
//                   gram[5 q + 4] = g_i,j+1 . g_i+1,j   anti-diagonal
//                 0 where a neighbour lies outside the grid
//
// layouts   memory [rows, CHANNELS], features [images, h, w, CHANNELS], cells q = (image * h + i) * w + j
// overrides CHANNELS: length of a vector
// params    rows: slots of all classes; cells: images * h * w; h, w
// dispatch  slots: one invocation per row; gram_products: one per cell; workgroups of 64, folded over y beyond 65535

override CHANNELS: u32;

struct Params {
  rows: u32,
  cells: u32,
  h: u32,
  w: u32,
}

@group(0) @binding(0) var<storage, read> memory: array<f32>;
@group(0) @binding(1) var<storage, read> features: array<f32>;
@group(0) @binding(2) var<storage, read_write> norms: array<f32>;
@group(0) @binding(3) var<storage, read_write> gram: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn slots(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * groups.x * 64u;
  if (row >= params.rows) { return; }
  var squares = 0.0;
  var empty = true;
  for (var c = 0u; c < CHANNELS; c++) {
    let value = memory[row * CHANNELS + c];
    squares += value * value;
    empty = empty && value == 0.0; // not the sum of squares, which underflows long before the values do
  }
  norms[row] = select(sqrt(squares), -1.0, empty);
}

@compute @workgroup_size(64)
fn gram_products(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let cell = id.x + id.y * groups.x * 64u;
  if (cell >= params.cells) { return; }
  let has_right = cell % params.w + 1u < params.w;
  let has_down = (cell / params.w) % params.h + 1u < params.h;
  let step_right = select(0u, CHANNELS, has_right);
  let step_down = select(0u, params.w * CHANNELS, has_down);
  let first = cell * CHANNELS;

  var itself = 0.0;
  var right = 0.0;
  var down = 0.0;
  var diagonal = 0.0;
  var anti_diagonal = 0.0;
  for (var at = first; at < first + CHANNELS; at++) {
    let own = features[at];
    let at_right = features[at + step_right];
    let at_down = features[at + step_down];
    itself += own * own;
    right += own * at_right;
    down += own * at_down;
    diagonal += own * features[at + step_right + step_down];
    anti_diagonal += at_right * at_down;
  }
  gram[5u * cell] = itself;
  gram[5u * cell + 1u] = select(0.0, right, has_right);
  gram[5u * cell + 2u] = select(0.0, down, has_down);
  gram[5u * cell + 3u] = select(0.0, diagonal, has_right && has_down);
  gram[5u * cell + 4u] = select(0.0, anti_diagonal, has_right && has_down);
}
