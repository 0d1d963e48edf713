"use strict";
for (const figure of document.querySelectorAll("figure.chart")) {
  const chart = JSON.parse(figure.querySelector("script").textContent);
  const layout = {
    height: 300,
    margin: {l: 56, r: 12, t: 8, b: 44},
    font: {family: "system-ui, sans-serif", size: 13, color: "#1c1c1c"},
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    ...chart.layout,
  };
  Plotly.newPlot(figure.querySelector(".plot"), chart.data, layout, {responsive: true, displaylogo: false, displayModeBar: false});
}
