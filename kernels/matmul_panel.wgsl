// matmul_panel: what matmul.wgsl computes, for adapters that run on the CPU.
//
// There a load from a buffer costs as much as a dozen multiplications, workgroup memory is slower still, and a texture is the
// only memory that yields four numbers per load. So a workgroup is one subgroup of 8 lanes, and LANES of them own a panel
// of 16 rows x 4*LANES columns of y, with PANELS = 2 two side by side, which share what was loaded of op(a) (with LANES = 4,
// for narrow products, a workgroup has two more below).
// A lane loads its 4 columns of op(b) from a texture, and of op(a) 4 values of every LANES-th row, which subgroupShuffle
// hands to the others. Loops over arrays have as many turns as those have places, and few statements: then the compiler
// unrolls them into registers.
//
// bindings  a: read, [batch, m, k], or [batch, k, m] where TRANSPOSE_A; a_each: the same buffer; b: read, texels of
//           [batch, k, n], or [batch, n, k] where TRANSPOSE_B: float i in component i % 4 of the texel i / 4, and texel t at
//           (t % 4096, t / 4096); bias: read, [n] or longer; y: write, [splits, batch, m, n], parts of k to be added in order
// overrides TRANSPOSE_A, TRANSPOSE_B: stored transposed; EACH: rows of a, not transposed, are of any length, and read number
//           by number; RAGGED: n is not a multiple of 4
// params    m, n, k, batch; part: length of a part of k, in fours; has_bias: 0: bias is bound but not read, else the length
//           of bias, which the first part adds
// dispatch  (ceil(n / (PANELS*4*LANES)), ceil(m / (128/LANES)), batch * splits) workgroups of 8
// limits    operands are padded, y is not: n of b to a multiple of 4, m of a where TRANSPOSE_A, k with zeros where TRANSPOSE_B
//           and unless EACH; subgroups of at least 8 lanes that hold a workgroup of 8

enable subgroups;

const ROWS: u32 = 16u;
const LANES: u32 = 8u; // @tune 4 8
const PANELS: u32 = 1u; // @tune 1 2
const LOADS: u32 = ROWS / LANES;
const QUADS: u32 = LANES / 4u; // fours of rows that a load of LANES lanes brings, where a lies transposed

override TRANSPOSE_A: bool;
override TRANSPOSE_B: bool;
override EACH: bool = false;
override RAGGED: bool = false;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  batch: u32,
  part: u32,
  has_bias: u32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> a_each: array<f32>;
@group(0) @binding(2) var b: texture_2d<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

const NEXT: vec4u = vec4u(0u, 1u, 2u, 3u);

fn fetch(texel: u32) -> vec4f {
  return textureLoad(b, vec2u(texel & 4095u, texel >> 12u), 0);
}

// Four columns of op(b) at k = 4*step and the next 3, which repeat the last. `at`: where the columns begin.
fn fetch_columns(at: u32, step: u32) -> mat4x4f {
  if (TRANSPOSE_B) {
    let steps = (params.k + 3u) / 4u;
    let texel = at + step;
    return transpose(mat4x4f(fetch(texel), fetch(texel + steps), fetch(texel + 2u * steps), fetch(texel + 3u * steps)));
  }
  let columns = (params.n + 3u) / 4u;
  let last = params.k - 1u;
  let b0 = fetch(at + 4u * step * columns);
  let b1 = fetch(at + min(4u * step + 1u, last) * columns);
  let b2 = fetch(at + min(4u * step + 2u, last) * columns);
  let b3 = fetch(at + min(4u * step + 3u, last) * columns);
  return mat4x4f(b0, b1, b2, b3);
}

fn bias_of(column: u32) -> vec4f {
  let place = min(4u * column + NEXT, vec4u(params.has_bias - 1u));
  return vec4f(bias[place.x], bias[place.y], bias[place.z], bias[place.w]);
}

// Up to 4 numbers of a row that has `left` more of them, zeros after those.
fn load_each(at: u32, left: u32) -> vec4f {
  let place = at + min(NEXT, vec4u(left - 1u));
  let values = vec4f(a_each[place.x], a_each[place.y], a_each[place.z], a_each[place.w]);
  return select(vec4f(), values, NEXT < vec4u(left));
}

// Up to 4 numbers of a row of y that has `left` more of them.
fn store(at: u32, left: u32, values: vec4f) {
  y[at] = values.x;
  if (!RAGGED || left > 1u) { y[at + 1u] = values.y; }
  if (!RAGGED || left > 2u) { y[at + 2u] = values.z; }
  if (!RAGGED || left > 3u) { y[at + 3u] = values.w; }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let batch = group.z % params.batch;
  let part = group.z / params.batch;
  let steps = (params.k + 3u) / 4u;
  let begin = min(part * params.part, steps);
  let end = min(begin + params.part, steps);
  let columns = (params.n + 3u) / 4u;
  let lines = (params.m + 3u) / 4u;
  let first = lane & (8u - LANES);
  let row0 = (group.y * (8u / LANES) + first / LANES) * ROWS;
  let column = group.x * PANELS * LANES + lane - first;
  let last = params.k - 1u;

  // Where this lane reads a: 4 values of k of one row in LANES or, transposed, 4 rows of one k in four. Rows and columns
  // beyond the edge repeat the last ones; they are computed and not stored.
  var at: array<u32, LOADS>;
  for (var i = 0u; i < LOADS; i++) {
    let row = min(row0 + i * LANES + lane - first, params.m - 1u);
    let quad = min(row0 / 4u + i * QUADS + (lane - first) / 4u, lines - 1u);
    let straight = (batch * params.m + row) * select(steps, params.k, EACH);
    at[i] = select(straight, batch * params.k * lines + quad, TRANSPOSE_A);
  }
  let places = vec2u(min(column, columns - 1u), min(column + LANES, columns - 1u)); // in the first and the second panel
  let begins = select(batch * params.k * columns + places, 4u * (batch * columns + places) * steps, TRANSPOSE_B);

  var c: array<vec4f, ROWS>;
  var d: array<vec4f, ROWS>; // the second panel
  for (var step = begin; step < end; step++) {
    var loaded: array<vec4f, LOADS>;
    var av: array<vec4f, ROWS>; // of each row, in every lane
    if (TRANSPOSE_A) {
      let k = 4u * step + lane % 4u;
      for (var i = 0u; i < LOADS; i++) { loaded[i] = select(vec4f(), a[at[i] + min(k, last) * lines], k <= last); }
      for (var r = 0u; r < ROWS; r++) {
        let quad = r / 4u;
        let s = loaded[quad / QUADS][r % 4u];
        let source = first + quad % QUADS * 4u;
        av[r].x = subgroupShuffle(s, source);
        av[r].y = subgroupShuffle(s, source + 1u);
        av[r].z = subgroupShuffle(s, source + 2u);
        av[r].w = subgroupShuffle(s, source + 3u);
      }
    } else {
      if (EACH) {
        for (var i = 0u; i < LOADS; i++) { loaded[i] = load_each(at[i] + 4u * step, params.k - 4u * step); }
      } else {
        for (var i = 0u; i < LOADS; i++) { loaded[i] = a[at[i] + step]; }
      }
      for (var r = 0u; r < ROWS; r++) { av[r] = subgroupShuffle(loaded[r / LANES], first + r % LANES); }
    }
    let bv = fetch_columns(begins.x, step);
    for (var r = 0u; r < ROWS; r++) {
      let s = av[r];
      c[r] = fma(vec4f(s.w), bv[3], fma(vec4f(s.z), bv[2], fma(vec4f(s.y), bv[1], fma(vec4f(s.x), bv[0], c[r]))));
    }
    if (PANELS == 2u) {
      let dv = fetch_columns(begins.y, step);
      for (var r = 0u; r < ROWS; r++) {
        let s = av[r];
        d[r] = fma(vec4f(s.w), dv[3], fma(vec4f(s.z), dv[2], fma(vec4f(s.y), dv[1], fma(vec4f(s.x), dv[0], d[r]))));
      }
    }
  }

  if (column >= columns) { return; }
  let is_offset = params.has_bias != 0u && part == 0u;
  let to = (group.z * params.m + row0) * params.n + 4u * column;
  let left = params.n - 4u * column;
  var offset = vec4f();
  if (is_offset) { offset = bias_of(column); }
  for (var r = 0u; r < ROWS; r++) {
    if (row0 + r < params.m) { store(to + r * params.n, left, c[r] + offset); }
  }
  if (PANELS == 1u || column + LANES >= columns) { return; }
  if (is_offset) { offset = bias_of(column + LANES); }
  for (var r = 0u; r < ROWS; r++) {
    if (row0 + r < params.m) { store(to + r * params.n + 4u * LANES, left - 4u * LANES, d[r] + offset); }
  }
}
