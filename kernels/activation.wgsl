// activation: elementwise non-linearities and their gradients (torch.relu, torch.nn.functional.leaky_relu).
//
// forward   y[i] = f(x[i])
// backward  dx[i] = dy[i] * f'(x[i])
// OP        0 relu (gradient at 0 is 0)
//           1 leaky relu (gradient at 0 is SLOPE)
// SLOPE     negative slope of the leaky relu
//
// bindings  forward: x read, y write. backward: dy, x read, dx write. For both functions the sign of y is the sign
//           of x while SLOPE > 0, so backward may be given the output in the place of x.
// params    count: number of elements
// dispatch  one invocation per 4 elements: ceil(ceil(count / 4) / 64) workgroups, folded over y beyond 65535

override OP: u32;
override SLOPE: f32 = 0.0;

struct Params {
  count: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

fn slope(value: f32) -> f32 {
  return select(select(0.0, SLOPE, OP == 1u), 1.0, !(value <= 0.0)); // NaN counts as positive, as in PyTorch
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = 4u * (id.x + id.y * groups.x * 64u);
  for (var i = first; i < min(first + 4u, params.count); i++) {
    let value = x[i];
    // Not value * slope: NaN must stay NaN, and infinity must not become 0 * infinity.
    y[i] = select(select(0.0, SLOPE * value, OP == 1u), value, !(value <= 0.0));
  }
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = 4u * (id.x + id.y * groups.x * 64u);
  for (var i = first; i < min(first + 4u, params.count); i++) {
    dx[i] = dy[i] * slope(x[i]);
  }
}
