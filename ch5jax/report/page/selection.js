// One selection for all charts: what is shown at all (by optimizer, verdict and rank), and of it what is brushed.
const selection = {
  colour: GROUP.words.length > 1 || !VERDICT ? "group" : "verdict",
  hidden: { group: new Set(), verdict: new Set() },
  top: 0, // only so many of the best; 0 for all
  brushes: new Map(), // a column's name -> [from, to], of words by number
  chosen: -1, // the training to look at
};
const visible = new Uint8Array(N), selected = new Uint8Array(N);
let selectedCount = N, visibleCount = N;
const listeners = { now: [], later: [] }; // later: what takes long is drawn when the hand rests
let waiting = 0;

function select() {
  const brushes = [...selection.brushes].map(([name, [from, to]]) => [named(name).values, from, to]);
  const { group, verdict } = selection.hidden;
  selectedCount = visibleCount = 0;
  let left = selection.top || N;
  for (const i of order) {
    let on = !group.has(GROUP.values[i]) && !(VERDICT && verdict.has(VERDICT.values[i])) && left > 0;
    if (on) left -= 1;
    visible[i] = on;
    visibleCount += on;
    for (const [values, from, to] of brushes) if (!(values[i] >= from && values[i] <= to)) { on = false; break; }
    selected[i] = on;
    selectedCount += on;
  }
}

function changed(axes = false) {
  select();
  listeners.now.forEach((listen) => listen(axes));
  clearTimeout(waiting);
  waiting = setTimeout(() => { listeners.later.forEach((listen) => listen()); keepInAddress(); }, 120);
}

function brush(column, range) { // null takes the brush away
  if (range) selection.brushes.set(column.name, range); else selection.brushes.delete(column.name);
}

const filtered = () => selection.brushes.size || selection.top || selection.hidden.group.size || selection.hidden.verdict.size;

function selectAll() {
  selection.brushes.clear();
  selection.hidden.group.clear();
  selection.hidden.verdict.clear();
  selection.top = 0;
  changed(true);
}

function choose(trial, go = false) {
  selection.chosen = trial;
  listeners.now.forEach((listen) => listen(false));
  showTraining(trial);
  keepInAddress();
  if (go) byId("training").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

// the address keeps what is selected: over a reload, for a colleague, and as more trainings are done: so by number and
// by word, whose places these shift
const range = (from, to) => Array.from({ length: Math.max(0, to - from + 1) }, (_, k) => from + k);
const codesOf = (column, list) => (Array.isArray(list) ? list : []).map((word) => column.words.indexOf(word)).filter((code) => code >= 0);
function keepInAddress() {
  const { colour, hidden, top, brushes, chosen } = selection;
  const words = (column, codes) => [...codes].map((code) => column.words[code]);
  const kept = { colour, top, chosen: TRIAL[chosen], group: words(GROUP, hidden.group), verdict: VERDICT ? words(VERDICT, hidden.verdict) : [] };
  kept.brushes = [...brushes].map(([name, [from, to]]) => [name, named(name).words ? words(named(name), range(from, to)) : [from, to]]);
  try { history.replaceState(null, "", filtered() || chosen !== order[0] ? `#${encodeURIComponent(JSON.stringify(kept))}` : location.pathname + location.search); }
  catch { /* some viewers let no page change its address */ }
}

function restore() {
  let kept;
  try { kept = JSON.parse(decodeURIComponent(location.hash.slice(1))); } catch { return; }
  if (!kept || typeof kept !== "object") return;
  const numbers = (list) => Array.isArray(list) ? list.filter(Number.isFinite) : [];
  if (colourings().some(([name]) => name === kept.colour)) selection.colour = kept.colour;
  if (Number.isInteger(kept.top) && kept.top > 0) selection.top = kept.top;
  selection.chosen = TRIAL.indexOf(kept.chosen);
  for (const [part, column] of [["group", GROUP], ["verdict", VERDICT]]) if (column) codesOf(column, kept[part]).forEach((code) => selection.hidden[part].add(code));
  for (const [name, range] of Array.isArray(kept.brushes) ? kept.brushes : []) {
    const codes = named(name)?.words && codesOf(named(name), range);
    if (codes?.length) selection.brushes.set(name, [Math.min(...codes), Math.max(...codes)]);
    else if (named(name) && !codes && numbers(range).length === 2) selection.brushes.set(name, range);
  }
}
