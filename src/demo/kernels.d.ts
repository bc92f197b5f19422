/** `import texts from "…/kernels/*.wgsl"`, the star included: the text of every kernel file by name; see bundle.node.ts. */
declare module "*.wgsl" {
  const texts: Readonly<Record<string, string>>;
  export default texts;
}
