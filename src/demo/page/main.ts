/** The page: what it is made of, and how that begins. */
import { App } from "./app.ts";
import { announce, byId } from "./dom.ts";
import { openKernels } from "./kernels.ts";
import { MemoryTab } from "./memory.ts";
import { Networks } from "./networks.ts";
import { SegmentView } from "./segment.ts";
import { Sources } from "./sources.ts";
import { Stage } from "./stage.ts";
import { openTabs } from "./tabs.ts";
import { TrainView } from "./train.ts";

/** Before the note on compiling goes: after the last kernel, and where no further one is heard of. */
const LINGER_MS = 600;
const SILENCE_MS = 10_000;
const CONTROLS = "main button, main input, main select";

const app = new App();
let tab = "";
const stage = new Stage(byId<HTMLCanvasElement>("canvas"), (pick) => {
  if (tab === "segment") segment.pick(pick);
  if (tab === "memory") memory.pick();
});
const segment = new SegmentView(app, stage);
const memory = new MemoryTab(app, stage);
const networks = new Networks(app);
const train = new TrainView(app, stage, networks);
const showsPicture = (): boolean => tab === "segment" || tab === "memory";
const sources = new Sources(app, {
  show: (shown) => segment.segment(shown),
  reveal: () => showsPicture() || chooseTab("segment"),
});
const chooseTab = openTabs((name) => {
  tab = name;
  stage.picks = showsPicture();
  for (const view of [segment, memory, train]) view.close();
  if (showsPicture()) segment.open();
  else sources.stop();
  if (name === "memory") memory.open();
  if (name === "train") train.open();
});
openKernels(app);
byId("use-trained").addEventListener("click", () => app.attempt(() => {
  chooseTab("segment");
  byId("tab-segment").focus();
  return networks.addTrained();
}));
showCompiling();
byId<HTMLInputElement>("opacity").addEventListener("input", ({ target }) => {
  stage.opacity = (target as HTMLInputElement).valueAsNumber / 100;
  stage.draw();
});

await app.attempt(async () => {
  byId("adapter").textContent = await app.engine.open().catch((cause: unknown) => {
    byId("adapter").textContent = "no WebGPU";
    for (const control of document.querySelectorAll<HTMLInputElement>(CONTROLS)) control.disabled = true;
    throw cause;
  });
  await networks.loadShipped();
  await sources.openSamples();
});

function showCompiling(): void {
  const note = byId("compiling");
  let hiding: ReturnType<typeof setTimeout>;
  app.onEngine((event) => {
    if (event.kind !== "compiling") return;
    clearTimeout(hiding);
    note.textContent = `Compiling kernels: ${event.done} of ${event.total}`;
    if (note.hidden) announce("Compiling kernels.");
    note.hidden = false;
    hiding = setTimeout(() => (note.hidden = true), event.done < event.total ? SILENCE_MS : LINGER_MS);
  });
}
