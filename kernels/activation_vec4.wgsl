// activation_vec4: what activation.wgsl computes, four neighbouring elements at a time: twice as fast on CPU adapters.
//
// Formulas, bindings and overrides as in activation.wgsl, with vec4f for f32.
//
// params    count: number of vectors
// VECTORS   that one invocation takes: on a CPU adapter starting one costs more than a vector
// dispatch  one invocation per VECTORS vectors: ceil(ceil(count / VECTORS) / 64) workgroups, folded over y beyond 65535

const VECTORS: u32 = 2u; // @tune 2 16
override OP: u32;
override SLOPE: f32 = 0.0;

struct Params {
  count: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = VECTORS * (id.x + id.y * groups.x * 64u);
  for (var i = first; i < min(first + VECTORS, params.count); i++) {
    let value = x[i];
    let negative = select(vec4f(), SLOPE * value, OP == 1u); // not value * 0: infinity must become 0
    y[i] = select(value, negative, value <= vec4f()); // NaN is not <= 0 and stays
  }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = VECTORS * (id.x + id.y * groups.x * 64u);
  for (var i = first; i < min(first + VECTORS, params.count); i++) {
    let slope = select(0.0, SLOPE, OP == 1u);
    dx[i] = dy[i] * select(vec4f(1.0), vec4f(slope), x[i] <= vec4f());
  }
}
