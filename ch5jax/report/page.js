"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const divs = [...document.querySelectorAll(".chart")];
  const figures = JSON.parse(document.getElementById("figures").textContent);

  function colours(isDark) {
    const [text, grid, paper] = isDark ? ["#e6e8eb", "#3a3f45", "#1f2226"] : ["#1c1e21", "#e3e5e9", "#ffffff"];
    const changes = {
      "font.color": text, "font.family": "system-ui, sans-serif", "font.size": 13,
      "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
      "hoverlabel.bgcolor": paper, "hoverlabel.font.color": text, "legend.bgcolor": "rgba(0,0,0,0)",
      "modebar.bgcolor": "rgba(0,0,0,0)", "modebar.color": "#8a9099", "modebar.activecolor": text,
    };
    for (const axis of ["xaxis", "yaxis"])
      Object.assign(changes, { [axis + ".gridcolor"]: grid, [axis + ".zerolinecolor"]: grid, [axis + ".linecolor"]: grid, [axis + ".tickcolor"]: text });
    return changes;
  }

  // by name, since Plotly's own choice has a button that uploads the chart
  const modeBarButtons = [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]];
  const config = { responsive: true, displaylogo: false, modeBarButtons };
  const drawn = divs.map((div, i) => Plotly.newPlot(div, figures[i].data, structuredClone(figures[i].layout), config).then(() => Plotly.relayout(div, colours(dark.matches))));
  Promise.all(drawn).then(() => { window.ready = true; });

  const recolour = (isDark) => divs.forEach((div) => Plotly.relayout(div, colours(isDark)));
  dark.addEventListener("change", () => recolour(dark.matches));
  addEventListener("beforeprint", () => { recolour(false); divs.forEach((div) => Plotly.Plots.resize(div)); });
  addEventListener("afterprint", () => { recolour(dark.matches); divs.forEach((div) => Plotly.Plots.resize(div)); });

  document.querySelectorAll("button.near").forEach((button) => button.addEventListener("click", () => {
    const near = button.getAttribute("aria-pressed") !== "true";
    const div = button.closest("figure").querySelector(".chart");
    const whole = figures[divs.indexOf(div)].layout.yaxis.range;
    button.setAttribute("aria-pressed", near);
    Plotly.relayout(div, near || whole ? { "yaxis.range": near ? JSON.parse(button.dataset.range) : whole } : { "yaxis.autorange": true });
  }));

  // a click on a heading of the table of settings sorts by it, a second one the other way round; blanks stay last
  const table = document.getElementById("settings");
  table.querySelectorAll("th").forEach((th, column) => th.firstElementChild.addEventListener("click", () => {
    const sign = th.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    th.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].map((row) => [row.cells[column].textContent, row]);
    const blank = (text) => text === "" || text === "–";
    const numeric = rows.every(([text]) => blank(text) || !Number.isNaN(parseFloat(text)));
    rows.sort(([a], [b]) => blank(a) - blank(b) || sign * (numeric ? parseFloat(a) - parseFloat(b) : a.localeCompare(b)) || 0);
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }));
})();
