// memory_update: moves every memory slot towards what its pixels look like, from the sums of memory_gather.wgsl.
//
//   slot empty         updated = counted / n                                  the first look at the class: its mean
//   otherwise          updated = (1 - momentum) memory + momentum goal
//                      goal = weighted / Z, or counted / n where Z <= 1e-6 n
//   no pixel           unchanged; with DECAY (1 - momentum) memory, where the class has pixels and no empty slot
//   class refused      unchanged
//
// n and Z are the totals of counts and weights. Z / n is the mean of 1 - cosine over the pixels; at 1e-6 it is the
// rounding error of f32 cosines, and weights made of it would be noise (0 / 0 in the worst case).
//
// Unchanged slots are not written: `updated` has to start as a copy of `memory`.
//
// layouts   memory, updated [rows, CHANNELS]; norms [rows], negative for empty slots; weighted, counted
//           [slabs, rows, CHANNELS]; totals [slabs, rows, 2]; refused [rows / SLOTS]
// overrides CHANNELS; SLOTS: slots per class; DECAY
// params    rows; slabs; momentum: weight of the new value, 0 .. 1
// dispatch  one invocation per element of the memory, workgroups of 64, folded over y beyond 65535

override CHANNELS: u32;
override SLOTS: u32;
override DECAY: bool;

const LEAST_MEAN_WEIGHT = 1e-6;

struct Params {
  rows: u32,
  slabs: u32,
  momentum: f32,
}

@group(0) @binding(0) var<storage, read> memory: array<f32>;
@group(0) @binding(1) var<storage, read> norms: array<f32>;
@group(0) @binding(2) var<storage, read> weighted: array<f32>;
@group(0) @binding(3) var<storage, read> counted: array<f32>;
@group(0) @binding(4) var<storage, read> totals: array<f32>;
@group(0) @binding(5) var<storage, read> refused: array<u32>;
@group(0) @binding(6) var<storage, read_write> updated: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

fn count_of(row: u32) -> f32 {
  var count = 0.0;
  for (var slab = 0u; slab < params.slabs; slab++) { count += totals[2u * (slab * params.rows + row) + 1u]; }
  return count;
}

// Whether the class blended its slots in this update rather than being absent or filling an empty one.
fn blends(first_row: u32) -> bool {
  var present = false;
  var full = true;
  for (var row = first_row; row < first_row + SLOTS; row++) {
    present = present || count_of(row) > 0.0;
    full = full && norms[row] >= 0.0;
  }
  return present && full;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.rows * CHANNELS) { return; }
  let row = index / CHANNELS;
  if (refused[row / SLOTS] != 0u) { return; }
  let count = count_of(row);
  if (count == 0.0) {
    if (DECAY && blends(row / SLOTS * SLOTS)) { updated[index] = (1.0 - params.momentum) * memory[index]; }
    return;
  }

  var weight = 0.0;
  var weighted_sum = 0.0;
  var counted_sum = 0.0;
  for (var slab = 0u; slab < params.slabs; slab++) {
    let at = slab * params.rows + row;
    weight += totals[2u * at];
    weighted_sum += weighted[at * CHANNELS + index % CHANNELS];
    counted_sum += counted[at * CHANNELS + index % CHANNELS];
  }
  let mean = counted_sum / count;
  if (norms[row] < 0.0) {
    updated[index] = mean;
    return;
  }
  let goal = select(mean, weighted_sum / weight, weight > LEAST_MEAN_WEIGHT * count);
  updated[index] = (1.0 - params.momentum) * memory[index] + params.momentum * goal;
}
