// Loaded with --import: makes the package `webgpu` fail to load, as on a system that it has no build for.
import { register } from "node:module";

const hooks = `export async function load(url, context, next) {
  if (url.endsWith("/webgpu/index.js")) throw new Error("dlopen: not for this system");
  return next(url, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
