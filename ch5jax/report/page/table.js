// The selected trainings, a row each; a heading sorts, Enter or a click on a row shows that training.
const ROWS = 50;
let tableRows = ROWS, sorted = { column: null, sign: 1 };

function tableColumns() {
  const unchanged = byId("unchanged").checked;
  return columns.filter((one) => ["group", "hyperparameter", "seed", "metric", "verdict", "remedy"].includes(one.part) && (one.varies || unchanged || one === SCORE || one === GROUP));
}

function drawTable() {
  const table = byId("trainings"), shownColumns = tableColumns();
  let rows = Array.from(order).filter((i) => selected[i]);
  const { column, sign } = sorted;
  if (column) {
    const words = column.words, of = (i) => words ? words[column.values[i]] : column.values[i];
    rows.sort((a, b) => {
      const [p, q] = [of(a), of(b)], [np, nq] = words ? [p === "", q === ""] : [!Number.isFinite(p), !Number.isFinite(q)];
      return np - nq || (words ? sign * p.localeCompare(q) : sign * (p - q) || 0) || rank[a] - rank[b];
    });
  }
  const head = element("tr");
  head.append(element("th", "#", { scope: "col" }));
  for (const one of shownColumns) {
    const th = element("th", undefined, { scope: "col" }), button = element("button", one.part === "remedy" ? "better with" : one.label, { type: "button" });
    if (one === column) th.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    button.addEventListener("click", () => {
      sorted = one === sorted.column ? { column: one, sign: -sorted.sign } : { column: one, sign: one.part === "metric" && one.share ? -1 : 1 };
      drawTable();
    });
    th.append(button);
    head.append(th);
  }
  table.tHead.replaceChildren(head);
  const body = rows.slice(0, tableRows).map((i) => {
    const row = element("tr", undefined, { tabindex: "0", "data-trial": TRIAL[i] });
    if (i === selection.chosen) row.setAttribute("aria-selected", "true");
    row.append(element("td", String(TRIAL[i])));
    for (const one of shownColumns) row.append(element("td", one.part === "verdict" ? verdictLook(one.values[i]).label : shown(one, i), one.words ? {} : { class: "number" }));
    return row;
  });
  table.tBodies[0].replaceChildren(...body);
  byId("more").hidden = rows.length <= tableRows;
  byId("more").textContent = `${Math.min(200, rows.length - tableRows).toLocaleString("en")} more of ${(rows.length - tableRows).toLocaleString("en")}`;
}

function listenToTable() {
  const body = byId("trainings").tBodies[0];
  const pick = (event) => { const row = event.target.closest("tr"); if (row) choose(TRIAL.indexOf(Number(row.dataset.trial)), true); };
  body.addEventListener("click", pick);
  body.addEventListener("keydown", (event) => { if (event.key === "Enter") pick(event); });
  byId("more").addEventListener("click", () => { tableRows += 200; drawTable(); });
  listeners.now.push(() => body.querySelectorAll("tr").forEach((row) => {
    if (Number(row.dataset.trial) === TRIAL[selection.chosen]) row.setAttribute("aria-selected", "true"); else row.removeAttribute("aria-selected");
  }));
  listeners.later.push(drawTable);
}
