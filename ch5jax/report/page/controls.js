// What a reader sets: colours, which trainings are shown, and filters by number, for those who use no mouse.
const chipsOf = { group: "groups", verdict: "verdicts" };

function chips(part) {
  const row = byId(chipsOf[part]), column = part === "group" ? GROUP : VERDICT;
  if (!column) { row.hidden = true; return; }
  const counts = new Map();
  column.values.forEach((code) => counts.set(code, (counts.get(code) ?? 0) + 1));
  const codes = [...counts.keys()].sort((a, b) => part === "group" ? a - b : counts.get(b) - counts.get(a));
  for (const code of codes) {
    const look = part === "group" ? groupLook(code) : verdictLook(code);
    const chip = element("button", undefined, { type: "button", class: "chip", "data-code": code });
    chip.append(swatch(look), element("span", part === "group" ? column.words[code] : look.label, { class: "name" }), element("span", counts.get(code).toLocaleString("en"), { class: "count" }));
    chip.addEventListener("click", () => {
      const hidden = selection.hidden[part];
      if (hidden.has(code)) hidden.delete(code); else hidden.add(code);
      changed(true);
    });
    row.append(chip);
  }
}

function filters() { // the same brushes, as numbers to type
  const table = byId("filters");
  for (const column of placeable()) {
    if (column === GROUP) continue; // which has its names above
    const line = element("div", undefined, { class: "filter" });
    line.append(element("span", column.label, { class: "name" }));
    if (column.words) { line.append(wordFilter(column)); table.append(line); continue; }
    for (const k of [0, 1]) {
      const input = element("input", undefined, { type: "text", inputmode: "decimal", size: "8", "aria-label": `${column.label} ${k ? "to" : "from"}`, placeholder: k ? "to" : "from" });
      input.addEventListener("change", () => {
        const read = (one, without) => { const text = one.value.trim(), value = Number(text.replace("%", "")); return text === "" || Number.isNaN(value) ? without : column.share ? value / 100 : value; };
        const [from, to] = line.querySelectorAll("input"), range = [read(from, -Infinity), read(to, Infinity)];
        brush(column, range.some(Number.isFinite) ? range.map((one) => Math.max(-1e300, Math.min(1e300, one))) : null);
        changed();
      });
      line.append(input);
    }
    table.append(line);
    listeners.now.push(() => {
      const range = selection.brushes.get(column.name), write = (value) => Math.abs(value) >= 1e300 ? "" : String(Number((column.share ? 100 * value : value).toPrecision(4)));
      line.querySelectorAll("input").forEach((input, k) => { if (document.activeElement !== input) input.value = range ? write(range[k]) : ""; });
    });
  }
}

function wordFilter(column) { // one word, or all
  const menu = element("select", undefined, { "aria-label": column.label });
  options(menu, [["", "all"], ...column.words.map((word, code) => [String(code), word])], "");
  menu.addEventListener("change", () => { brush(column, menu.value === "" ? null : [Number(menu.value), Number(menu.value)]); changed(); });
  listeners.now.push(() => { const [from, to] = selection.brushes.get(column.name) ?? []; menu.value = from !== undefined && from === to ? String(from) : ""; });
  return menu;
}

function leaders() { // the leaderboard tells the colours of the charts below it
  for (const place of document.querySelectorAll("#leaderboard .of-group")) if (data.looks.length > 1) place.append(swatch(groupLook(Number(place.dataset.code))));
}

function marks() { // what the map's colours mean
  byId("map-marks")?.append(...VERDICT.words.map((_, code) => { const one = element("span"); one.append(swatch(verdictLook(code)), ` ${verdictLook(code).label}`); return one; }));
}

function brushChips() {
  const found = [...selection.brushes].map(([name, [from, to]]) => {
    const column = named(name), write = (value) => Math.abs(value) >= 1e300 ? "…" : said(value, column.share);
    const what = column.words ? column.words.filter((_, code) => code >= from && code <= to).slice(0, 4).join(", ") || "none" : `${write(from)} to ${write(to)}`;
    const chip = element("button", `${column.label} ${what} ✕`, { type: "button", class: "chip brushed", "aria-label": `Remove the filter ${column.label} ${what}` });
    chip.addEventListener("click", () => { brush(column, null); changed(); });
    return chip;
  });
  byId("brushes").replaceChildren(...found);
  byId("all").disabled = !filtered();
  byId("selected-count").textContent = `${selectedCount.toLocaleString("en")} of ${counted(N, "training")} selected`;
  for (const [part, id] of Object.entries(chipsOf))
    byId(id).querySelectorAll(".chip").forEach((chip) => chip.setAttribute("aria-pressed", !selection.hidden[part].has(Number(chip.dataset.code))));
}

function colourScale() { // what the colours of a number mean
  const { scale, column } = coloured(), frame = byId("scale");
  frame.hidden = !scale;
  if (!scale) return;
  const [low, ramp, high] = frame.children, ends = [scale.low, scale.high].map((at) => said(unplaced(column, at), column.share));
  [low.textContent, high.textContent] = ends;
  ramp.style.background = `linear-gradient(to right, ${VIRIDIS.map((rgb) => `rgb(${rgb})`).join(", ")})`;
}

function menus() {
  const sides = placeable(), inputs = searched(), listed = (some) => some.map((one) => [one.name, one.label]);
  const rate = inputs.find((one) => one.name.split(".").pop() === "learning_rate") ?? inputs.find((one) => !one.words) ?? inputs[0] ?? sides[0] ?? SCORE;
  const other = inputs.find((one) => one !== rate && one.part === "hyperparameter") ?? inputs.find((one) => one !== rate) ?? SEED ?? SCORE;
  const metrics = columns.filter((one) => one.part === "metric");
  options(byId("colour"), colourings(), selection.colour);
  options(byId("score-x"), listed(sides.length ? sides : [SCORE]), rate.name);
  options(byId("score-y"), listed(metrics), SCORE.name);
  for (const chart of ["heat", "map"]) for (const [side, chosen] of [["x", rate], ["y", other]]) {
    const menu = byId(`${chart}-${side}`);
    if (menu) options(menu, listed([...new Set([...inputs, ...(SEED?.varies ? [SEED] : []), chosen])]), chosen.name);
  }
  options(byId("curve-of"), data.curves.metrics.map((one, k) => [String(k), one.label]), "0");
  options(byId("top"), [["0", "all"], ["10", "the best 10"], ["50", "the best 50"], ["200", "the best 200"], [String(Math.ceil(N / 4)), "the best quarter"], [String(Math.ceil(N / 2)), "the best half"]].filter(([k]) => Number(k) < N), String(selection.top));
}
