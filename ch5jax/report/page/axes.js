// Where a column's values lie on an axis: in equal steps of the value or of its logarithm, words side by side.
const place = (column, value) => column.words ? value : column.log ? Math.log10(value) : value;
const unplaced = (column, at) => column.log && !column.words ? 10 ** at : at;

// the least and the largest value of a column
function extent(column) {
  if (!column.extent) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of column.values) if (Number.isFinite(value)) { if (value < low) low = value; if (value > high) high = value; }
    column.extent = [low, high];
  }
  return column.extent;
}

// the ends of an axis in its own steps, over the trials that are shown; not those far off, where `near` is asked for
function ends(column, near = false) {
  if (column.words) return [-0.6, column.words.length - 0.4];
  let values = [];
  for (let i = 0; i < N; i++) if (visible[i]) {
    const at = place(column, column.values[i]);
    if (Number.isFinite(at)) values.push(at);
  }
  if (!values.length) return [0, 1];
  values.sort((a, b) => a - b);
  let [low, high] = [values[0], values[values.length - 1]];
  if (near && column === SCORE) { // from the best to the median: there lie those that are worth a look
    const middle = values[values.length >> 1];
    if (data.maximize) low = middle; else high = middle;
  } else if (column.part === "metric" && values.length > 20) { // one that is far off would flatten all others
    const [q1, q9] = [values[Math.floor(0.05 * values.length)], values[Math.floor(0.95 * values.length)]], reach = 4 * (q9 - q1);
    low = Math.max(low, q1 - reach);
    high = Math.min(high, q9 + reach);
  }
  const room = 0.04 * (high - low) || 0.04 * Math.abs(high) || 0.5;
  return [low - room, high + room];
}

const shareFormat = (low, high) => high - low < 0.05 ? ".1%" : ".0%";

function axis(column, range) {
  const title = { text: plain(titled(column)) + (column.log && !column.words ? ", log scale" : ""), standoff: 8 };
  const made = { title, range, automargin: true, zeroline: false, fixedrange: true };
  if (column.words) {
    const few = Math.ceil(column.words.length / 24), codes = column.words.map((_, code) => code).filter((code) => code % few === 0);
    return { ...made, tickvals: codes, ticktext: codes.map((code) => plain(column.words[code], 22)) };
  }
  if (column.log) return { ...made, type: "log", ...(range[1] - range[0] > 2 ? { dtick: innerWidth < 500 && range[1] - range[0] > 4 ? 2 : 1 } : {}) };
  return column.share ? { ...made, tickformat: shareFormat(...range) } : made;
}

// a colour bar whose colours are logarithms: the values themselves beside it
function decades(values) {
  const some = values.filter((one) => one > 0 && Number.isFinite(one)).map(Math.log10), [low, high] = [Math.min(...some), Math.max(...some)];
  const steps = high - low > 2 ? [1] : high - low > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9], every = Math.ceil((high - low) / 6) || 1, tickvals = [];
  for (let power = Math.floor(low); power <= high; power += every) for (const step of steps) if (power + Math.log10(step) >= low && power + Math.log10(step) <= high) tickvals.push(power + Math.log10(step));
  if (tickvals.length < 2) tickvals.splice(0, 1, low, high);
  return { tickvals, ticktext: tickvals.map((at) => said(Number((10 ** at).toPrecision(3)))) };
}

// what can lie on an axis: what varies
const placeable = () => columns.filter((one) => one.varies && ["group", "hyperparameter", "seed", "metric"].includes(one.part));
const searched = () => columns.filter((one) => one.varies && (one.part === "hyperparameter" || (one.part === "group" && one.words.length < 60)));

function options(menu, choices, chosen) { // choices: [value, label]
  menu.replaceChildren(...choices.map(([value, label]) => element("option", label, { value })));
  menu.value = chosen;
}
