// argmax: index of the largest element along the middle axis of x[outer][length][inner] (torch.argmax).
//
// The first of several equal maxima wins. NaN is larger than anything, and the first NaN wins.
//
// bindings  x: read; out: i32 [outer][inner], write
// params    count = outer * inner; length > 0
// dispatch  one invocation per output: ceil(count / 64) workgroups, folded over y beyond 65535

struct Params {
  count: u32,
  length: u32,
  inner: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<i32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  let start = index / params.inner * params.length * params.inner + index % params.inner;
  var best = 0u;
  var top = x[start];
  for (var j = 1u; j < params.length; j++) {
    let value = x[start + j * params.inner];
    // Not (value <= top) is true where either is NaN; a NaN that is on top already stays.
    if (!(value <= top) && top == top) {
      best = j;
      top = value;
    }
  }
  out[index] = i32(best);
}
