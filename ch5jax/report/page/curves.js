// How it went: single curves of a few trainings, medians and quantiles of many.
const FEW = 30;
let courseRows = null; // of each metric, a trial -> [part, row]

function courses(metric) {
  courseRows ??= new Map();
  if (!courseRows.has(metric.name)) {
    const rows = new Map();
    metric.of.forEach((part) => {
      part.numbers = unpack(part.values);
      unpack(part.trials).forEach((trial, row) => rows.set(trial, [part, row]));
    });
    courseRows.set(metric.name, rows);
  }
  return courseRows.get(metric.name);
}

function course(metric, trial) { // its steps and values, or nothing where they are not kept
  const found = courses(metric).get(trial);
  if (!found) return null;
  const [part, row] = found, count = part.steps.length;
  return { steps: part.steps, values: part.numbers.subarray(row * count, (row + 1) * count) };
}

const finite = (values) => Array.from(values, (one) => Number.isFinite(one) ? one : null);
const bestTrials = () => Object.values(data.best).flat();

function drawCurves() {
  const frame = byId("curves"), metric = data.curves.metrics[byId("curve-of").value];
  if (!metric) return;
  const log = byId("curve-log").checked, across = byId("curve-log-x").checked, all = !filtered();
  const wanted = all ? bestTrials() : Array.from(order).filter((i) => selected[i]);
  const { of, looks } = coloured(selection.colour === "verdict" ? "verdict" : "group"), traces = [];
  const names = selection.colour === "verdict" && VERDICT ? VERDICT.words.map((_, code) => verdictLook(code).label) : GROUP.words;
  const kept = wanted.filter((i) => courses(metric).has(i));
  const form = metric.share ? ".2%" : ".4g", single = kept.length <= FEW && !all;
  if (single) {
    const legends = new Set();
    for (const i of kept) {
      const { steps, values } = course(metric, i), look = of(i);
      traces.push({
        type: "scatter", mode: "lines", x: steps, y: finite(values), meta: i, name: plain(names[look]), legendgroup: `${look}`, showlegend: !legends.has(look),
        line: { color: `rgb(${looks[look].rgb})`, width: i === selection.chosen ? 3.5 : 1.5 }, hovertemplate: `training ${TRIAL[i]}<br>step %{x}: %{y:${form}}<extra></extra>`,
      });
      legends.add(look);
    }
  } else {
    const sets = new Map(); // what is alike and has the same steps, together
    for (const i of kept) {
      const [part] = courses(metric).get(i), key = `${of(i)} ${part.steps.length} ${part.steps[part.steps.length - 1]}`;
      (sets.get(key) ?? sets.set(key, []).get(key)).push(i);
    }
    for (const trials of sets.values()) {
      const look = of(trials[0]), rgb = looks[look].rgb, { steps } = course(metric, trials[0]), bands = [[], [], []];
      steps.forEach((_, k) => {
        const here = trials.map((i) => course(metric, i).values[k]).filter(Number.isFinite).sort((a, b) => a - b);
        const at = (q) => { // between two of them, where it lies there
          const place = q * (here.length - 1), low = Math.floor(place);
          return here.length > trials.length / 2 ? here[low] + (place - low) * ((here[low + 1] ?? here[low]) - here[low]) : null;
        };
        [at(0.1), at(0.5), at(0.9)].forEach((value, b) => bands[b].push(value));
      });
      const known = steps.map((_, k) => k).filter((k) => bands[1][k] !== null);
      if (trials.length > 1) traces.push({
        type: "scatter", mode: "lines", x: [...known, ...known.slice().reverse()].map((k) => steps[k]), y: [...known.map((k) => bands[2][k]), ...known.slice().reverse().map((k) => bands[0][k])],
        fill: "toself", fillcolor: `rgba(${rgb}, 0.16)`, line: { width: 0 }, hoverinfo: "skip", showlegend: false, legendgroup: `${look}`,
      });
      traces.push({
        type: "scatter", mode: "lines", x: steps, y: bands[1], name: plain(names[look]), legendgroup: `${look}`, line: { color: `rgb(${rgb})`, width: 2, dash: ["solid", "dot", "dash"][Math.floor(look / 7) % 3] },
        hovertemplate: `${plain(names[look])}, ${counted(trials.length, "training")}<br>step %{x}: %{y:${form}}<extra></extra>`,
      });
    }
    const { chosen } = selection, own = chosen >= 0 ? course(metric, chosen) : null;
    if (own) traces.push({ type: "scatter", mode: "lines", x: own.steps, y: finite(own.values), meta: chosen, name: `training ${TRIAL[chosen]}`, line: { color: css("--text"), width: 2.5 } });
  }
  const title = metric.label + (metric.unit ? ` (${metric.unit})` : "");
  const yaxis = { title: { text: plain(title) + (log ? ", log scale" : "") }, automargin: true, ...(log ? { type: "log" } : metric.share ? { tickformat: ".0%" } : {}) };
  plotted(frame, traces, themed({ showlegend: namesFit(traces), xaxis: { title: { text: "step" }, ...(across ? { type: "log" } : {}) }, yaxis }), CONFIG);
  if (!frame.listening) {
    frame.listening = true;
    frame.on("plotly_click", ({ points: [point] }) => Number.isInteger(point.data.meta) && choose(point.data.meta));
  }
  const what = all ? "The best setting of each optimizer" : counted(wanted.length, "selected training");
  const how = single ? "" : kept.length > 1 ? ": median, and the band from the 10th to the 90th percentile" : "";
  const left = wanted.length - kept.length;
  byId("curves-said").textContent = `${what}${how}.${left ? ` The page keeps the curves of ${data.curves.kept.toLocaleString("en")} of ${N.toLocaleString("en")} trainings: ${left.toLocaleString("en")} of these are left out.` : ""}${metric.label.startsWith("training") ? " Each value is of the steps' own mini-batches." : ""}`;
}
