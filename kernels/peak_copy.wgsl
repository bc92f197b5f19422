// peak_copy: copied[i] = source[i] (torch.Tensor.copy_), the fastest way of a kernel through memory, to compare other
// kernels with.
//
// bindings  source: read; copied: write; vec4f, as many in both
// params    count: vectors
// dispatch  any number of workgroups of 64, in x; the invocations take turns, so that neighbours copy neighbours

struct Params {
  count: u32,
}

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> copied: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < params.count; i += groups.x * 64u) { copied[i] = source[i]; }
}
