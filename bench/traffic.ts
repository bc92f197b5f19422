/** Counts what passes from the program to the device, by standing in front of the calls. */
export class Traffic {
  uploaded = 0;
  allocated = 0;
  /** When the last submit was made. */
  submitted = 0;
  readonly #stop: () => void;

  constructor(device: GPUDevice) {
    const { queue } = device;
    const submit = queue.submit.bind(queue);
    const writeBuffer = queue.writeBuffer.bind(queue);
    const createBuffer = device.createBuffer.bind(device);
    queue.submit = (buffers) => {
      const result = submit(buffers);
      this.submitted = performance.now();
      return result;
    };
    queue.writeBuffer = (buffer, offset, data, ...rest) => {
      this.uploaded += data.byteLength;
      return writeBuffer(buffer, offset, data, ...rest);
    };
    device.createBuffer = (descriptor) => {
      this.allocated += descriptor.size;
      return createBuffer(descriptor);
    };
    this.#stop = () => Object.assign(queue, { submit, writeBuffer }) && Object.assign(device, { createBuffer });
  }

  stop(): void {
    this.#stop();
  }
}
