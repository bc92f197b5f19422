// pack_panels: lays the right-hand matrix B [depth, n] of a product out for the *_panel kernels, in a texture: panels of
// 32 columns, each of them line after line, a line being 8 texels of 4 columns.
//
// Texel t lies at (t % 4096, t / 4096), and
//
//   texel ((slice * panels + panel) * depth + k) * 8 + lane = B[slice][k][32 * panel + 4 * lane ... + 3]
//
// with depth = outer * length, k = o * length + i. B is read through strides, which transposes it where they say so:
// B[slice][o, i][j] = b[slice * slice_stride + o * outer_stride + i * inner_stride + j * column_stride], and 0 for
// i >= inner and for j >= n. So `length` pads the inner index to what the kernel that follows steps by.
//
// bindings  b: read; panels: written
// params    n: columns; outer, inner, length: see above, length a multiple of 4; slices, and the strides in elements
// dispatch  (ceil(outer * length / 64), ceil(n / 32), slices) workgroups of 8, 64 lines each

struct Params {
  n: u32,
  outer: u32,
  inner: u32,
  length: u32,
  slice_stride: u32,
  outer_stride: u32,
  inner_stride: u32,
  column_stride: u32,
}

const LINES: u32 = 64u;

@group(0) @binding(0) var<storage, read> b: array<f32>;
@group(0) @binding(1) var panels: texture_storage_2d<rgba32float, write>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let depth = params.outer * params.length;
  let begin = group.x * LINES;
  let column = 32u * group.y + 4u * lane;
  let last = params.n - 1u;
  let columns = min(vec4u(column, column + 1u, column + 2u, column + 3u), vec4u(last)) * params.column_stride;
  let exists = vec4u(column, column + 1u, column + 2u, column + 3u) < vec4u(params.n);

  var o = begin / params.length;
  var i = begin - o * params.length;
  var texel = ((group.z * groups.y + group.y) * depth + begin) * 8u + lane;
  for (var k = begin; k < min(begin + LINES, depth); k++) {
    let at = columns + (group.z * params.slice_stride + o * params.outer_stride + min(i, params.inner - 1u) * params.inner_stride);
    let value = vec4f(b[at.x], b[at.y], b[at.z], b[at.w]);
    textureStore(panels, vec2u(texel & 4095u, texel >> 12u), select(vec4f(), value, exists & vec4<bool>(i < params.inner)));
    texel += 8u;
    i++;
    if (i == params.length) {
      i = 0u;
      o++;
    }
  }
}
