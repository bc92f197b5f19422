/** The text of every kernel file by name: bundle.node.ts makes this module. */
declare module "*/kernels/*.wgsl" {
  const texts: Readonly<Record<string, string>>;
  export default texts;
}
