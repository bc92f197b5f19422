/** `import texts from "…/kernels/*.wgsl"`, with the star: the text of every kernel by file name; see bundle.node.ts. */
declare module "*.wgsl" {
  const texts: Readonly<Record<string, string>>;
  export default texts;
}
