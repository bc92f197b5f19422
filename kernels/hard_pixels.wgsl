// hard_pixels: keeps the labels of the pixels with the largest losses and makes all others IGNORE (online hard example
// mining: OHEMPixelSampler of the official code, which sorts probabilities p; here loss = -log p).
//
// The pixels that count, those whose label is a class and not IGNORE, stand in the order of falling loss, equal ones in
// that of their positions. `pivot` is the one that `rank` others precede, or the last. Kept are
//   LARGEST     the pivot and those before it
//   otherwise   those whose loss exceeds `least` or that of the pivot (with `least` = -log thresh: p < thresh, or p
//               less than the pivot's)
//
// Nothing is sorted: the pivot's key, the inverted bits of its loss followed by its position, is found 8 bits at a
// time. For round = 0 .. 7 (without LARGEST 0 .. 3: positions do not matter) dispatch
//   histogram   bins[d] += pixels that agree with the key so far and go on with the digit d. Integer atomics: the order
//               of the additions does not matter.
//   narrow      appends the digit of the pivot to the key and clears the bins
// and then `keep`. Losses that are not a number count as the largest.
//
// CLASSES   labels 0 .. CLASSES - 1 are classes
// IGNORE    label that does not count
//
// bindings  losses f32 [count], none of them negative but by rounding, labels i32 [count]: read; kept i32 [count]:
//           write; bins u32 [256], key u32 [3] (inverted bits of the loss, position, pixels before the pivot that agree
//           with both): read and written, all 0 at first; found (the key): read
// params    count: pixels; round: see above; rank; least: read by keep only
// dispatch  histogram: one invocation per 16 pixels in workgroups of 256, keep: one per pixel in workgroups of 64,
//           folded over y beyond 65535; narrow: one workgroup of 256

override CLASSES: i32;
override IGNORE: i32;
override LARGEST: bool;

const SHARE = 16u;

struct Params {
  count: u32,
  round: u32,
  rank: u32,
  least: f32,
}

@group(0) @binding(0) var<storage, read> losses: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read_write> bins: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> key: array<u32>;
@group(0) @binding(4) var<storage, read> found: array<u32>;
@group(0) @binding(5) var<storage, read_write> kept: array<i32>;
@group(0) @binding(6) var<uniform> params: Params;

var<workgroup> shared_bins: array<atomic<u32>, 256>;
var<workgroup> totals: array<u32, 256>;

fn counts(label: i32) -> bool {
  return label != IGNORE && label >= 0 && label < CLASSES;
}

// As integers the bits of numbers that are not negative have their order, and what is no number comes last.
fn bits_of(loss: f32) -> u32 {
  return bitcast<u32>(select(loss, 0.0, loss < 0.0));
}

// The digit of a pixel in this round, or 256 where it has left the way to the pivot.
fn digit_of(pixel: u32) -> u32 {
  if (!counts(labels[pixel])) { return 256u; }
  let inverted = ~bits_of(losses[pixel]);
  let place = params.round % 4u;
  var word = inverted;
  var path = key[0];
  if (params.round >= 4u) {
    if (inverted != key[0]) { return 256u; }
    word = pixel;
    path = key[1];
  }
  let shift = 24u - 8u * place;
  if (place > 0u && (word >> (shift + 8u)) != path) { return 256u; }
  return (word >> shift) & 255u;
}

@compute @workgroup_size(256)
fn histogram(
  @builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = SHARE * (id.x + id.y * groups.x * 256u);
  for (var i = first; i < min(first + SHARE, params.count); i++) {
    let digit = digit_of(i);
    if (digit < 256u) { atomicAdd(&shared_bins[digit], 1u); }
  }
  workgroupBarrier();
  let mine = atomicLoad(&shared_bins[lane]);
  if (mine > 0u) { atomicAdd(&bins[lane], mine); }
}

@compute @workgroup_size(256)
fn narrow(@builtin(local_invocation_index) lane: u32) {
  totals[lane] = atomicLoad(&bins[lane]);
  atomicStore(&bins[lane], 0u);
  workgroupBarrier();
  if (lane != 0u) { return; }
  var before = key[2];
  if (params.round == 0u) {
    var count = 0u;
    for (var d = 0u; d < 256u; d++) { count += totals[d]; }
    before = min(params.rank, max(count, 1u) - 1u);
  }
  var digit = 0u;
  while (digit < 255u && before >= totals[digit]) {
    before -= totals[digit];
    digit++;
  }
  let word = params.round / 4u;
  key[word] = (key[word] << 8u) | digit;
  key[2] = before;
}

@compute @workgroup_size(64)
fn keep(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let pixel = id.x + id.y * groups.x * 64u;
  if (pixel >= params.count) { return; }
  let bits = bits_of(losses[pixel]);
  let pivot = ~found[0];
  var chosen = bits > min(pivot, bitcast<u32>(params.least));
  if (LARGEST) { chosen = bits > pivot || (bits == pivot && pixel <= found[1]); }
  kept[pixel] = select(IGNORE, labels[pixel], chosen && counts(labels[pixel]));
}
