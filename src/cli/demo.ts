/** `npm run demo`: the page that segments, shows the memory, trains and measures in a browser. */
import { join } from "node:path";
import { demoFiles } from "../demo/files.node.ts";
import { serve } from "../demo/serve.node.ts";
import { writeFileAtomic } from "../io/files.node.ts";
import { runMain } from "./main.ts";
import { parseOptions, wholeNumber } from "./options.ts";

const DEFAULT_PORT = 8080;
const MOST_PORT = 65535;

const COMMAND = {
  call: "npm run demo --",
  summary: "Serves a page that runs and trains the network in a browser with WebGPU, until stopped.",
  options: {
    port: { value: "N", help: `Port on this machine, 0 for any that is free. Default: ${DEFAULT_PORT}.` },
    out: { value: "DIR", help: "Writes the page's files into this folder instead, for any web server with https." },
  },
} as const;

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(COMMAND, args);
  if (!options) return;
  const port = wholeNumber("port", options.port, 0, MOST_PORT) ?? DEFAULT_PORT;
  const files = await demoFiles();
  if (options.out !== undefined) {
    for (const [name, bytes] of files) await writeFileAtomic(join(options.out, name), bytes);
    return console.log(`written: ${files.size} files in ${options.out}`);
  }
  const { url } = await serve(files, port);
  console.log(`${url}\nOpen it in a browser with WebGPU; Ctrl+C ends this.`);
}

await runMain(main);
