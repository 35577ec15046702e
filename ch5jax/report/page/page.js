// Puts the page together: what is seen first is drawn first.
restore();
if (selection.chosen < 0) selection.chosen = data.diagnosed[0] ?? order[0]; // who asked for one wants to see it
select();
menus();
["group", "verdict"].forEach(chips);
filters();
if (VERDICT) marks();
leaders();
listeners.now.push(brushChips);
listeners.later.push(colourScale);

const near = () => byId("score-near").getAttribute("aria-pressed") === "true";
const chart = { };
const steps = [
  () => drawFigures(),
  () => {
    chart.score = new Points(byId("score"), () => ({ x: named(byId("score-x").value), y: named(byId("score-y").value) }), undefined, near);
    return chart.score.axes();
  },
  () => { chart.parallel = new Parallel(byId("parallel")); chart.parallel.axes(); },
  () => { if (byId("heat")) { drawHeat(); listeners.later.push(whenSeen(byId("heat"), drawHeat)); } },
  () => { drawTable(); listenToTable(); },
  () => { drawCurves(); listeners.later.push(whenSeen(byId("curves"), drawCurves)); },
  () => {
    if (!byId("map")) return null;
    chart.map = new Points(byId("map"), () => ({ x: named(byId("map-x").value), y: named(byId("map-y").value) }), "verdict");
    return chart.map.axes();
  },
  () => { brushChips(); colourScale(); showTraining(selection.chosen); },
];
const rest = () => new Promise((go) => setTimeout(go, 0)); // so that the browser can paint what is there
(async () => {
  await rest();
  for (const step of steps) { await step(); await rest(); }
  document.documentElement.dataset.ready = "";
})();

drawsForPaper(() => {
  paints.clear();
  drawFigures();
  changed(true);
  if (printing) listeners.later.forEach((listen) => listen());
  showTraining(selection.chosen);
});
new ResizeObserver(([{ target }]) => document.documentElement.style.setProperty("--bar", `${getComputedStyle(target).position === "sticky" ? target.offsetHeight : 0}px`)).observe(document.querySelector(".bar"));
byId("colour").addEventListener("change", (event) => { selection.colour = event.target.value; changed(); });
byId("top").addEventListener("change", (event) => { selection.top = Number(event.target.value); changed(true); });
byId("all").addEventListener("click", () => { selectAll(); byId("top").value = "0"; });
byId("unchanged").addEventListener("change", () => { chart.parallel.axes(); drawTable(); });
for (const id of ["score-x", "score-y"]) byId(id).addEventListener("change", () => chart.score.axes());
byId("score-near").addEventListener("click", (event) => { event.target.setAttribute("aria-pressed", !near()); chart.score.axes(); });
byId("score-log").addEventListener("click", (event) => {
  const column = named(byId("score-y").value);
  column.log = !column.log;
  event.target.setAttribute("aria-pressed", column.log);
  changed(true);
});
for (const id of ["heat-x", "heat-y", "heat-of"]) byId(id)?.addEventListener("change", drawHeat);
for (const id of ["map-x", "map-y"]) byId(id)?.addEventListener("change", () => chart.map.axes());
for (const id of ["curve-of", "curve-log", "curve-log-x"]) byId(id).addEventListener("change", drawCurves);
byId("curve-of").addEventListener("change", () => { byId("curve-log").checked = false; });
addEventListener("keydown", (event) => { if (event.key === "Escape" && filtered()) selectAll(); });

