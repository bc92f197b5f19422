import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openDevice } from "mcibi-webgpu";
import { all } from "./all.ts";

const activation = fileURLToPath(import.meta.resolve("mcibi-webgpu/kernels/activation.wgsl"));
const { device, check, close } = await openDevice();
console.log(JSON.stringify(await all(device, readFileSync(activation, "utf8"))));
check();
close();
