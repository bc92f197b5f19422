// add: out[i] = a[i] + b[i], f32 vectors of one length (torch.add without broadcasting).
// This is the sum that autograd takes where two gradients meet; broadcasting arithmetic is in elementwise.wgsl.
//
// bindings  a, b: read, out: write. out may not alias a or b.
// params    count: number of elements
// dispatch  one invocation per 4 elements: ceil(ceil(count / 4) / 64) workgroups, folded over y beyond 65535

struct Params {
  count: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = 4u * (id.x + id.y * groups.x * 64u);
  for (var i = first; i < min(first + 4u, params.count); i++) {
    out[i] = a[i] + b[i];
  }
}
