// memory_gather: sums of feature vectors per memory slot, weighted as memory_weights.wgsl says. Over a slab of cells q
//
//   weighted[slab, row, :] = sum_q weights[row, q] features[q, :]      totals[slab, row, 0] = sum_q weights[row, q]
//   counted[slab, row, :]  = sum_q counts[row, q] features[q, :]       totals[slab, row, 1] = sum_q counts[row, q]
//
// A matrix product whose left side is nearly all zeros (a cell touches one or two classes): cells that do not count are
// not read, which also keeps a non-finite feature vector out of the classes it does not belong to. For those it does
// belong to, refused[class] is set to 1: clear it first. Slabs make the work parallel; whoever sums them keeps their
// order.
//
// layouts   weights, counts [ROWS, cells]; features [cells, CHANNELS]; weighted, counted [slabs, ROWS, CHANNELS];
//           totals [slabs, ROWS, 2]; refused [ROWS / SLOTS]
// overrides ROWS: slots of all classes; SLOTS: slots per class; CHANNELS
// params    cells; slab_cells: cells per slab, the last may have fewer; slabs
// dispatch  one invocation per slab, row and 8 channels: slabs * ROWS * ceil(CHANNELS / 8), workgroups of 64, folded
//           over y beyond 65535. An invocation's channels are ceil(CHANNELS / 8) apart: neighbours read neighbours.

override ROWS: u32;
override SLOTS: u32;
override CHANNELS: u32;

const PER_LANE = 8u;

struct Params {
  cells: u32,
  slab_cells: u32,
  slabs: u32,
}

@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read> counts: array<f32>;
@group(0) @binding(2) var<storage, read> features: array<f32>;
@group(0) @binding(3) var<storage, read_write> weighted: array<f32>;
@group(0) @binding(4) var<storage, read_write> counted: array<f32>;
@group(0) @binding(5) var<storage, read_write> totals: array<f32>;
@group(0) @binding(6) var<storage, read_write> refused: array<atomic<u32>>;
@group(0) @binding(7) var<uniform> params: Params;

fn is_finite(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u; // comparisons with NaN may be optimised away
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  let lanes = (CHANNELS + PER_LANE - 1u) / PER_LANE;
  if (index >= params.slabs * ROWS * lanes) { return; }
  let lane = index % lanes;
  let slab_row = index / lanes;
  let row = slab_row % ROWS;
  let first = slab_row / ROWS * params.slab_cells;

  var weight_total = 0.0;
  var count_total = 0.0;
  var weighted_sums: array<f32, PER_LANE>;
  var counted_sums: array<f32, PER_LANE>;
  for (var cell = first; cell < min(first + params.slab_cells, params.cells); cell++) {
    let count = counts[row * params.cells + cell];
    if (count == 0.0) { continue; }
    let weight = weights[row * params.cells + cell];
    weight_total += weight;
    count_total += count;
    for (var k = 0u; k < PER_LANE; k++) {
      let channel = lane + k * lanes;
      if (channel < CHANNELS) {
        let feature = features[cell * CHANNELS + channel];
        weighted_sums[k] += weight * feature;
        counted_sums[k] += count * feature;
      }
    }
  }

  var finite = is_finite(weight_total);
  for (var k = 0u; k < PER_LANE; k++) {
    let channel = lane + k * lanes;
    if (channel < CHANNELS) {
      weighted[slab_row * CHANNELS + channel] = weighted_sums[k];
      counted[slab_row * CHANNELS + channel] = counted_sums[k];
      finite = finite && is_finite(weighted_sums[k]) && is_finite(counted_sums[k]);
    }
  }
  if (lane == 0u) {
    totals[2u * slab_row] = weight_total;
    totals[2u * slab_row + 1u] = count_total;
  }
  if (!finite) { atomicOr(&refused[row / SLOTS], 1u); }
}
