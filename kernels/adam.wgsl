// adam: one step of Adam or AdamW, in place (torch.optim.Adam, torch.optim.AdamW).
//
//   g = grad + penalty * param
//   average          = beta1 * average          + share1 * g
//   averageOfSquares = beta2 * averageOfSquares + share2 * g * g
//   param = keep * param - stepSize * average / (sqrt(averageOfSquares) / root + eps)
//
// bindings  param, average, averageOfSquares: read and written; grad: read. No two of them may share memory.
// params    count: number of elements; beta1, beta2, eps; and what f32 would round away if made of those here, at step
//           t = 1, 2, ...: share1 = 1 - beta1, share2 = 1 - beta2, stepSize = lr / (1 - beta1^t),
//           root = sqrt(1 - beta2^t). Adam: penalty = weight decay, keep = 1; AdamW: penalty = 0,
//           keep = 1 - lr * weight decay
// dispatch  one invocation per 4 elements: ceil(ceil(count / 4) / 64) workgroups, folded over y beyond 65535

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

@group(0) @binding(0) var<storage, read_write> param: array<f32>;
@group(0) @binding(1) var<storage, read> grad: array<f32>;
@group(0) @binding(2) var<storage, read_write> average: array<f32>;
@group(0) @binding(3) var<storage, read_write> averageOfSquares: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let start = 4u * (id.x + id.y * groups.x * 64u);
  for (var i = start; i < min(start + 4u, params.count); i++) {
    let value = param[i];
    let g = grad[i] + params.penalty * value;
    let first = params.beta1 * average[i] + params.share1 * g;
    let second = params.beta2 * averageOfSquares[i] + params.share2 * g * g;
    average[i] = first;
    averageOfSquares[i] = second;
    param[i] = params.keep * value - params.stepSize * first / (sqrt(second) / params.root + params.eps);
  }
}
