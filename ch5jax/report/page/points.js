// A point for each training, on a canvas over Plotly's axes: ten thousand of them follow the hand.
const tip = byId("tip");

function tell(trial, x, y) {
  if (trial < 0) { tip.hidden = true; return; }
  const parts = columns.filter((one) => one.varies && (one.part === "hyperparameter" || one.part === "seed") && (one.words || known(one, trial)));
  const lines = [`${shown(GROUP, trial)} · training ${TRIAL[trial]}`, ...parts.map((one) => `${one.label} ${shown(one, trial)}`), `${SCORE.label} ${shown(SCORE, trial)}`];
  if (VERDICT) lines.push(verdictLook(VERDICT.values[trial]).label);
  tip.replaceChildren(...lines.map((line) => element("div", line)));
  tip.hidden = false;
  const width = tip.offsetWidth, right = x + 14 + width > innerWidth;
  tip.style.left = `${Math.max(4, right ? x - width - 14 : x + 14)}px`;
  tip.style.top = `${Math.max(4, Math.min(y + 14, innerHeight - tip.offsetHeight - 4))}px`;
}

class Points {
  // frame: where it is drawn; sides() -> { x, y }, columns; look: what colours them, undefined for the selection's
  constructor(frame, sides, look, near = () => false) {
    Object.assign(this, { frame, sides, look, near, left: new Float32Array(N), top: new Float32Array(N) });
    this.plot = frame.appendChild(element("div", undefined, { class: "plot" }));
    this.canvas = frame.appendChild(element("canvas", undefined, { class: "over" }));
    this.box = frame.appendChild(element("div", undefined, { class: "box" }));
    this.box.hidden = true;
    this.stamps = new Map();
    new ResizeObserver(() => this.area && this.width !== frame.clientWidth && Plotly.Plots.resize(this.plot).then(() => this.placed())).observe(frame);
    this.listen();
    const drawn = whenSeen(frame, () => this.draw()), placed = whenSeen(frame, () => this.axes());
    listeners.now.push((axes) => axes ? placed() : drawn());
  }

  axes() {
    const { x, y } = this.sides();
    const room = (column, [low, high]) => this.look && !column.words ? [low - 0.06 * (high - low), high + 0.06 * (high - low)] : [low, high]; // for those around a place
    this.ends = { x: room(x, ends(x)), y: room(y, ends(y, this.near())) };
    const layout = themed({ xaxis: axis(x, this.ends.x), yaxis: axis(y, this.ends.y), dragmode: false });
    return plotted(this.plot, [], layout, { displayModeBar: false }).then(() => this.placed());
  }

  placed() { // where each trial lies, once for all that is drawn until the axes change
    const { x, y } = this.sides(), size = this.plot._fullLayout._size, { left, top } = this;
    this.width = this.frame.clientWidth;
    this.area = { x: size.l, y: size.t, w: size.w, h: size.h };
    const [x0, x1] = this.ends.x, [y0, y1] = this.ends.y;
    const seeds = SEED && SEED.varies ? new Map([...new Set(SEED.values)].sort((a, b) => a - b).map((seed, k, all) => [seed, (k + 0.5) / all.length - 0.5])) : null;
    const aside = (i) => seeds ? 0.55 * seeds.get(SEED.values[i]) : 0; // the seeds of a setting lie side by side
    for (let i = 0; i < N; i++) {
      let a = place(x, x.values[i]), b = place(y, y.values[i]);
      if (x.words) a += aside(i); else if (y.words) b -= aside(i);
      left[i] = size.l + (a - x0) / (x1 - x0) * size.w;
      top[i] = Number.isFinite(b) ? size.t + (1 - (b - y0) / (y1 - y0)) * size.h : y.part === "metric" ? size.t + size.h - 4 : NaN;
    }
    if (this.look === "verdict") this.spread();
    this.draw();
  }

  spread() { // who lies at the same place lies around it: the best would hide what the others met
    const places = new Map(), { left, top } = this;
    for (let i = 0; i < N; i++) { const at = `${left[i]} ${top[i]}`; (places.get(at) ?? places.set(at, []).get(at)).push(i); }
    const most = Math.max(...Array.from(places.values(), (one) => one.length)), pitch = Math.min(4, 20 / Math.sqrt(most));
    for (const trials of places.values()) trials.sort((a, b) => VERDICT.values[a] - VERDICT.values[b]).forEach((i, k) => {
      left[i] += pitch * Math.sqrt(k) * Math.cos(2.4 * k);
      top[i] += pitch * Math.sqrt(k) * Math.sin(2.4 * k);
    });
  }

  draw() {
    if (!this.area) return;
    const { width, height } = this.frame.getBoundingClientRect(), ratio = devicePixelRatio || 1;
    const wide = Math.round(width * ratio), high = Math.round(height * ratio), { canvas, area, left, top } = this;
    if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.save();
    pen.beginPath();
    pen.rect(area.x - 1, area.y - 1, area.w + 2, area.h + 2);
    pen.clip();
    const { y } = this.sides(), lost = y.part === "metric" ? (i) => !known(y, i) : () => false;
    if (selectedCount < visibleCount) {
      pen.fillStyle = css("--faint");
      for (let i = 0; i < N; i++) if (visible[i] && !selected[i] && !lost(i)) pen.fillRect(left[i] - 1.5, top[i] - 1.5, 3, 3);
    }
    const { of, looks } = coloured(this.look), r = selectedCount > 3000 ? 2.4 : 3.4;
    const stamps = looks.map((look) => stamp(look, r, ratio)), half = stamps[0].width / ratio / 2;
    for (let k = N - 1; k >= 0; k--) { // the best on top
      const i = order[k];
      if (!selected[i] || !(top[i] > -50)) continue;
      if (lost(i)) { // without a value: a cross on the floor
        pen.strokeStyle = `rgb(${looks[of(i)].rgb})`;
        pen.beginPath();
        pen.moveTo(left[i] - 3, top[i] - 3); pen.lineTo(left[i] + 3, top[i] + 3);
        pen.moveTo(left[i] + 3, top[i] - 3); pen.lineTo(left[i] - 3, top[i] + 3);
        pen.stroke();
      } else pen.drawImage(stamps[of(i)], left[i] - half, top[i] - half, 2 * half, 2 * half);
    }
    const { chosen } = selection;
    if (chosen >= 0) {
      pen.strokeStyle = css("--text");
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(left[chosen], top[chosen], 7, 0, 7);
      pen.stroke();
    }
    pen.restore();
  }

  nearest(x, y, reach = 14) {
    let found = -1, least = reach * reach;
    for (let i = 0; i < N; i++) if (selected[i]) {
      const d = (this.left[i] - x) ** 2 + (this.top[i] - y) ** 2;
      if (d < least) { least = d; found = i; }
    }
    return found;
  }

  listen() {
    let from = null, frame = 0;
    const at = (event) => { const box = this.canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      from = at(event);
      this.before = new Map(selection.brushes);
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const [x, y] = at(event);
      if (!from || Math.hypot(x - from[0], y - from[1]) < 5) {
        const near = this.nearest(x, y);
        this.canvas.style.cursor = near >= 0 ? "pointer" : "crosshair";
        if (event.pointerType === "mouse") tell(near, event.clientX, event.clientY);
        return;
      }
      tell(-1);
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => from && this.brushed(from, [x, y]));
    });
    this.canvas.addEventListener("pointerup", (event) => {
      const to = at(event), start = from;
      from = null;
      this.box.hidden = true;
      if (!start) return;
      if (Math.hypot(to[0] - start[0], to[1] - start[1]) >= 5) { this.brushed(start, to); this.box.hidden = true; return; }
      const near = this.nearest(...to, event.pointerType === "mouse" ? 14 : 24);
      if (near >= 0) { choose(near); return; }
      const { x, y } = this.sides();
      if (selection.brushes.has(x.name) || selection.brushes.has(y.name)) { brush(x, null); brush(y, null); changed(); }
    });
    for (const name of ["pointercancel", "lostpointercapture"]) this.canvas.addEventListener(name, () => { from = null; this.box.hidden = true; });
    this.canvas.addEventListener("pointerleave", () => tell(-1));
  }

  brushed([xa, ya], [xb, yb]) { // a box; drawn flat, along one side alone
    const { area, ends: { x: ex, y: ey } } = this, { x, y } = this.sides();
    const flat = Math.abs(yb - ya) < 10, thin = Math.abs(xb - xa) < 10;
    const [x0, x1] = [Math.min(xa, xb), Math.max(xa, xb)], [y0, y1] = [Math.min(ya, yb), Math.max(ya, yb)];
    const across = (px) => unplaced(x, ex[0] + (px - area.x) / area.w * (ex[1] - ex[0]));
    const up = (px) => unplaced(y, ey[1] - (px - area.y) / area.h * (ey[1] - ey[0]));
    const whole = (column, ends) => {
      if (column.words || column.part === "seed") return [Math.ceil(ends[0]), Math.floor(ends[1])];
      const [low, high] = extent(column); // no further than there are values
      return [Math.min(Math.max(ends[0], low), high), Math.max(Math.min(ends[1], high), low)];
    };
    selection.brushes = new Map(this.before); // along the other side, what was brushed elsewhere stays
    if (!thin) brush(x, whole(x, [across(x0), across(x1)]));
    if (!flat) brush(y, whole(y, [up(y1), up(y0)]));
    const box = { left: thin ? area.x : x0, top: flat ? area.y : y0, width: thin ? area.w : x1 - x0, height: flat ? area.h : y1 - y0 };
    for (const [name, value] of Object.entries(box)) this.box.style[name] = `${value}px`;
    this.box.hidden = false;
    changed();
  }
}
