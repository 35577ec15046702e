// Optimizers on their way over a function of two variables.
const runs = data.runs.map((run) => ({ ...run, path: unpack(run.path), values: unpack(run.values), hidden: false }));
const last = data.steps.length - 1, stage = byId("stage"), scrub = byId("scrub");
const whole = 8; // seconds from the start to the end, at speed 1
const rows = (packed) => { const all = unpack(packed), wide = data.x.length; return data.y.map((_, k) => Array.from(all.subarray(k * wide, (k + 1) * wide), (v) => Number.isFinite(v) ? v : null)); };
const heights = rows(data.heights), values = rows(data.values);
const player = { at: 0, playing: false, before: 0 };
const plot = stage.appendChild(element("div", undefined, { class: "plot" })), canvas = stage.appendChild(element("canvas", undefined, { class: "over still" }));
const RAMP = { light: [[0, "#5d6a78"], [0.5, "#b4bfca"], [1, "#f6f8fa"]], dark: [[0, "#0c0e10"], [0.5, "#333b44"], [1, "#6a7683"]] };
const cursor = element("div", undefined, { class: "cursor" }); // where the player is, beside
const place = (value) => Math.abs(value) < 100 ? value.toFixed(3) : said(value);
let area = null;

function drawStage() {
  const side = (values) => ({ range: [values[0], values[values.length - 1]], fixedrange: true, zeroline: false, showgrid: false });
  const trace = {
    type: "contour", x: data.x, y: data.y, z: heights, text: values.map((row) => row.map((v) => said(v ?? NaN))), hovertemplate: "%{x:.3f}, %{y:.3f}: %{text}<extra></extra>",
    ncontours: 24, showscale: false, colorscale: RAMP[isDark() ? "dark" : "light"], line: { width: 0.6, color: "rgba(128, 136, 146, .7)" },
  };
  const layout = themed({ xaxis: { ...side(data.x), title: { text: plain(data.axes[0]) } }, yaxis: { ...side(data.y), title: { text: plain(data.axes[1]) } }, margin: { l: 48, r: 12, t: 8, b: 40 } });
  return plotted(plot, [trace], layout, { displayModeBar: false }).then(() => {
    const { l, t, w, h } = plot._fullLayout._size;
    area = { l, t, w, h, width: stage.clientWidth };
  });
}

function drawHeights() {
  const traces = runs.filter((run) => !run.hidden).map((run) => ({
    type: "scatter", mode: "lines", name: plain(run.name), showlegend: false, x: data.steps, y: Array.from(run.values, (v) => v > data.floor ? v - data.floor : null),
    line: { color: `rgb(${run.look.rgb})`, width: 1.8 }, hovertemplate: `${plain(run.name)}<br>step %{x}: %{y:.3g}<extra></extra>`,
  }));
  return plotted(byId("heights"), traces, themed({ xaxis: { title: { text: "step" }, range: [data.steps[0], data.steps[last]] }, yaxis: { type: "log", automargin: true } }), CONFIG);
}

const where = (x, y) => [area.l + (x - data.x[0]) / (data.x[data.x.length - 1] - data.x[0]) * area.w, area.t + (1 - (y - data.y[0]) / (data.y[data.y.length - 1] - data.y[0])) * area.h];

function mark(pen, kind, x, y) {
  pen.beginPath();
  if (kind === "minimum") for (let k = 0; k < 10; k++) pen.lineTo(x + (k % 2 ? 3.4 : 8) * Math.sin(k * Math.PI / 5), y - (k % 2 ? 3.4 : 8) * Math.cos(k * Math.PI / 5));
  else if (kind === "saddle") for (const [a, b] of [[-6, -3], [-3, -6], [0, -3], [3, -6], [6, -3], [3, 0], [6, 3], [3, 6], [0, 3], [-3, 6], [-6, 3], [-3, 0]]) pen.lineTo(x + a, y + b);
  else if (kind === "maximum") { pen.moveTo(x, y - 7); pen.lineTo(x + 6, y + 5); pen.lineTo(x - 6, y + 5); } else pen.rect(x - 5, y - 5, 10, 10);
  pen.closePath();
  pen.fill();
  pen.stroke();
}

function draw() {
  if (!area) return;
  const ratio = devicePixelRatio || 1, { width, height } = stage.getBoundingClientRect(), { at } = player;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.beginPath();
  pen.rect(area.l, area.t, area.w, area.h);
  pen.clip();
  const trails = byId("trails").value, from = trails === "all" ? 0 : trails === "none" ? at : Math.max(0, at - Math.max(20, Math.round(last / 20)));
  const heads = [];
  for (const run of runs) {
    if (run.hidden) continue;
    pen.strokeStyle = `rgb(${run.look.rgb})`;
    pen.lineWidth = 2.2;
    pen.lineJoin = "round";
    pen.beginPath();
    let head = null;
    for (let k = from; k <= at; k++) {
      const [x, y] = [run.path[2 * k], run.path[2 * k + 1]];
      if (!Number.isFinite(x)) break;
      head = where(Math.max(-1e6, Math.min(1e6, x)), Math.max(-1e6, Math.min(1e6, y)));
      pen.lineTo(...head);
    }
    pen.stroke();
    if (head) heads.push([run.look, head]);
  }
  pen.lineWidth = 1.5;
  pen.strokeStyle = css("--paper");
  for (const [{ rgb, shape }, head] of heads) {
    pen.fillStyle = `rgb(${rgb})`;
    outline(pen, shape, ...head, 6);
    pen.fill();
    pen.stroke();
  }
  pen.fillStyle = isDark() ? "#7fdcbb" : "#00563f"; // over those who stand there
  for (const point of data.points) mark(pen, point.kind, ...where(...point.at));
  scrub.value = at;
  byId("step").value = `step ${data.steps[at].toLocaleString("en")}`;
  const order = [...runs].sort((a, b) => (Number.isFinite(a.values[at]) ? a.values[at] : Infinity) - (Number.isFinite(b.values[at]) ? b.values[at] : Infinity));
  for (const run of order) {
    const [value, x, y] = run.cells, lost = !Number.isFinite(run.values[at]);
    value.textContent = lost ? "diverged" : said(run.values[at]);
    for (const [cell, side] of [[x, 0], [y, 1]]) cell.textContent = lost ? "–" : place(run.path[2 * at + side]);
  }
  const side = byId("heights")._fullLayout, at01 = side && (data.steps[at] - side.xaxis.range[0]) / (side.xaxis.range[1] - side.xaxis.range[0]);
  cursor.hidden = !(at01 >= 0 && at01 <= 1);
  if (!cursor.hidden) Object.assign(cursor.style, { left: `${side._size.l + at01 * side._size.w}px`, top: `${side._size.t}px`, height: `${side._size.h}px` });
}

function tick(now) {
  if (!player.playing) return;
  const due = Math.max(0, now - player.before) / 1000 / whole * last * Number(byId("speed").value) + (player.rest ?? 0), steps = Math.floor(due);
  player.rest = due - steps;
  player.before = now;
  player.at = Math.min(last, player.at + steps);
  if (player.at >= last) play(false);
  draw();
  if (player.playing) requestAnimationFrame(tick);
}

function play(on) {
  player.playing = on;
  byId("play").textContent = on ? "Pause" : "Play";
  byId("play").setAttribute("aria-pressed", on);
  if (!on) { draw(); return; }
  if (player.at >= last) player.at = 0;
  player.before = performance.now();
  requestAnimationFrame(tick);
}

scrub.max = last;
for (const run of runs) {
  const row = element("tr"), name = element("td"), chip = element("button", undefined, { type: "button", class: "chip", "aria-pressed": "true" });
  chip.append(swatch(run.look), element("span", run.name, { class: "name" }));
  chip.addEventListener("click", () => { run.hidden = !run.hidden; chip.setAttribute("aria-pressed", !run.hidden); drawHeights(); draw(); });
  name.append(chip);
  run.cells = ["value", "x", "y"].map(() => element("td", "", { class: "number" }));
  row.append(name, ...run.cells);
  byId("now").tBodies[0].append(row);
}
byId("play").addEventListener("click", () => play(!player.playing));
scrub.addEventListener("input", () => { player.at = Number(scrub.value); player.playing = false; play(false); });
byId("trails").addEventListener("change", draw);
addEventListener("keydown", (event) => {
  if (event.key !== " " || ["SELECT", "BUTTON"].includes(event.target.tagName)) return;
  event.preventDefault();
  play(!player.playing);
});
new ResizeObserver(() => area && area.width !== stage.clientWidth && Plotly.Plots.resize(plot).then(drawStage).then(draw)).observe(stage);
const redraw = () => { paints.clear(); return drawStage().then(drawHeights).then(draw); };
drawsForPaper(redraw);
drawStage().then(drawHeights).then(() => {
  byId("heights").append(cursor);
  byId("heights").on("plotly_relayout", draw);
  draw();
  document.documentElement.dataset.ready = "";
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play(true);
});
