// adam_vec4: adam.wgsl for four neighbouring elements at a time, where their number is a multiple of 4.
//
// Formulas, bindings and params as there, with vec4f for f32; count: number of vectors.
//
// VECTORS   that one invocation takes: on a CPU adapter starting one costs more than a vector
// dispatch  one invocation per VECTORS vectors: ceil(ceil(count / VECTORS) / 64) workgroups, folded over y beyond 65535

const VECTORS: u32 = 2u; // @tune 2 16

struct Params {
  count: u32,
  beta1: f32,
  beta2: f32,
  share1: f32,
  share2: f32,
  stepSize: f32,
  root: f32,
  eps: f32,
  penalty: f32,
  keep: f32,
}

@group(0) @binding(0) var<storage, read_write> param: array<vec4f>;
@group(0) @binding(1) var<storage, read> grad: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> average: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> averageOfSquares: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let start = VECTORS * (id.x + id.y * groups.x * 64u);
  for (var i = start; i < min(start + VECTORS, params.count); i++) {
    let value = param[i];
    let g = grad[i] + params.penalty * value;
    let first = params.beta1 * average[i] + params.share1 * g;
    let second = params.beta2 * averageOfSquares[i] + params.share2 * g * g;
    average[i] = first;
    averageOfSquares[i] = second;
    param[i] = params.keep * value - params.stepSize * first / (sqrt(second) / params.root + params.eps);
  }
}
