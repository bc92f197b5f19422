// sgd_vec4: sgd.wgsl for four neighbouring elements at a time, where their number is a multiple of 4.
//
// Formulas, bindings, overrides and params as there, with vec4f for f32; count: number of vectors.
//
// VECTORS   that one invocation takes: on a CPU adapter starting one costs more than a vector
// dispatch  one invocation per VECTORS vectors: ceil(ceil(count / VECTORS) / 64) workgroups, folded over y beyond 65535

const VECTORS: u32 = 2u; // @tune 2 16
override NESTEROV: bool = false;

struct Params {
  count: u32,
  lr: f32,
  weightDecay: f32,
  momentum: f32,
  dampening: f32,
  first: u32,
}

@group(0) @binding(0) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(1) var<storage, read> grad: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> buffer: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn plain(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let start = VECTORS * (id.x + id.y * groups.x * 64u);
  for (var i = start; i < min(start + VECTORS, params.count); i++) {
    let value = param[i];
    param[i] = value - params.lr * (grad[i] + params.weightDecay * value);
  }
}

@compute @workgroup_size(64)
fn momentum(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let start = VECTORS * (id.x + id.y * groups.x * 64u);
  for (var i = start; i < min(start + VECTORS, params.count); i++) {
    let value = param[i];
    let d = grad[i] + params.weightDecay * value;
    var velocity = d;
    if (params.first == 0u) { velocity = params.momentum * buffer[i] + (1.0 - params.dampening) * d; }
    buffer[i] = velocity;
    param[i] = value - params.lr * select(velocity, d + params.momentum * velocity, NESTEROV);
  }
}
