// A heat map over any two columns: the selected trainings in cells, the best or the median of each.
const CELLS = 24;

function cells(column) { // edges in the axis' own steps, and where a value lies among them
  if (column.words) return { edges: Array.from({ length: column.words.length + 1 }, (_, k) => k - 0.5) };
  const [low, high] = ends(column);
  let tried = [...new Set(column.values)].filter((one) => Number.isFinite(place(column, one))).map((one) => place(column, one)).sort((a, b) => a - b);
  if (tried.length > 2 * CELLS) return { edges: Array.from({ length: CELLS + 1 }, (_, k) => low + k / CELLS * (high - low)) };
  if (tried.length === 1) return { edges: [tried[0] - 0.5, tried[0] + 0.5] };
  const middles = tried.slice(1).map((one, k) => (one + tried[k]) / 2);
  return { edges: [2 * tried[0] - middles[0], ...middles, 2 * tried[tried.length - 1] - middles[middles.length - 1]] };
}

function cellOf(edges, at) {
  let low = 0, high = edges.length - 1;
  if (!(at >= edges[0] && at <= edges[high])) return -1;
  while (high - low > 1) { const middle = (low + high) >> 1; if (at >= edges[middle]) low = middle; else high = middle; }
  return low;
}

function drawHeat() {
  const frame = byId("heat"), x = named(byId("heat-x").value), y = named(byId("heat-y").value), best = byId("heat-of").value === "best";
  if (!x || !y) return;
  const [ax, ay] = [cells(x), cells(y)], wide = ax.edges.length - 1, high = ay.edges.length - 1;
  const found = Array.from({ length: wide * high }, () => []);
  for (let i = 0; i < N; i++) if (selected[i] && known(SCORE, i)) {
    const [a, b] = [cellOf(ax.edges, place(x, x.values[i])), cellOf(ay.edges, place(y, y.values[i]))];
    if (a >= 0 && b >= 0) found[b * wide + a].push(SCORE.values[i]);
  }
  const values = found.map((one) => {
    if (!one.length) return null;
    one.sort((p, q) => p - q);
    return best ? one[data.maximize ? one.length - 1 : 0] : (one[(one.length - 1) >> 1] + one[one.length >> 1]) / 2;
  });
  const rows = Array.from({ length: high }, (_, b) => values.slice(b * wide, (b + 1) * wide));
  const text = Array.from({ length: high }, (_, b) => Array.from({ length: wide }, (_, a) => {
    const count = found[b * wide + a].length, value = values[b * wide + a];
    return count ? `${said(value, SCORE.share)}, ${counted(count, "training")}` : "";
  }));
  const steps = (column, edges) => edges.map((one) => unplaced(column, one));
  const form = SCORE.log ? { z: rows.map((row) => row.map((v) => v === null ? null : Math.log10(v))), log: true } : { z: rows };
  const trace = {
    type: "heatmap", x: steps(x, ax.edges), y: steps(y, ay.edges), z: form.z, text, hovertemplate: "%{text}<extra></extra>",
    ...scaleOf(`${best ? "best" : "median"} ${titled(SCORE)}`, form.log ? decades(values) : SCORE.share ? { tickformat: shareFormat(Math.min(...values.filter(Number.isFinite)), Math.max(...values)) } : {}), reversescale: !data.maximize, xgap: 1, ygap: 1,
  };
  const range = (edges) => [edges[0], edges[edges.length - 1]];
  plotted(frame, [trace], themed({ xaxis: axis(x, range(ax.edges)), yaxis: axis(y, range(ay.edges)), margin: { l: 64, r: 8, t: 12, b: 48 } }), CONFIG);
  if (!frame.listening) {
    frame.listening = true;
    frame.on("plotly_click", ({ points: [point] }) => { // a cell brushes what lies in it
      const [b, a] = point.pointIndex ?? point.pointNumber, [hx, hy] = [named(byId("heat-x").value), named(byId("heat-y").value)];
      const [ex, ey] = [cells(hx).edges, cells(hy).edges];
      brush(hx, [unplaced(hx, ex[a]), unplaced(hx, ex[a + 1])]);
      brush(hy, [unplaced(hy, ey[b]), unplaced(hy, ey[b + 1])]);
      changed();
    });
  }
}
