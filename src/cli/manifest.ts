/** `npm run manifest`: regenerates kernels/manifest.ts after a kernel was added or its interface changed. */
import { writeFileSync } from "node:fs";
import { kernelFiles, manifestText } from "../runtime/manifest.node.ts";

writeFileSync(new URL("../../kernels/manifest.ts", import.meta.url), manifestText());
console.log(`kernels/manifest.ts: ${kernelFiles().length} files`);
