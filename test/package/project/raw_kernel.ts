/** One WGSL file on a bare device: nothing of the package but the text. */

/** max(x, 0), or a fifth of x below 0, by kernels/activation.wgsl. */
export async function leakyRelu(device: GPUDevice, code: string, x: Float32Array<ArrayBuffer>): Promise<number[]> {
  const pipeline = await device.createComputePipelineAsync({
    layout: "auto",
    compute: { module: device.createShaderModule({ code }), entryPoint: "forward", constants: { OP: 1, SLOPE: 0.2 } },
  });
  const buffer = (size: number, usage: number): GPUBuffer => device.createBuffer({ size, usage });
  const input = buffer(x.byteLength, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
  const output = buffer(x.byteLength, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const params = buffer(16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const staging = buffer(x.byteLength, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  device.queue.writeBuffer(input, 0, x);
  device.queue.writeBuffer(params, 0, Uint32Array.of(x.length));

  const bound = { 0: input, 2: output, 4: params }; // binding numbers as the file gives them
  const entries = Object.entries(bound).map(([binding, buffer]) => ({ binding: Number(binding), resource: { buffer } }));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(Math.ceil(x.length / 4 / 64));
  pass.end();
  encoder.copyBufferToBuffer(output, 0, staging, 0, x.byteLength);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  return [...new Float32Array(staging.getMappedRange())];
}
