// What the page does besides being read: values under the pointer or the arrow keys, the slider, its own renewal.
(() => {
  document.documentElement.classList.add("scripted");
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  /** Calls `at` with places in the units of the drawing, and `step` with the direction of arrow keys. */
  function explore(svg, { at, step, leave }) {
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      at((event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
    });
    svg.addEventListener("keydown", (event) => {
      const direction = ARROWS[event.key];
      if (!direction) return;
      event.preventDefault();
      step(...direction);
    });
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("blur", leave);
  }

  const dataOf = (figure) => JSON.parse(figure.querySelector("script").textContent);

  for (const figure of document.querySelectorAll(".chart")) {
    const svg = figure.querySelector("svg");
    const cursor = svg.querySelector(".cursor");
    const output = figure.querySelector("output");
    const { left, width, top, bottom, first, end, lines } = dataOf(figure);
    const places = [...new Set(lines.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
    const nearest = (list, x) => list.reduce((a, b) => (Math.abs(b - x) < Math.abs(a - x) ? b : a));
    let index = places.length;
    const show = (iteration) => {
      index = places.indexOf(iteration);
      const x = left + ((iteration - first) / (end - first)) * width;
      const ends = { x1: x, x2: x, y1: top, y2: bottom };
      for (const [name, value] of Object.entries(ends)) cursor.setAttribute(name, value);
      cursor.classList.add("on");
      const values = lines.map(({ name, points }) => {
        const own = points.map(([place]) => place);
        const at = nearest(own, iteration);
        return `${name} ${points.find(([place]) => place === at)[1]}`;
      });
      output.textContent = `iteration ${iteration}: ${values.join(", ")}`;
    };
    explore(svg, {
      at: (x) => show(nearest(places, first + ((x - left) / width) * (end - first))),
      step: (dx) => show(places[Math.max(0, Math.min(places.length - 1, index + dx))]),
      leave: () => cursor.classList.remove("on"),
    });
  }

  for (const figure of document.querySelectorAll(".heatmap")) {
    const svg = figure.querySelector("svg");
    const cursor = svg.querySelector(".cursor");
    const output = figure.querySelector("output");
    const drawn = [...svg.querySelectorAll(".frame")];
    const { margin, cell, kind, sentence, names, frames, values } = dataOf(figure);
    let frame = frames.length - 1;
    let [row, column] = [0, -1];
    const inside = (i) => Math.max(0, Math.min(names.length - 1, i));
    const show = () => {
      cursor.setAttribute("x", margin + column * cell);
      cursor.setAttribute("y", margin + row * cell);
      cursor.classList.add("on");
      const value = values[frame][row * names.length + column];
      const number = value === null ? "-" : kind === "share" ? (value / 10).toFixed(1) : (value / 1000).toFixed(2);
      const words = { row: names[row], column: names[column], value: number };
      output.textContent = sentence.replace(/\{(\w+)\}/g, (_, name) => words[name]);
    };
    explore(svg, {
      at: (x, y) => {
        [row, column] = [Math.floor((y - margin) / cell), Math.floor((x - margin) / cell)];
        if (inside(row) === row && inside(column) === column) show();
        else cursor.classList.remove("on");
      },
      step: (dx, dy) => {
        [row, column] = [inside(row + dy), inside(column + dx)];
        show();
      },
      leave: () => cursor.classList.remove("on"),
    });
    const slider = figure.querySelector("input");
    slider?.addEventListener("input", () => {
      frame = Number(slider.value);
      drawn.forEach((group, i) => group.classList.toggle("shown", i === frame));
      figure.querySelector(".slider b").textContent = frames[frame];
      slider.setAttribute("aria-valuetext", frames[frame]);
      if (column >= 0 && output.textContent !== "") show();
    });
  }

  // A live page is read again from the disk, unless it is being explored, until its run falls silent.
  const live = document.querySelector(".live");
  if (!live) return;
  const { written, every } = live.dataset;
  const age = () => (Date.now() - Number(written)) / 1000;
  const box = live.querySelector("input");
  const key = "mcibi-report-paused";
  const remembered = (() => {
    try {
      return sessionStorage;
    } catch {
      return {}; // some browsers give files none
    }
  })();
  box.checked = remembered[key] !== "yes";
  box.addEventListener("change", () => (remembered[key] = box.checked ? "" : "yes"));
  const renew = () => {
    const isSilent = age() > Math.max(600, 20 * Number(every));
    const isExplored = document.activeElement?.closest(".card, details") || document.querySelector("details[open]");
    live.querySelector(".age").textContent = isSilent
      ? "no news for a long time: the run may have ended without a word"
      : `written ${Math.round(age())} s ago`;
    if (box.checked && !isSilent && !isExplored && age() > Number(every)) location.reload();
  };
  setInterval(renew, 5000);
})();
