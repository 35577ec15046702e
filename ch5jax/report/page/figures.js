// Charts that were made beforehand, as Plotly has them.
const figures = [...document.querySelectorAll("[data-figure]")];

const drawFigures = () => Promise.all(figures.map((div) => {
  const { data: traces, layout } = data.figures[div.dataset.figure];
  return plotted(div, traces, themed({ showlegend: namesFit(traces), ...structuredClone(layout) }), CONFIG);
}));

for (const button of document.querySelectorAll("button.near[data-range]")) button.addEventListener("click", () => {
  const near = button.getAttribute("aria-pressed") !== "true", div = button.closest("figure").querySelector("[data-figure]");
  const whole = data.figures[div.dataset.figure].layout.yaxis.range;
  button.setAttribute("aria-pressed", near);
  Plotly.relayout(div, near || whole ? { "yaxis.range": near ? JSON.parse(button.dataset.range) : whole } : { "yaxis.autorange": true });
});
