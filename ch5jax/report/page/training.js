// One training: what it was given, what it met, by which evidence, and what its siblings say would be better.
function siblingWith(trial, remedy) { // who differs in this one value alone
  const cut = remedy.lastIndexOf(" "), column = columns.find((one) => one.part === "hyperparameter" && one.name === remedy.slice(0, cut));
  if (cut < 0 || !column) return null;
  const value = remedy.slice(cut + 1), number = Number(value);
  const is = column.words ? (i) => column.words[column.values[i]] === value : (i) => Number(column.values[i].toPrecision(3)) === number;
  const others = columns.filter((one) => (["hyperparameter", "group", "seed"].includes(one.part)) && one !== column);
  const same = (one, i) => one.values[i] === one.values[trial] || (!one.words && !known(one, i) && !known(one, trial));
  for (const i of order) if (i !== trial && is(i) && others.every((one) => same(one, i))) return { trial: i, column };
  return null;
}

function signalsOf(trial) {
  for (const part of data.signals.of) {
    part.rows ??= new Map(Array.from(unpack(part.trials), (one, row) => [one, row]));
    const row = part.rows.get(trial);
    if (row === undefined) continue;
    const found = {};
    for (const [name, { label, names, values }] of Object.entries(part.signals)) {
      const all = unpack(values), size = part.steps.length * names.length;
      found[name] = { label, names, at: (k, layer) => all[row * size + k * names.length + layer] };
    }
    return { steps: part.steps, ...found };
  }
  return null;
}

function panel(title, caption, traces, layout) {
  const figure = element("figure"), plot = element("div", undefined, { class: "chart small", role: "img", "aria-label": title });
  figure.append(element("h3", title), plot);
  if (caption) figure.append(element("figcaption", caption));
  byId("evidence").append(figure);
  Plotly.newPlot(plot, traces, themed({ margin: { l: 64, r: 8, t: 8, b: 40 }, ...layout }), CONFIG);
}

const RULES = { // what a verdict measures a signal against
  update_ratio: [0.1, "over 0.1 a step throws the weights"], flat_units: [0.5, "over a half, a layer is saturated"], spike: [10, "over 10, a cliff"],
};

function layerMap(signals, name) {
  const { label, names, at } = signals[name], share = name === "flat_units";
  const z = names.map((_, layer) => signals.steps.map((_, k) => { const v = at(k, layer); return Number.isFinite(v) && (share || v > 0) ? (share ? v : Math.log10(v)) : null; }));
  const shownNames = names.map((one, k) => plain(one || `layer ${k}`, 28));
  const text = names.map((_, layer) => signals.steps.map((_, k) => said(at(k, layer), share)));
  panel(label[0].toUpperCase() + label.slice(1), "By layer and step; the first layer is at the bottom.", [{
    type: "heatmap", x: signals.steps, y: shownNames.map((_, k) => k), z, text, hovertemplate: "step %{x}, %{text}<extra></extra>", zmin: share ? 0 : undefined, zmax: share ? 1 : undefined,
    ...scaleOf(share ? "share of units" : "‖∂L/∂z‖", share ? { tickformat: ".0%" } : decades(text.flat().map(Number))),
  }], { xaxis: { title: { text: "step" } }, yaxis: { tickvals: shownNames.map((_, k) => k), ticktext: shownNames, automargin: true } });
}

function lines(signals, name) {
  const { label, names, at } = signals[name], [limit, meaning] = RULES[name], few = names.slice(0, 12);
  const values = few.map((_, layer) => signals.steps.map((_, k) => { const v = at(k, layer); return v > 0 && Number.isFinite(v) ? v : null; }));
  if (!values.flat().some((v) => v !== null)) return;
  const traces = values.map((y, layer) => ({
    type: "scatter", mode: "lines+markers", x: signals.steps, y, name: plain(few[layer] || label, 28), showlegend: few.length > 1, marker: { size: 4 },
    line: { width: 2, color: `rgb(${data.looks[layer % data.looks.length]?.rgb ?? "0, 114, 178"})` }, hovertemplate: "step %{x}: %{y:.3g}",
  }));
  const steps = signals.steps;
  traces.push({ type: "scatter", mode: "lines", x: [steps[0], steps[steps.length - 1]], y: [limit, limit], hoverinfo: "skip", showlegend: false, line: { dash: "dot", width: 1.5, color: css("--muted") } });
  panel(label[0].toUpperCase() + label.slice(1), `Dotted: ${meaning}.`, traces, { xaxis: { title: { text: "step" } }, yaxis: { type: "log", automargin: true } });
}

function gradientNorms(trial) {
  const metric = data.curves.metrics.find((one) => one.name === "gradient_norm"), found = metric && course(metric, trial);
  if (!found) return;
  const usual = [], before = []; // the 0.99 quantile of those before it
  found.values.forEach((value) => {
    usual.push(before.length > 4 ? before[Math.floor(0.99 * (before.length - 1))] : null);
    if (!Number.isFinite(value)) return;
    let k = before.length;
    while (k > 0 && before[k - 1] > value) k -= 1;
    before.splice(k, 0, value);
  });
  panel("Gradient norm", "Dotted: the 0.99 quantile of those before; a cliff is ten times over it. Of the steps that are kept.", [
    { type: "scatter", mode: "lines", x: found.steps, y: finite(found.values), name: "‖g‖", line: { color: "rgb(0, 114, 178)", width: 1.5 }, hovertemplate: "step %{x}: %{y:.3g}<extra></extra>" },
    { type: "scatter", mode: "lines", x: found.steps, y: usual, name: "usual", line: { color: css("--muted"), dash: "dot", width: 1.5 }, hoverinfo: "skip" },
  ], { showlegend: false, xaxis: { title: { text: "step" } }, yaxis: { type: "log", automargin: true } });
}

function ownCurve(name, trial) {
  const metric = data.curves.metrics.find((one) => one.name === name), found = metric && course(metric, trial);
  if (!found) return;
  const positive = found.values.every((v) => !(v <= 0)) && !metric.share;
  panel(metric.label[0].toUpperCase() + metric.label.slice(1), "", [{
    type: "scatter", mode: found.steps.length > 30 ? "lines" : "lines+markers", x: found.steps, y: finite(found.values), line: { color: "rgb(0, 114, 178)", width: 1.8 },
    hovertemplate: `step %{x}: %{y:${metric.share ? ".2%" : ".4g"}}<extra></extra>`,
  }], { showlegend: false, xaxis: { title: { text: "step" } }, yaxis: { automargin: true, ...(positive ? { type: "log" } : metric.share ? { tickformat: ".0%" } : {}) } });
}

function showTraining(trial) {
  if (!(trial >= 0 && trial < N)) return;
  byId("training-name").textContent = `Training ${TRIAL[trial]}: ${shown(GROUP, trial)}`;
  const facts = columns.filter((one) => ["hyperparameter", "seed", "metric"].includes(one.part) && (one.words || known(one, trial)));
  byId("facts").replaceChildren(...facts.flatMap((one) => [element("dt", titled(one)), element("dd", shown(one, trial))]));
  const words = byId("words"), kept = data.words.of[trial], said = [];
  if (VERDICT) {
    const look = verdictLook(VERDICT.values[trial]), line = element("p", undefined, { class: "verdict" });
    const met = ofPart("difficulties"), all = met ? shown(met, trial).split(", ").map((one) => data.verdicts[one]?.label ?? one).join(", ") : "";
    line.append(swatch(look), element("b", look.label), element("span", all && all !== look.label ? ` met: ${all}` : ""));
    said.push(line);
  }
  if (kept) said.push(...kept.filter(([form]) => data.words.forms[form][0] !== "Curvature at the end: not available.").map(([form, ...numbers]) => element("p", data.words.forms[form].map((part, k) => part + (numbers[k] ?? "")).join(""))));
  else if (VERDICT) said.push(element("p", `In words: print(ch5jax.open(folder).diagnosis(${TRIAL[trial]})); the page has them of ${Object.keys(data.words.of).length.toLocaleString("en")} trainings.`, { class: "muted" }));
  if (VERDICT && !data.diagnosed.includes(trial)) said.push(element("p", `A sweep takes no curvature, and tells no saddle or local optimum: result.diagnose(${TRIAL[trial]}) does, and ch5jax report RUN --diagnose ${TRIAL[trial]} puts it here.`, { class: "muted" }));
  const remedy = ofPart("remedy"), better = remedy && shown(remedy, trial);
  if (better) {
    const sibling = siblingWith(trial, better), line = element("p", `Seen to work among its siblings: ${sibling ? `${sibling.column.label} ${better.slice(better.lastIndexOf(" ") + 1)}` : better.replaceAll("_", " ")}`, { class: "remedy" });
    if (sibling) {
      line.append(` (${SCORE.label} ${shown(SCORE, trial)} → ${shown(SCORE, sibling.trial)}) `);
      const button = element("button", `Show training ${TRIAL[sibling.trial]}`, { type: "button" });
      button.addEventListener("click", () => choose(sibling.trial));
      line.append(button);
    }
    said.push(line);
  }
  const tried = data.treatments[TRIAL[trial]];
  if (tried) said.push(triedTable(tried));
  words.replaceChildren(...said);
  drawEvidence();
}

const drawEvidence = whenSeen(byId("evidence"), () => {
  const trial = selection.chosen;
  for (const plot of byId("evidence").querySelectorAll(".chart")) Plotly.purge(plot);
  byId("evidence").replaceChildren();
  ownCurve("loss", trial);
  ownCurve(data.objective, trial);
  const signals = signalsOf(trial);
  if (signals?.layer_gradient_norms) layerMap(signals, "layer_gradient_norms");
  if (signals?.update_ratio) lines(signals, "update_ratio");
  gradientNorms(trial);
  if (signals?.spike) lines(signals, "spike");
  if (signals?.flat_units) layerMap(signals, "flat_units");
  byId("evidence-said").textContent = data.signals.kept && !signals ? `The page keeps the signals of ${data.signals.kept.toLocaleString("en")} trainings, and this is none of them; curves.parquet has all.` : "";
});

function triedTable(tried) {
  const table = element("table", undefined, { class: "tried" }), head = element("tr");
  for (const name of ["what was tried", SCORE.label, "gain ± error", "verdict"]) head.append(element("th", name));
  table.append(head);
  for (const one of tried) {
    const row = element("tr"), gain = one.gain === null ? "–" : `${one.gain >= 0 ? "+" : "−"}${said(Math.abs(one.gain), SCORE.share)} ± ${said(one.error ?? NaN, SCORE.share)}${one.better ? " *" : ""}`;
    if (one.chosen) row.className = "chosen";
    for (const cell of [one.what, said(one.score ?? NaN, SCORE.share), gain, data.verdicts[one.verdict]?.label ?? one.verdict]) row.append(element("td", cell));
    table.append(row);
  }
  const whole = element("div", undefined, { class: "wide" });
  whole.append(element("h3", "Remedies that were tried"), table, element("p", "* better than by chance", { class: "muted" }));
  return whole;
}
