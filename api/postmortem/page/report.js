// Where scripts run, drawings become charts that can be asked and zoomed, as wide as the page.

// Where fingers move the page, they do not move what is in a chart.
const withFingers = window.matchMedia("(pointer: coarse)").matches;

function fit(spec, width) {
  spec.width = "container";
  // What is beside and above a chart must leave room for it.
  spec.config.axisY.labelLimit = Math.min(spec.config.axisY.labelLimit, 0.4 * width);
  if (width < 500) spec.config.legend.columns = 2;
  if (withFingers) {
    for (const layer of spec.layer) delete layer.params;
  }
  return spec;
}

for (const source of document.querySelectorAll("script[data-chart]")) {
  const drawn = document.getElementById(source.dataset.chart);
  const live = document.createElement("div");
  live.className = "chart";
  drawn.after(live);
  vegaEmbed(live, fit(JSON.parse(source.textContent), live.clientWidth), { actions: false, renderer: "svg" }).then(
    () => {
      live.setAttribute("role", "img");
      live.setAttribute("aria-label", drawn.getAttribute("aria-label"));
      drawn.remove();
    },
    (error) => {
      // The drawing that is there already stays.
      live.remove();
      console.error(error);
    },
  );
}

// What is folded away is missing on paper.
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    details.dataset.folded = "";
  }
});
window.addEventListener("afterprint", () => {
  for (const details of document.querySelectorAll("details[data-folded]")) {
    details.open = false;
    delete details.dataset.folded;
  }
});
