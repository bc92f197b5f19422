// sgd: one step of stochastic gradient descent, in place (torch.optim.SGD).
//
//   d = grad + weightDecay * param
//   plain       param -= lr * d
//   momentum    buffer = d on the first step, otherwise momentum * buffer + (1 - dampening) * d
//               param -= lr * (NESTEROV ? d + momentum * buffer : buffer)
//
// bindings  param, buffer: read and written; grad: read. No two of them may share memory.
// params    count: number of elements; first: 1 where the buffer has no content yet
// dispatch  one invocation per 4 elements: ceil(ceil(count / 4) / 64) workgroups, folded over y beyond 65535

override NESTEROV: bool = false;

struct Params {
  count: u32,
  lr: f32,
  weightDecay: f32,
  momentum: f32,
  dampening: f32,
  first: u32,
}

@group(0) @binding(0) var<storage, read_write> param: array<f32>;
@group(0) @binding(1) var<storage, read> grad: array<f32>;
@group(0) @binding(2) var<storage, read_write> buffer: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn plain(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let start = 4u * (id.x + id.y * groups.x * 64u);
  for (var i = start; i < min(start + 4u, params.count); i++) {
    let value = param[i];
    param[i] = value - params.lr * (grad[i] + params.weightDecay * value);
  }
}

@compute @workgroup_size(64)
fn momentum(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let start = 4u * (id.x + id.y * groups.x * 64u);
  for (var i = start; i < min(start + 4u, params.count); i++) {
    let value = param[i];
    let d = grad[i] + params.weightDecay * value;
    var velocity = d;
    if (params.first == 0u) { velocity = params.momentum * buffer[i] + (1.0 - params.dampening) * d; }
    buffer[i] = velocity;
    param[i] = value - params.lr * select(velocity, d + params.momentum * velocity, NESTEROV);
  }
}
