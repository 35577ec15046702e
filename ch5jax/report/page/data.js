// The sweep: columns as typed arrays, and the trials in their order.
const N = data.trials;
const columns = data.columns.map((one) => ({ ...one, words: one.values.words, values: unpack(one.values) }));
const named = (name) => columns.find((one) => one.name === name);
const ofPart = (part) => columns.find((one) => one.part === part);
const TRIAL = ofPart("trial").values; // the number of each row: in a sweep that is not finished, not its place
const GROUP = ofPart("group"), SCORE = named(data.objective), VERDICT = ofPart("verdict"), SEED = ofPart("seed");
const known = (column, i) => Number.isFinite(column.values[i]);

// a trial's place among all, the best first; those without a score last
const order = Uint32Array.from({ length: N }, (_, i) => i);
order.sort((a, b) => {
  const [p, q] = [SCORE.values[a], SCORE.values[b]];
  if (!Number.isFinite(p) || !Number.isFinite(q)) return Number.isFinite(q) - Number.isFinite(p) || a - b;
  return (data.maximize ? q - p : p - q) || a - b;
});
const rank = new Uint32Array(N);
order.forEach((trial, place) => { rank[trial] = place; });

const shown = (column, i) => column.words ? column.words[column.values[i]] : said(column.values[i], column.share);
const titled = (column) => column.label + (column.unit ? ` (${column.unit})` : "");
