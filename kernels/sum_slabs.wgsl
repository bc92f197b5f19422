// sum_slabs: out = slabs[0] + slabs[1] + ..., in that order: the parts of a product whose inner dimension was split
// (torch.sum over the first axis).
//
// bindings  slabs: read, [slabs][4 * quads]; out: write, [4 * quads]
// params    quads: numbers of a slab, divided by 4; slabs: at least 1
// dispatch  one invocation per 4 numbers: ceil(quads / 64) workgroups, folded over y beyond 65535

struct Params {
  quads: u32,
  slabs: u32,
}

@group(0) @binding(0) var<storage, read> slabs: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.quads) { return; }
  var total = slabs[i];
  for (var s = 1u; s < params.slabs; s++) { total += slabs[s * params.quads + i]; }
  out[i] = total;
}
