// confusion: counts pixels by label and prediction, confusion[label][prediction] += 1.
//
// Pixels whose label is IGNORE, or whose label or prediction is no class, are left out. Integer atomics: the order of the
// additions does not matter. Neighbouring pixels mostly agree, so runs of equal pairs are added as one.
//
// CLASSES   side of the matrix
// IGNORE    label that does not count
//
// bindings  prediction, label: i32 [count], read; confusion: u32 [CLASSES][CLASSES], read and written
// params    count: number of pixels
// dispatch  one invocation per 16 pixels: ceil(ceil(count / 16) / 64) workgroups, folded over y beyond 65535

override CLASSES: u32;
override IGNORE: i32;

struct Params {
  count: u32,
}

@group(0) @binding(0) var<storage, read> prediction: array<i32>;
@group(0) @binding(1) var<storage, read> label: array<i32>;
@group(0) @binding(2) var<storage, read_write> confusion: array<atomic<u32>>;
@group(0) @binding(3) var<uniform> params: Params;

fn isClass(k: i32) -> bool {
  return k >= 0 && k < i32(CLASSES);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = 16u * (id.x + id.y * groups.x * 64u);
  var cell = 0u;
  var run = 0u;
  for (var i = first; i < min(first + 16u, params.count); i++) {
    let truth = label[i];
    let guess = prediction[i];
    if (truth == IGNORE || !isClass(truth) || !isClass(guess)) { continue; }
    let next = u32(truth) * CLASSES + u32(guess);
    if (next != cell && run > 0u) {
      atomicAdd(&confusion[cell], run);
      run = 0u;
    }
    cell = next;
    run++;
  }
  if (run > 0u) { atomicAdd(&confusion[cell], run); }
}
