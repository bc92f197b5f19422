/** `npm run manifest`: regenerates kernels/manifest.ts and kernels/README.md after a kernel was added or changed. */
import { writeFileSync } from "node:fs";
import { kernelFiles, manifestText } from "../runtime/manifest.node.ts";
import { kernelReadme } from "./kernel_readme.ts";

const kernels = new URL("../../kernels/", import.meta.url);
writeFileSync(new URL("manifest.ts", kernels), manifestText());
writeFileSync(new URL("README.md", kernels), kernelReadme());
console.log(`kernels/manifest.ts and kernels/README.md: ${kernelFiles().length} files`);
