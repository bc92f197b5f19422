import { ndarray } from "./ndarray.ts";
import type { NdArray } from "./ndarray.ts";
import type { Conv2dGeometry } from "./conv2d.geometry.ts";

/** The definition of a convolution, loop by loop, in f64. */
export function referenceConv2d(x: NdArray, weight: NdArray, bias: NdArray | null, g: Conv2dGeometry): NdArray {
  const { n, h, w, oh, ow, inChannels, outChannels, groups } = g;
  const [kh, kw] = g.kernel;
  const groupIn = inChannels / groups;
  const groupOut = outChannels / groups;
  const y = ndarray([n, oh, ow, outChannels]);
  for (let image = 0; image < n; image++) {
    for (let oy = 0; oy < oh; oy++) {
      for (let ox = 0; ox < ow; ox++) {
        for (let co = 0; co < outChannels; co++) {
          let total = bias ? bias.data[co] : 0;
          const firstIn = Math.floor(co / groupOut) * groupIn;
          for (let ky = 0; ky < kh; ky++) {
            for (let kx = 0; kx < kw; kx++) {
              const iy = oy * g.stride[0] - g.padding[0] + ky * g.dilation[0];
              const ix = ox * g.stride[1] - g.padding[1] + kx * g.dilation[1];
              if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
              for (let ci = 0; ci < groupIn; ci++) {
                total +=
                  x.data[((image * h + iy) * w + ix) * inChannels + firstIn + ci] *
                  weight.data[((ky * kw + kx) * groupIn + ci) * outChannels + co];
              }
            }
          }
          y.data[((image * oh + oy) * ow + ox) * outChannels + co] = total;
        }
      }
    }
  }
  return y;
}
