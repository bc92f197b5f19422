// moments: mean and biased variance of `groups` sets of `members` numbers each, as normalisation layers need them
// (torch.var_mean(unbiased=False)). Member m of group g is x[g * group_stride + m * member_stride].
//
// partial          one block of a group -> (mean, sum of squared deviations from it)
// partial_vec4     the same for four neighbouring groups: group_stride 1, groups and member_stride multiples of 4
// combine          the blocks of a group, in order -> mean, variance
// combine_running  the same, and running += momentum * (batch - running) with the unbiased variance (BatchNorm)
//
// A block subtracts its own first value before it sums, so that a large mean costs no precision and a constant group
// has variance 0 exactly. Blocks are merged by the update of Chan, Golub and LeVeque, "Updating Formulae and a Pairwise
// Algorithm for Computing Sample Variances" (1979).
//
// bindings  partial: x read, partials_out write ([blocks, groups] of vec2f). partial_vec4: x4 read, partials_out write.
//           combine: partials read, mean and variance write ([groups]). combine_running: also running_mean and
//           running_var ([groups]) read and written
// params    groups, members, group_stride, member_stride as above; block: members per block, the last one may be
//           shorter; blocks: ceil(members / block); momentum: of combine_running
// dispatch  partial: one invocation per block and group, neighbours being groups: ceil(blocks * groups / 64)
//           workgroups; partial_vec4: a quarter of that. combine, combine_running: one invocation per group:
//           ceil(groups / 64). Folded over y beyond 65535

struct Params {
  groups: u32,
  members: u32,
  group_stride: u32,
  member_stride: u32,
  block: u32,
  blocks: u32,
  momentum: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> x4: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partials_out: array<vec2f>;
@group(0) @binding(3) var<storage, read> partials: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> variance: array<f32>;
@group(0) @binding(6) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(7) var<storage, read_write> running_var: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

@compute @workgroup_size(64)
fn partial(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * grid.x * 64u;
  if (i >= params.blocks * params.groups) { return; }
  let block = i / params.groups;
  let first = block * params.block;
  let count = min(params.block, params.members - first);
  var at = (i - block * params.groups) * params.group_stride + first * params.member_stride;
  let shift = x[at];
  var sum = 0.0;
  var squares = 0.0;
  for (var k = 1u; k < count; k++) {
    at += params.member_stride;
    let value = x[at] - shift;
    sum += value;
    squares += value * value;
  }
  let offset = sum / f32(count);
  partials_out[i] = vec2f(shift + offset, max(squares - sum * offset, 0.0));
}

@compute @workgroup_size(64)
fn partial_vec4(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * grid.x * 64u;
  let quads = params.groups / 4u;
  if (i >= params.blocks * quads) { return; }
  let block = i / quads;
  let first = block * params.block;
  let count = min(params.block, params.members - first);
  let stride = params.member_stride / 4u;
  var at = i - block * quads + first * stride;
  let shift = x4[at];
  var sum = vec4f();
  var squares = vec4f();
  for (var k = 1u; k < count; k++) {
    at += stride;
    let value = x4[at] - shift;
    sum += value;
    squares += value * value;
  }
  let offset = sum / f32(count);
  let center = shift + offset;
  let deviations = max(squares - sum * offset, vec4f());
  for (var k = 0u; k < 4u; k++) {
    partials_out[4u * i + k] = vec2f(center[k], deviations[k]);
  }
}

/// Mean and sum of squared deviations of a whole group.
fn merge(group: u32) -> vec2f {
  var merged = vec2f();
  for (var block = 0u; block < params.blocks; block++) {
    let next = partials[block * params.groups + group];
    let before = f32(block * params.block);
    let count = f32(min(params.block, params.members - block * params.block));
    let share = count / (before + count);
    let delta = next.x - merged.x;
    merged += vec2f(delta * share, next.y + delta * delta * before * share);
  }
  return merged;
}

@compute @workgroup_size(64)
fn combine(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let group = id.x + id.y * grid.x * 64u;
  if (group >= params.groups) { return; }
  let merged = merge(group);
  mean[group] = merged.x;
  variance[group] = merged.y / f32(params.members);
}

@compute @workgroup_size(64)
fn combine_running(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let group = id.x + id.y * grid.x * 64u;
  if (group >= params.groups) { return; }
  let merged = merge(group);
  mean[group] = merged.x;
  variance[group] = merged.y / f32(params.members);
  let unbiased = merged.y / f32(params.members - 1u);
  running_mean[group] = (1.0 - params.momentum) * running_mean[group] + params.momentum * merged.x;
  running_var[group] = (1.0 - params.momentum) * running_var[group] + params.momentum * unbiased;
}
