// Parallel coordinates: a line for each training, an axis for each column; a stroke along an axis brushes it.
const AXES = 12, LINES = 3000, BEHIND = 1000, HASTY = 8; // more lines are a grey field; while the hand moves, an eighth

class Parallel {
  constructor(frame) {
    this.frame = frame;
    this.canvas = frame.appendChild(element("canvas"));
    this.pen = this.canvas.getContext("2d");
    new ResizeObserver(() => this.width !== frame.parentElement.clientWidth && this.axes()).observe(frame.parentElement);
    this.listen();
    const drawn = whenSeen(frame, () => this.draw(true)), whole = whenSeen(frame, () => this.draw()), placed = whenSeen(frame, () => this.axes());
    listeners.now.push((axes) => axes ? placed() : drawn());
    listeners.later.push(whole);
  }

  axes() {
    this.width = this.frame.parentElement.clientWidth;
    const unchanged = byId("unchanged").checked;
    const tests = columns.filter((one) => one.part === "metric" && one.name === data.objective.replace("validation_", "test_") && one !== SCORE);
    const inputs = columns.filter((one) => (one.part === "hyperparameter" && (one.varies || unchanged)) || (one.part === "group" && one.varies));
    this.columns = [...inputs.slice(0, AXES - 2), ...(SEED?.varies && inputs.length < 6 ? [SEED] : []), ...tests, SCORE];
    const wide = Math.max(this.frame.parentElement.clientWidth, printing ? 0 : 68 * this.columns.length), high = 320, ratio = devicePixelRatio || 1;
    this.canvas.style.width = `${wide}px`;
    this.canvas.style.height = `${high}px`;
    this.canvas.width = Math.round(wide * ratio);
    this.canvas.height = Math.round(high * ratio);
    this.ratio = ratio;
    const [left, right] = [56, 56], gap = (wide - left - right) / Math.max(1, this.columns.length - 1);
    this.top = 54;
    this.high = high - 54 - 16;
    this.sides = this.columns.map((column, k) => ({ column, x: left + k * gap, ends: ends(column) }));
    this.heights = this.sides.map(({ column, ends: [low, high] }) => {
      const found = new Float32Array(N);
      for (let i = 0; i < N; i++) {
        const at = place(column, column.values[i]), aside = column === GROUP && SEED?.varies ? ((i * 7919) % 97 / 97 - 0.5) * 0.3 : 0;
        found[i] = Number.isFinite(at) ? this.top + this.high * (1 - (at + aside - low) / (high - low)) : NaN;
      }
      return found;
    });
    this.draw();
  }

  draw(hasty = false) {
    const { pen, sides } = this, fewer = hasty ? HASTY : 1;
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.lineWidth = 1;
    pen.lineJoin = "bevel";
    const behind = [], above = [];
    const every = Math.max(1, Math.ceil(fewer * (visibleCount - selectedCount) / BEHIND)), each = Math.max(1, Math.ceil(fewer * selectedCount / LINES));
    let [b, a] = [0, 0];
    for (const i of order) if (visible[i]) {
      if (!selected[i]) { if (b++ % every === 0) behind.push(i); } else if (a++ % each === 0 || a < 200) above.push(i);
    }
    pen.strokeStyle = css("--faint");
    pen.globalAlpha = Math.max(0.25, Math.min(1, 200 / behind.length));
    this.lines(behind);
    pen.globalAlpha = 1;
    const { of, looks } = coloured();
    const opacity = Math.max(0.12, Math.min(0.8, 60 / above.length + 0.1));
    above.reverse();
    for (let from = 0; from < above.length; from += 250) { // so that no colour lies over all others
      const buckets = new Map();
      for (const i of above.slice(from, from + 250)) (buckets.get(of(i)) ?? buckets.set(of(i), []).get(of(i))).push(i);
      for (const [look, trials] of buckets) {
        pen.strokeStyle = `rgba(${looks[look].rgb}, ${opacity})`;
        this.lines(trials);
      }
    }
    if (selection.chosen >= 0) {
      pen.strokeStyle = css("--text");
      pen.lineWidth = 2.5;
      this.lines([selection.chosen]);
    }
    const text = css("--text"), muted = css("--muted"), accent = css("--accent");
    pen.textAlign = "center";
    for (const { column, x, ends: [low, high] } of sides) {
      pen.strokeStyle = muted;
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(x, this.top);
      pen.lineTo(x, this.top + this.high);
      pen.stroke();
      const range = selection.brushes.get(column.name);
      if (range) {
        const [y1, y0] = range.map((value) => this.top + this.high * (1 - (place(column, value) - low) / (high - low)));
        pen.fillStyle = accent;
        pen.fillRect(x - 4, Math.max(this.top, y0 - 2), 8, Math.min(this.top + this.high, y1 + 2) - Math.max(this.top, y0 - 2));
      }
      pen.fillStyle = text;
      pen.font = "600 12px system-ui, sans-serif";
      const last = x === sides[sides.length - 1].x && sides.length > 1; // the outer titles stay inside
      pen.textAlign = x === sides[0].x ? "left" : last ? "right" : "center";
      const room = sides.length > 1 ? sides[1].x - sides[0].x - 6 : 200, at = pen.textAlign === "left" ? x - 52 : last ? x + 52 : x;
      const cut = pen.measureText(column.label).width > room ? column.label.indexOf(" ") : -1; // on two lines, where one is too short
      if (cut > 0) pen.fillText(this.fitting(column.label.slice(0, cut), room), at, 14);
      pen.fillText(this.fitting(column.label.slice(cut + 1), room), at, 28);
      pen.textAlign = "center";
      pen.font = "11px system-ui, sans-serif";
      pen.fillStyle = muted;
      if (column.words) {
        const few = Math.ceil(column.words.length / 14);
        pen.textAlign = "left";
        column.words.forEach((word, code) => {
          if (code % few) return;
          const y = this.top + this.high * (1 - (code - low) / (high - low)) + 4;
          this.haloed(this.fitting(word, Math.max(90, (sides.length > 1 ? sides[1].x - sides[0].x : 200) - 14), true), x + 7, y);
        });
        pen.textAlign = "center";
      } else {
        const room = (high - low) / 27, [least, most] = extent(column), whole = (at) => { const end = Math.max(least, Math.min(most, unplaced(column, at))), value = Math.abs(end) < 1e-9 * (most - least) ? 0 : end; return column.share ? `${Number((100 * value).toPrecision(2))} %` : said(Number(value.toPrecision(2))); };
        pen.fillText(whole(high - room), x, 44);
        pen.fillText(whole(low + room), x, this.top + this.high + 13);
      }
    }
  }

  haloed(text, x, y) {
    const { pen } = this;
    pen.lineWidth = 3;
    pen.strokeStyle = css("--paper");
    pen.strokeText(text, x, y);
    pen.fillText(text, x, y);
  }

  fitting(text, width, bothEnds = false) { // names that begin alike differ at their end
    if (this.pen.measureText(text).width <= width) return text;
    const cut = (length) => bothEnds ? `${text.slice(0, Math.ceil(length / 2))}…${text.slice(text.length - Math.floor(length / 2))}` : text.slice(0, length) + "…";
    let length = Math.min(text.length - 1, 60);
    while (length > 1 && this.pen.measureText(cut(length)).width > width) length -= 1;
    return cut(length);
  }

  lines(trials) {
    const { pen, sides, heights } = this;
    pen.beginPath();
    for (const i of trials) {
      let on = false;
      for (let k = 0; k < sides.length; k++) {
        const y = heights[k][i];
        if (!(y >= -1e4)) { // a group without this column: the line goes on behind it
          if (k === sides.length - 1 && on) pen.lineTo(sides[k].x, this.top + this.high + 3);
          continue;
        }
        const inside = Math.max(this.top - 3, Math.min(this.top + this.high + 3, y));
        if (on) pen.lineTo(sides[k].x, inside); else { pen.moveTo(sides[k].x, inside); on = true; }
      }
    }
    pen.stroke();
  }

  listen() {
    let from = null, side = null, frame = 0;
    const at = (event) => { const box = this.canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    const sideAt = (x) => this.sides.reduce((best, one) => Math.abs(one.x - x) < Math.abs(best.x - x) ? one : best);
    const value = (side, y) => unplaced(side.column, side.ends[1] - (Math.max(this.top, Math.min(this.top + this.high, y)) - this.top) / this.high * (side.ends[1] - side.ends[0]));
    this.canvas.addEventListener("pointerdown", (event) => {
      const [x, y] = at(event), near = sideAt(x);
      if (event.button || Math.abs(near.x - x) > 24) return;
      [side, from] = [near, y];
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const [x, y] = at(event);
      this.canvas.style.cursor = Math.abs(sideAt(x).x - x) < 24 ? "ns-resize" : "default";
      if (from === null || Math.abs(y - from) < 4) return;
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => {
        if (from === null) return;
        const [low, high] = extent(side.column), inside = (one) => Math.min(Math.max(one, low), high);
        const range = [value(side, Math.max(from, y)), value(side, Math.min(from, y))].map(side.column.words ? (one) => one : inside);
        brush(side.column, side.column.words ? [Math.ceil(range[0] - 0.2), Math.floor(range[1] + 0.2)] : range);
        changed();
      });
    });
    this.canvas.addEventListener("pointerup", (event) => {
      if (from !== null && Math.abs(at(event)[1] - from) < 4) { brush(side.column, null); changed(); }
      from = null;
    });
    for (const name of ["pointercancel", "lostpointercapture"]) this.canvas.addEventListener(name, () => { from = null; });
  }
}
