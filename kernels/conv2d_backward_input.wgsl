// conv2d_backward_input: dx, the gradient of conv2d.wgsl with respect to its input (torch.nn.grad.conv2d_input; also the
// forward pass of a transposed convolution), f32, as an implicit matrix product: rows are input pixels, columns input
// channels, the inner dimension runs over (ky, kx, output channel).
//
// dy  [n, oh, ow, OUT];  w  [KH, KW, IN / GROUPS, OUT];  dx  [n, h, w, IN]
// Overrides and params as in conv2d.wgsl.
//
// With a stride S, input pixel (iy, ix) meets tap (ky, kx) only if S divides iy + PAD - ky * DIL: which taps those are
// depends on (iy mod S, ix mod S) alone. So the pixels are handled phase by phase, and taps that a phase never meets are
// skipped instead of multiplied by zero.
//
// dispatch  (ceil(IN/GROUPS / 64), ceil(n*ceil(h/STRIDE_Y)*ceil(w/STRIDE_X) / 64), GROUPS*STRIDE_Y*STRIDE_X) workgroups
//           of 256: a 64 x 64 tile of one phase, 4 x 4 per invocation
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

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> dy_tile: array<f32, TILE * DEPTH>;
var<workgroup> w_tile: array<f32, TILE * DEPTH>;

// A pixel of this phase: image, position, and whether it lies inside the image.
struct Pixel {
  image: u32,
  y: u32,
  x: u32,
  inside: bool,
}

fn pixel_of(row: u32, phase_y: u32, phase_x: u32) -> Pixel {
  let rows = (params.h + STRIDE_Y - 1u) / STRIDE_Y;
  let cols = (params.w + STRIDE_X - 1u) / STRIDE_X;
  let line = row / cols;
  let image = line / rows;
  let y = (line % rows) * STRIDE_Y + phase_y;
  let x = (row % cols) * STRIDE_X + phase_x;
  return Pixel(image, y, x, image < params.n && y < params.h && x < params.w);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let phase = group.z / GROUPS;
  let g = group.z % GROUPS;
  let phase_y = phase / STRIDE_X;
  let phase_x = phase % STRIDE_X;
  let row0 = group.y * TILE;
  let col0 = group.x * TILE;

  let slot = local % DEPTH;
  var staged: array<Pixel, 4>;
  for (var i = 0u; i < 4u; i++) { staged[i] = pixel_of(row0 + local / DEPTH + 16u * i, phase_y, phase_x); }

  let row = (local / 16u) * 4u;
  let col = (local % 16u) * 4u;
  var c0 = vec4f();
  var c1 = vec4f();
  var c2 = vec4f();
  var c3 = vec4f();
  for (var ky = 0u; ky < KH; ky++) {
    for (var kx = 0u; kx < KW; kx++) {
      let shift_y = i32(PAD_Y) - i32(ky * DIL_Y);
      let shift_x = i32(PAD_X) - i32(kx * DIL_X);
      if ((i32(phase_y) + shift_y) % i32(STRIDE_Y) != 0 || (i32(phase_x) + shift_x) % i32(STRIDE_X) != 0) { continue; }
      for (var inner = 0u; inner < GROUP_OUT; inner += DEPTH) {
        for (var i = 0u; i < 4u; i++) {
          let p = staged[i];
          let sy = i32(p.y) + shift_y;
          let sx = i32(p.x) + shift_x;
          let oy = sy / i32(STRIDE_Y);
          let ox = sx / i32(STRIDE_X);
          let inside = p.inside && inner + slot < GROUP_OUT
            && sy >= 0 && sx >= 0 && oy < i32(params.oh) && ox < i32(params.ow);
          var value = 0.0;
          if (inside) {
            value = dy[((p.image * params.oh + u32(oy)) * params.ow + u32(ox)) * OUT + g * GROUP_OUT + inner + slot];
          }
          dy_tile[slot * TILE + local / DEPTH + 16u * i] = value;

          let c = local / DEPTH + 16u * i;
          value = 0.0;
          if (inner + slot < GROUP_OUT && col0 + c < GROUP_IN) {
            value = w[((ky * KW + kx) * GROUP_IN + col0 + c) * OUT + g * GROUP_OUT + inner + slot];
          }
          w_tile[slot * TILE + c] = value;
        }
        workgroupBarrier();
        for (var d = 0u; d < DEPTH; d++) {
          let wv = vec4f(w_tile[d * TILE + col], w_tile[d * TILE + col + 1u], w_tile[d * TILE + col + 2u], w_tile[d * TILE + col + 3u]);
          c0 = fma(vec4f(dy_tile[d * TILE + row]), wv, c0);
          c1 = fma(vec4f(dy_tile[d * TILE + row + 1u]), wv, c1);
          c2 = fma(vec4f(dy_tile[d * TILE + row + 2u]), wv, c2);
          c3 = fma(vec4f(dy_tile[d * TILE + row + 3u]), wv, c3);
        }
        workgroupBarrier();
      }
    }
  }

  let out = array<vec4f, 4>(c0, c1, c2, c3);
  for (var r = 0u; r < 4u; r++) {
    let p = pixel_of(row0 + row + r, phase_y, phase_x);
    for (var c = 0u; c < 4u; c++) {
      if (p.inside && col0 + col + c < GROUP_IN) {
        dx[((p.image * params.h + p.y) * params.w + p.x) * IN + g * GROUP_IN + col0 + col + c] = out[r][c];
      }
    }
  }
}
