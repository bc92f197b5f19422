/** The page: what it is made of, and how that begins. */
import { App } from "./app.ts";
import { byId } from "./dom.ts";
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
const CONTROLS = "button, input, select";

const app = new App();
let tab = "segment";
const stage = new Stage(byId<HTMLCanvasElement>("canvas"), (place) => {
  if (tab === "segment") segment.pick(place);
  if (tab === "memory") memory.pick(place);
});
const segment = new SegmentView(app, stage);
const memory = new MemoryTab(app, stage);
const networks = new Networks(app);
const train = new TrainView(app, stage, () => networks.addTrained());
const sources = new Sources(app, (shown) => segment.segment(shown));
openKernels(app);
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
  openTabs((name) => {
    tab = name;
    byId("canvas").setAttribute("role", name === "memory" ? "application" : "img"); // arrow keys choose a pixel there
    for (const view of [segment, memory, train]) view.close();
    if (name === "train") train.open();
    if (name === "segment" || name === "memory") segment.open(); // the picture is in both
    if (name === "memory") memory.open();
  });
  await networks.loadShipped();
  await sources.openSamples();
});

function showCompiling(): void {
  const status = byId("status");
  let hiding: ReturnType<typeof setTimeout>;
  app.onEngine((event) => {
    if (event.kind !== "compiling") return;
    clearTimeout(hiding);
    status.textContent = `Compiling kernels: ${event.done} of ${event.total}`;
    status.classList.add("busy");
    const hide = (): void => {
      status.textContent = "";
      status.classList.remove("busy");
    };
    hiding = setTimeout(hide, event.done < event.total ? SILENCE_MS : LINGER_MS);
  });
}
