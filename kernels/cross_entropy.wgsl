// cross_entropy: loss of rows of class scores against integer labels, and its gradient
// (torch.nn.functional.cross_entropy and nll_loss).
//
// Of a row r with label t, log-probabilities p_k = x_k - log(sum_j exp x_j) and class weights w:
//   loss(r) = -(1 - SMOOTHING) * w_t * p_t - SMOOTHING / CLASSES * sum_k w_k p_k,   weight(r) = w_t
// A label that is IGNORE, or no class at all, gives loss and weight 0.
//
// losses    loss[r] = loss(r)                                                               (reduction "none")
// partials  sums[i] = (loss, weight) summed in order over `rowsPer` rows from i * rowsPer on
// backward  dx = factor * dloss[0] * d loss(r)/dx; PER_ROW (reduction "none"): dx = dloss[r] * d loss(r)/dx.
//           `factor` is what cross_entropy_mean.wgsl leaves after adding up the sums.
//
// losses and partials leave in stats[r] the largest score and the logarithm of the sum of exponentials relative to it.
// Kept apart, because their sum would round away the differences that count where scores are large.
//
// CLASSES    scores per row
// IGNORE     label that does not count
// SMOOTHING  label smoothing, 0..1
// WEIGHTED   whether `weight` is read; where it is not, the weights are 1 and any buffer may stand there
// LOG_PROBS  x holds log-probabilities already: nll_loss. Needs SMOOTHING 0.
// PER_ROW    in backward: see there; `factor` is not read and any buffer may stand there
//
// bindings  x [rows][CLASSES], labels i32 [rows], weight [CLASSES]: read; stats vec2f [rows]: write;
//           loss [rows], sums vec2f [ceil(rows / rowsPer)], dx like x: write; for backward, saved (the stats),
//           dloss [1] or [rows], factor [1]: read
// params    rows; rowsPer: read by partials only
// dispatch  losses, backward: one invocation per row; partials: one per rowsPer rows; ceil(invocations / 64)
//           workgroups, folded over y beyond 65535

override CLASSES: u32;
override IGNORE: i32;
override SMOOTHING: f32 = 0.0;
override WEIGHTED: bool = false;
override LOG_PROBS: bool = false;
override PER_ROW: bool = false;

struct Params {
  rows: u32,
  rowsPer: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(5) var<storage, read_write> sums: array<vec2f>;
@group(0) @binding(6) var<storage, read> dloss: array<f32>;
@group(0) @binding(7) var<storage, read> factor: array<f32>;
@group(0) @binding(8) var<storage, read_write> dx: array<f32>;
@group(0) @binding(9) var<storage, read> saved: array<vec2f>;
@group(0) @binding(10) var<uniform> params: Params;

// Stands for "nothing seen yet". Finite, so that no difference with it is NaN; its exponential is 0 in any row.
const LOWEST = -3.4028234e38;

fn counts(label: i32) -> bool {
  return label != IGNORE && label >= 0 && label < i32(CLASSES);
}

fn classWeight(k: u32) -> f32 {
  if (WEIGHTED) { return weight[k]; }
  return 1.0;
}

// Largest score and log-sum-exp relative to it, each score read once: the sum is rescaled where a larger one turns up.
fn rowStats(start: u32) -> vec2f {
  if (LOG_PROBS) { return vec2f(); }
  var top = LOWEST;
  var sum = 0.0;
  for (var k = 0u; k < CLASSES; k += 4u) {
    let place = vec4u(k, k + 1u, k + 2u, k + 3u);
    let present = place < vec4u(CLASSES);
    let at = start + select(vec4u(k), place, present); // absent: the first again, which changes no maximum
    let v = vec4f(x[at.x], x[at.y], x[at.z], x[at.w]);
    let higher = max(max(top, max(v.x, v.y)), max(v.z, v.w));
    let e = select(vec4f(), exp(v - higher), present);
    sum = sum * exp(top - higher) + (e.x + e.y + e.z + e.w);
    top = higher;
  }
  return vec2f(top, log(sum));
}

// (loss, weight) of one row; leaves its stats behind.
fn rowLoss(row: u32) -> vec2f {
  let label = labels[row];
  if (!counts(label)) {
    stats[row] = vec2f();
    return vec2f();
  }
  let start = row * CLASSES;
  let found = rowStats(start);
  stats[row] = found;
  let t = u32(label);
  let w = classWeight(t);
  var value = (1.0 - SMOOTHING) * w * (found.y - (x[start + t] - found.x));
  if (SMOOTHING > 0.0) {
    var spread = 0.0;
    for (var k = 0u; k < CLASSES; k++) {
      spread += classWeight(k) * (found.y - (x[start + k] - found.x));
    }
    value += SMOOTHING / f32(CLASSES) * spread;
  }
  return vec2f(value, w);
}

@compute @workgroup_size(64)
fn losses(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * groups.x * 64u;
  if (row >= params.rows) { return; }
  loss[row] = rowLoss(row).x;
}

@compute @workgroup_size(64)
fn partials(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let part = id.x + id.y * groups.x * 64u;
  let first = part * params.rowsPer;
  if (first >= params.rows) { return; }
  var total = vec2f();
  for (var row = first; row < min(first + params.rowsPer, params.rows); row++) {
    total += rowLoss(row);
  }
  sums[part] = total;
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * groups.x * 64u;
  if (row >= params.rows) { return; }
  let start = row * CLASSES;
  let label = labels[row];
  if (!counts(label)) {
    for (var k = 0u; k < CLASSES; k++) { dx[start + k] = 0.0; }
    return;
  }
  var scale = 0.0;
  if (PER_ROW) { scale = dloss[row]; } else { scale = dloss[0] * factor[0]; }
  let t = u32(label);
  let hard = (1.0 - SMOOTHING) * classWeight(t);
  if (LOG_PROBS) {
    for (var k = 0u; k < CLASSES; k++) { dx[start + k] = select(0.0, -scale * hard, k == t); }
    return;
  }
  let soft = SMOOTHING / f32(CLASSES);
  var mass = hard; // what the probabilities are multiplied with: all weights that the row's targets carry together
  if (SMOOTHING > 0.0) {
    for (var k = 0u; k < CLASSES; k++) { mass += soft * classWeight(k); }
  }
  let found = saved[row];
  for (var k = 0u; k < CLASSES; k++) {
    var g = mass * exp(x[start + k] - found.x - found.y) - select(0.0, hard, k == t);
    if (SMOOTHING > 0.0) { g -= soft * classWeight(k); }
    dx[start + k] = scale * g;
  }
}
