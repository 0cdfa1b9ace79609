// Samples along training: points on canvases that follow the theme, or mosaics; a player and a strip of steps.
const OUTSIDE = -32768, EDGE = 32000, FRAME_MS = 450, STRIP = 5;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

function decoded(text) {
  return new Int16Array(Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer);
}

class Gallery {
  constructor(root) {
    const group = study.groups[Number(root.dataset.group)];
    Object.assign(this, { root, losses: group.losses, count: group.count, shown: group.gallery });
    this.points = this.shown.kind === "points";
    this.truth = this.points ? decoded(this.shown.truth) : null;
    this.find = (name) => root.querySelector(name);
    this.seeds = [...new Set(this.shown.cells.map((cell) => cell.seed))].sort((a, b) => a - b);
    this.find(".pick").append(...this.seeds.map((seed) => new Option(seed, seed)));
    this.find(".pick").addEventListener("change", () => this.fill());
    this.find(".step").addEventListener("input", () => { this.stop(); this.show(Number(this.find(".step").value)); });
    this.find(".play").addEventListener("click", () => (this.timer ? this.stop() : this.play()));
    dark.addEventListener("change", () => this.redraw());
    addEventListener("resize", () => this.redraw());
    this.fill();
  }

  // The panels and the strip of one seed.
  fill() {
    this.stop();
    const seed = Number(this.find(".pick").value);
    this.cells = this.shown.cells.filter((cell) => cell.seed === seed).sort((a, b) => a.loss - b.loss);
    for (const cell of this.cells) cell.decoded ??= this.points ? cell.frames.map(decoded) : cell.frames;
    this.steps = [...new Set(this.cells.flatMap((cell) => cell.steps))].sort((a, b) => a - b);
    this.find(".step").max = this.steps.length - 1;
    this.find(".live").replaceChildren(...this.cells.map((cell) => this.panel(cell)));
    this.strip();
    this.show(this.steps.length - 1);
  }

  label(cell, parent) {
    const { name, color } = this.losses[cell.loss];
    const label = parent.appendChild(document.createElement("span"));
    label.className = `name c${color % 8} d${Math.floor(color / 8) % 4}`;
    label.appendChild(document.createElement("i")).className = "swatch";
    const parts = name.split(/(?<=[+_])/).flatMap((part) => [part, document.createElement("wbr")]);
    label.appendChild(document.createElement("bdi")).append(...parts);
  }

  picture() {
    const picture = document.createElement(this.points ? "canvas" : "img");
    picture.setAttribute(this.points ? "aria-label" : "alt", "samples");
    if (this.points) picture.setAttribute("role", "img");
    return picture;
  }

  panel(cell) {
    const figure = document.createElement("figure");
    figure.className = "panel";
    this.label(cell, figure.appendChild(document.createElement("figcaption")));
    cell.picture = figure.appendChild(this.picture());
    cell.says = figure.appendChild(document.createElement("p"));
    cell.says.className = "quiet";
    return figure;
  }

  strip() {
    const last = this.steps.length - 1, many = Math.min(STRIP, this.steps.length);
    const chosen = Array.from({ length: many }, (_, i) => this.steps[many > 1 ? Math.round((i * last) / (many - 1)) : 0]);
    const head = document.createElement("tr");
    head.append(document.createElement("th"), ...chosen.map((step) => {
      const title = document.createElement("th");
      title.textContent = `step ${step}`;
      return title;
    }));
    this.find(".strip thead").replaceChildren(head);
    this.stills = [];
    this.find(".strip tbody").replaceChildren(...this.cells.map((cell) => {
      const row = document.createElement("tr");
      const name = row.appendChild(document.createElement("th"));
      name.scope = "row";
      this.label(cell, name);
      for (const step of chosen) {
        const place = row.appendChild(document.createElement("td"));
        if (cell.steps.includes(step)) this.stills.push([place.appendChild(this.picture()), cell, step]);
        else place.textContent = cell.status === "ok" ? "–" : cell.status;
      }
      return row;
    }));
  }

  // at: a place among the steps; between two whole ones the points move in a straight line.
  show(at) {
    this.at = at;
    const whole = Math.round(at), step = this.steps[whole];
    this.find(".step").value = whole;
    this.find("output").textContent = `${step}`;
    for (const cell of this.cells) {
      const place = cell.steps.findLastIndex((known) => known <= step);
      const held = cell.held[place];
      const over = cell.status !== "ok" && place === cell.steps.length - 1 ? `, ${cell.status} later` : "";
      cell.says.textContent = (held === null || held === undefined ? "" : `holds ${held}${this.count ? ` of ${this.count}` : ""}`) + over;
    }
    this.redrawLive();
  }

  redraw() {
    this.redrawLive();
    for (const [picture, cell, step] of this.stills) this.draw(picture, cell, cell.steps.indexOf(step), 0);
  }

  redrawLive() {
    const low = Math.floor(this.at), share = this.at - low;
    for (const cell of this.cells) {
      const from = Math.max(0, cell.steps.findLastIndex((known) => known <= this.steps[low]));
      const on = share > 0 && cell.steps[from + 1] === this.steps[low + 1];
      this.draw(cell.picture, cell, from, on ? share : 0);
    }
    if (this.stills.some(([picture]) => !picture.dataset.drawn)) {
      for (const [picture, cell, step] of this.stills) this.draw(picture, cell, cell.steps.indexOf(step), 0);
    }
  }

  draw(picture, cell, place, share) {
    picture.dataset.drawn = "1";
    if (!this.points) {
      picture.src = `data:image/png;base64,${cell.decoded[Math.round(place + share)]}`;
      return;
    }
    const side = Math.round((picture.clientWidth || 120) * devicePixelRatio);
    if (picture.width !== side) picture.width = picture.height = side;
    const pen = picture.getContext("2d"), style = getComputedStyle(this.root);
    const to = (value) => (value / EDGE + 1) * side / 2, up = (value) => (1 - value / EDGE) * side / 2;
    pen.clearRect(0, 0, side, side);
    pen.strokeStyle = pen.fillStyle = style.getPropertyValue("--truth");
    pen.lineWidth = devicePixelRatio;
    const radius = (this.shown.radius * side) / 2;
    pen.globalAlpha = radius ? 0.9 : 0.35;
    for (let i = 0; i < this.truth.length; i += 2) {
      if (this.truth[i] === OUTSIDE) continue;
      if (!radius) { pen.fillRect(to(this.truth[i]), up(this.truth[i + 1]), devicePixelRatio, devicePixelRatio); continue; }
      pen.beginPath();
      pen.arc(to(this.truth[i]), up(this.truth[i + 1]), Math.max(radius, 2), 0, 2 * Math.PI);
      pen.stroke();
    }
    pen.globalAlpha = 0.6;
    pen.fillStyle = style.getPropertyValue("--points");
    const dot = Math.max(1.5, side / 130), a = cell.decoded[place], b = cell.decoded[place + 1] ?? a;
    for (let i = 0; i < a.length; i += 2) {
      if (a[i] === OUTSIDE) continue;
      const moves = share > 0 && b[i] !== OUTSIDE;
      const x = moves ? a[i] + share * (b[i] - a[i]) : a[i], y = moves ? a[i + 1] + share * (b[i + 1] - a[i + 1]) : a[i + 1];
      pen.fillRect(to(x) - dot / 2, up(y) - dot / 2, dot, dot);
    }
  }

  play() {
    if (this.at >= this.steps.length - 1) this.show(0);
    const begun = performance.now(), first = this.at;
    this.find(".play").textContent = "Pause";
    const tick = (now) => {
      const at = Math.min(this.steps.length - 1, first + (now - begun) / (still.matches ? 2 * FRAME_MS : FRAME_MS));
      const shown = still.matches || !this.points ? Math.floor(at) : at;
      if (shown !== this.at) this.show(shown);
      if (at >= this.steps.length - 1) this.stop();
      else this.timer = requestAnimationFrame(tick);
    };
    this.timer = requestAnimationFrame(tick);
  }

  stop() {
    cancelAnimationFrame(this.timer);
    this.timer = 0;
    this.find(".play").textContent = "Play";
  }
}

// Decoding waits until a section is near the screen.
const near = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    new Gallery(target);
  }
}, { rootMargin: "400px" });
for (const root of document.querySelectorAll(".gallery")) near.observe(root);
