// Colours and marks, told apart with any kind of colour vision, on paper that is light or dark.
const VIRIDIS = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];
const BUCKETS = 24;

function viridis(t) {
  const place = Math.min(Math.max(t, 0), 1) * (VIRIDIS.length - 1), low = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return VIRIDIS[low].map((v, k) => Math.round(v + (place - low) * (VIRIDIS[low + 1][k] - v)));
}

const paints = new Map(); // the style sheet's colours, asked for once: until the paper changes
function css(name) {
  if (!paints.has(name)) paints.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return paints.get(name);
}
const verdictLook = (code) => data.verdicts[VERDICT.words[code]] ?? { rgb: [127, 127, 127], shape: 0, label: VERDICT.words[code] };
const groupLook = (code) => data.looks[code];

function colourings() {
  const found = [["group", "optimizer"], [data.objective, SCORE.label]];
  if (VERDICT) found.splice(1, 0, ["verdict", "verdict"]);
  const more = columns.filter((one) => one.varies && !one.words && (one.part === "hyperparameter" || one.part === "metric") && one !== SCORE);
  return [...found, ...more.map((one) => [one.name, one.label])];
}

// what a number is coloured by: where it lies between the 2nd and the 98th of 100 of those that are shown
function scaled(column) {
  const values = [];
  for (let i = 0; i < N; i++) if (visible[i] && known(column, i)) values.push(place(column, column.values[i]));
  values.sort((a, b) => a - b);
  const low = values[Math.floor(0.02 * values.length)] ?? 0, high = values[Math.floor(0.98 * (values.length - 1))] ?? 1;
  return { low, high, at: (value) => (place(column, value) - low) / (high - low || 1) };
}

// each trial's look by number, and the looks: few, so that marks are drawn from a stamp of each
function coloured(by = selection.colour) {
  if (by === "group") return { of: (i) => GROUP.values[i], looks: data.looks };
  if (by === "verdict" && VERDICT) return { of: (i) => VERDICT.values[i], looks: VERDICT.words.map((_, code) => verdictLook(code)) };
  const column = named(by) ?? SCORE, scale = scaled(column);
  const looks = Array.from({ length: BUCKETS }, (_, b) => ({ rgb: viridis((b + 0.5) / BUCKETS), shape: 0 }));
  looks.push({ rgb: [127, 127, 127], shape: 2 });
  return { looks, scale, column, of: (i) => known(column, i) ? Math.min(BUCKETS - 1, Math.max(0, Math.floor(scale.at(column.values[i]) * BUCKETS))) : BUCKETS };
}

function outline(pen, shape, x, y, r) {
  pen.beginPath();
  if (shape === 0) pen.arc(x, y, r, 0, 7);
  else if (shape === 1) pen.rect(x - 0.85 * r, y - 0.85 * r, 1.7 * r, 1.7 * r);
  else if (shape === 2) { pen.moveTo(x, y - 1.2 * r); pen.lineTo(x + 1.2 * r, y); pen.lineTo(x, y + 1.2 * r); pen.lineTo(x - 1.2 * r, y); pen.closePath(); }
  else { const turn = shape === 3 ? -1 : 1; pen.moveTo(x, y + turn * 1.2 * r); pen.lineTo(x + 1.1 * r, y - turn * 0.8 * r); pen.lineTo(x - 1.1 * r, y - turn * 0.8 * r); pen.closePath(); }
}

function stamp(look, r, ratio) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.ceil((2.6 * r + 2) * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const middle = canvas.width / ratio / 2;
  outline(pen, look.shape, middle, middle, r);
  pen.fillStyle = `rgba(${look.rgb}, 0.85)`;
  pen.fill();
  return canvas;
}

function swatch(look) {
  const canvas = stamp(look, 5, 2);
  canvas.className = "swatch";
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

// a legend of many long names would take the chart's room; their colours stand beside them on the page
function namesFit(traces) {
  const names = [...new Set(traces.filter((one) => one.name && one.showlegend !== false).map((one) => one.name))];
  return names.length > 1 && names.join("").length < (innerWidth < 800 ? 50 : 120);
}

// a heat map's colours, with what they mean beside them
const scaleOf = (title, more = {}) => ({
  colorscale: VIRIDIS.map((rgb, k) => [k / (VIRIDIS.length - 1), `rgb(${rgb})`]),
  colorbar: { thickness: 12, outlinewidth: 0, title: { text: plain(title), side: "right" }, ...more },
});

// Plotly's layout on this paper
function themed(layout) {
  const [text, grid, paper] = [css("--text"), css("--grid"), css("--paper")];
  const axis = { gridcolor: grid, zerolinecolor: grid, linecolor: grid, tickcolor: grid };
  const made = {
    margin: { l: 64, r: 16, t: 12, b: 48 }, hovermode: "closest", ...layout,
    font: { color: text, family: "system-ui, sans-serif", size: 12.5 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    hoverlabel: { bgcolor: paper, font: { color: text }, namelength: 40 }, modebar: { bgcolor: "rgba(0,0,0,0)", color: "#8a9099", activecolor: text },
  };
  for (const name of Object.keys(made)) if (/^[xy]axis/.test(name)) {
    made[name] = { ...axis, ...made[name] };
    if (made[name].type === "log") made[name] = { nticks: 4, ...made[name], tickformat: "~g" }; // whole numbers of one size
  }
  made.legend = { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, bgcolor: "rgba(0,0,0,0)", ...layout.legend };
  return made;
}
// by name, since Plotly's own choice has a button that uploads the chart
const CONFIG = { responsive: true, displaylogo: false, modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["resetScale2d"]] };
// drawn, or drawn anew, at the size that its place has now: Plotly keeps the first
const plotted = (div, traces, layout, config = CONFIG) => Plotly.react(div, traces, div.clientWidth ? { ...layout, width: div.clientWidth, height: div.clientHeight } : layout, config);
