/** Making the page's files from the sources, in memory. */
import { readFile, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Plugin } from "esbuild";

const KERNELS = fileURLToPath(new URL("../../kernels/", import.meta.url));
const EXTENSION = ".wgsl";

/** Gives `import texts from "…/kernels/*.wgsl"` the text of every kernel, by the name of its file. */
const kernelTexts: Plugin = {
  name: "kernel texts",
  setup(build) {
    build.onResolve({ filter: /\/kernels\/\*\.wgsl$/ }, () => ({ path: KERNELS, namespace: "kernels" }));
    build.onLoad({ filter: /.*/, namespace: "kernels" }, async () => {
      const files = (await readdir(KERNELS)).filter((file) => file.endsWith(EXTENSION)).sort();
      const imports = files.map((file, i) => `import text${i} from ${JSON.stringify(join(KERNELS, file))};`);
      const entries = files.map((file, i) => `${JSON.stringify(basename(file, EXTENSION))}: text${i}`);
      return { contents: `${imports.join("\n")}\nexport default { ${entries.join(", ")} };`, resolveDir: KERNELS };
    });
  },
};

/** File names below the page and what is in them. */
export type Files = ReadonlyMap<string, Uint8Array>;

/**
 * Bundles scripts for browsers; what several of them import becomes a file of its own.
 *
 * @param scripts paths by name without extension
 * @throws where a source has errors or imports something of Node
 */
export async function bundleScripts(scripts: Readonly<Record<string, string>>): Promise<Files> {
  const { outputFiles } = await build({
    entryPoints: { ...scripts },
    ...{ bundle: true, splitting: true, format: "esm", platform: "browser", minify: true, write: false },
    target: ["chrome113", "safari18", "firefox141"], // the first ones with WebGPU
    loader: { [EXTENSION]: "text" },
    plugins: [kernelTexts],
    outdir: "/",
    legalComments: "none",
    logLevel: "silent", // errors are thrown
  });
  return new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]));
}

const SCRIPTS = { main: "page/main.ts", engine: "engine.worker.ts", scenes: "scenes.worker.ts" };
const OTHERS = ["page/index.html", "page/style.css", "../predict/pretrained/tiny.safetensors"];

/** Everything that the page consists of. */
export async function pageFiles(): Promise<Files> {
  const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
  const scripts = Object.entries(SCRIPTS).map(([name, file]) => [name, pathOf(file)] as const);
  const others = OTHERS.map(async (file) => [basename(file), await readFile(pathOf(file))] as const);
  return new Map([...(await Promise.all(others)), ...(await bundleScripts(Object.fromEntries(scripts)))]);
}
