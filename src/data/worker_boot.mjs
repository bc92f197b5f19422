// Node 20 cannot start a thread from a TypeScript file: this one teaches the thread TypeScript first.
import { register } from "tsx/esm/api";

register();
await import("./worker.ts");
