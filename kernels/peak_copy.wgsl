// peak_copy: to[i] = from[i] (torch.Tensor.copy_), the fastest way through memory, to compare other kernels with.
//
// bindings  source: read; copied: write; vec4f, as many in both
// params    count: vectors
// dispatch  one invocation per vector: ceil(count / 64) workgroups, folded over y beyond 65535

struct Params {
  count: u32,
}

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> copied: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i < params.count) { copied[i] = source[i]; }
}
