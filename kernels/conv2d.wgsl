// conv2d: y = conv(x, w) + bias (torch.nn.functional.conv2d), f32, as an implicit matrix product: rows are output
// pixels, columns output channels, the inner dimension runs over (ky, kx, input channel).
//
// x     [n, h, w, IN]                    NHWC
// w     [KH, KW, IN / GROUPS, OUT]       HWIO; group g owns output channels g*OUT/GROUPS ...
// bias  [OUT]; bound but not read unless HAS_BIAS
// y     [n, oh, ow, OUT],  oh = floor((h + 2*PAD_Y - DIL_Y*(KH-1) - 1) / STRIDE_Y) + 1, ow alike
//
// params    n, h, w, oh, ow
// dispatch  (ceil(OUT/GROUPS / 64), ceil(n*oh*ow / 64), GROUPS) workgroups of 256: a 64 x 64 tile, 4 x 4 per invocation
// limits    any sizes; 8 KiB of workgroup memory

override IN: u32;
override OUT: u32;
override GROUPS: u32 = 1u;
override KH: u32;
override KW: u32;
override STRIDE_Y: u32 = 1u;
override STRIDE_X: u32 = 1u;
override PAD_Y: u32 = 0u;
override PAD_X: u32 = 0u;
override DIL_Y: u32 = 1u;
override DIL_X: u32 = 1u;
override HAS_BIAS: bool = false;
override GROUP_IN: u32 = IN / GROUPS;
override GROUP_OUT: u32 = OUT / GROUPS;

const TILE: u32 = 64u;
const DEPTH: u32 = 16u;

struct Params {
  n: u32,
  h: u32,
  w: u32,
  oh: u32,
  ow: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> x_tile: array<f32, TILE * DEPTH>;
var<workgroup> w_tile: array<f32, TILE * DEPTH>;

// Image row of the output pixel, and the input position that its tap (0, 0) reads.
struct Origin {
  image: u32,
  y: i32,
  x: i32,
}

fn origin(pixel: u32) -> Origin {
  let line = pixel / params.ow;
  let oy = i32((line % params.oh) * STRIDE_Y) - i32(PAD_Y);
  let ox = i32((pixel % params.ow) * STRIDE_X) - i32(PAD_X);
  return Origin(line / params.oh, oy, ox);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let pixels = params.n * params.oh * params.ow;
  let inner_length = KH * KW * GROUP_IN;
  let row0 = group.y * TILE;
  let col0 = group.x * TILE;

  // Staging: this invocation always loads inner index `slot` of four fixed pixels, and four fixed rows of one column.
  let slot = local % DEPTH;
  var origins: array<Origin, 4>;
  for (var i = 0u; i < 4u; i++) { origins[i] = origin(row0 + local / DEPTH + 16u * i); }

  let row = (local / 16u) * 4u;
  let col = (local % 16u) * 4u;
  var c0 = vec4f();
  var c1 = vec4f();
  var c2 = vec4f();
  var c3 = vec4f();
  for (var inner = 0u; inner < inner_length; inner += DEPTH) {
    let k = inner + slot;
    let tap = k / GROUP_IN;
    let ty = i32((tap / KW) * DIL_Y);
    let tx = i32((tap % KW) * DIL_X);
    for (var i = 0u; i < 4u; i++) {
      let pixel_row = local / DEPTH + 16u * i;
      let o = origins[i];
      let sy = o.y + ty;
      let sx = o.x + tx;
      let inside = k < inner_length && row0 + pixel_row < pixels
        && sy >= 0 && sy < i32(params.h) && sx >= 0 && sx < i32(params.w);
      var value = 0.0;
      if (inside) {
        value = x[((o.image * params.h + u32(sy)) * params.w + u32(sx)) * IN + group.z * GROUP_IN + k % GROUP_IN];
      }
      x_tile[slot * TILE + pixel_row] = value;

      let d = local / TILE + 4u * i;
      let c = col0 + local % TILE;
      value = 0.0;
      if (inner + d < inner_length && c < GROUP_OUT) {
        value = w[(inner + d) * OUT + group.z * GROUP_OUT + c];
      }
      w_tile[d * TILE + local % TILE] = value;
    }
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d++) {
      let wv = vec4f(w_tile[d * TILE + col], w_tile[d * TILE + col + 1u], w_tile[d * TILE + col + 2u], w_tile[d * TILE + col + 3u]);
      c0 = fma(vec4f(x_tile[d * TILE + row]), wv, c0);
      c1 = fma(vec4f(x_tile[d * TILE + row + 1u]), wv, c1);
      c2 = fma(vec4f(x_tile[d * TILE + row + 2u]), wv, c2);
      c3 = fma(vec4f(x_tile[d * TILE + row + 3u]), wv, c3);
    }
    workgroupBarrier();
  }

  let out = array<vec4f, 4>(c0, c1, c2, c3);
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      let channel = group.z * GROUP_OUT + col0 + col + c;
      if (row0 + row + r < pixels && col0 + col + c < GROUP_OUT) {
        var value = out[r][c];
        if (HAS_BIAS) { value += bias[channel]; }
        y[(row0 + row + r) * OUT + channel] = value;
      }
    }
  }
}
