// Draws the figures of the report. Values are in the element #figures; by their keys; a figure is {kind, values}.
//   lines   {x, series: [{label, y, dash}], xLabel, yLabel, log, events: [{x, label}], band: [low, high], zero}    uPlot
//   points  {series: [{label, x, y}], x: [low, high], y: [low, high], xLabel, yLabel, circle}                      SVG
//   heat    {values: rows of numbers, xLabel, yLabel}                                                              canvas
(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const LIGHT = ["#0072b2", "#c44f00", "#007a58", "#a8508a", "#8a6100", "#3a6ea5", "#444444"];
  const DARK = ["#56b4e9", "#ff9d5c", "#3ddba6", "#e69fc7", "#f0c04a", "#9ecbff", "#cccccc"];
  const isDark = () => !root.classList.contains("print") && matchMedia("(prefers-color-scheme: dark)").matches;
  const color = n => (isDark() ? DARK : LIGHT)[n % LIGHT.length];
  const css = name => getComputedStyle(root).getPropertyValue(name).trim();
  const element = (name, attributes = {}, text = "") => {
    const made = name.startsWith("svg:") ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4)) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== "") made.textContent = text;
    return made;
  };

  function legend(series) {
    const list = element("ul", { class: "legend" });
    series.forEach((one, n) => {
      const item = element("li"), line = element("i", one.dash ? { class: "dash" } : {});
      line.style.borderTopColor = color(n);
      item.append(line, document.createTextNode(one.label));
      list.append(item);
    });
    return list;
  }

  const events = (values, ink) => ({
    hooks: {
      draw: plot => {
        const { ctx, bbox } = plot, ratio = devicePixelRatio || 1;
        ctx.save();
        ctx.font = `${11 * ratio}px system-ui, sans-serif`;
        ctx.strokeStyle = ctx.fillStyle = ink;
        let row = 0;
        for (const event of values) {
          const x = plot.valToPos(event.x, "x", true);
          if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
          ctx.setLineDash([3 * ratio, 3 * ratio]);
          ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
          const right = x > bbox.left + bbox.width / 2;
          ctx.textAlign = right ? "right" : "left";
          ctx.fillText(event.label, x + (right ? -4 : 4) * ratio, bbox.top + (12 + 14 * row) * ratio);
          row = (row + 1) % 4;
        }
        ctx.restore();
      },
    },
  });

  function number(value) {
    if (value === null || value === undefined) return "";
    const size = Math.abs(value);
    if (size >= 1e5 || (size > 0 && size < 1e-3)) return value.toExponential(0).replace("e+", "e");
    return String(+value.toPrecision(4));
  }

  function lines(place, values) {
    const ink = css("--quiet"), grid = { stroke: css("--grid"), width: 1 };
    const axis = { stroke: ink, grid, ticks: grid, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif" };
    const data = [values.x, ...values.series.map(one => one.y)];
    const series = [{ label: values.xLabel }, ...values.series.map((one, n) => ({
      label: one.label, stroke: color(n), width: 2, dash: one.dash ? [6, 5] : undefined, points: { show: values.x.length < 30, size: 5 },
      spanGaps: true, value: (_, value) => number(value),
    }))];
    const bands = [];
    if (values.band) {
      data.push(...values.band);
      const hidden = { stroke: "transparent", width: 0, points: { show: false } };
      series.push({ ...hidden }, { ...hidden });
      bands.push({ series: [series.length - 1, series.length - 2], fill: css("--grid") });
    }
    const narrow = place.clientWidth < 480;
    const options = {
      width: place.clientWidth, height: narrow ? 220 : 280, series, bands, legend: { show: false },
      cursor: { drag: { x: true, y: false } },
      scales: { x: { time: false }, y: { distr: values.log ? 3 : 1 } },
      axes: [
        { ...axis, label: values.xLabel, labelSize: 20, size: 40, values: (_, ticks) => ticks.map(number) },
        { ...axis, label: values.yLabel || undefined, labelSize: 20, size: 56, values: (_, ticks) => ticks.map(number) },
      ],
      plugins: [events(values.events || [], ink)],
    };
    if (values.zero) options.plugins.push(horizontal(0, ink));
    new uPlot(options, data, place);
    if (values.series.length > 1) place.append(legend(values.series));
  }

  const horizontal = (value, ink) => ({
    hooks: {
      draw: plot => {
        const y = plot.valToPos(value, "y", true), { ctx, bbox } = plot;
        if (y < bbox.top || y > bbox.top + bbox.height) return;
        ctx.save(); ctx.strokeStyle = ink; ctx.setLineDash([4, 4]); ctx.beginPath();
        ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke(); ctx.restore();
      },
    },
  });

  function points(place, values) {
    const W = Math.min(place.clientWidth, 520), H = Math.round(W * 0.78), left = 48, bottom = 40, top = 10, right = 12;
    const svg = element("svg:svg", { viewBox: `0 0 ${W} ${H}`, width: W, height: H, "aria-hidden": "true" });
    const [x0, x1] = values.x, [y0, y1] = values.y;
    const px = x => left + (x - x0) / (x1 - x0) * (W - left - right), py = y => H - bottom - (y - y0) / (y1 - y0) * (H - bottom - top);
    svg.append(element("svg:rect", { x: left, y: top, width: W - left - right, height: H - bottom - top, fill: "none", stroke: css("--line") }));
    if (values.circle) svg.append(element("svg:ellipse", { cx: px(0), cy: py(0), rx: px(1) - px(0), ry: py(0) - py(1), fill: "none",
      stroke: css("--quiet"), "stroke-dasharray": "4 4" }));
    values.series.forEach((one, n) => one.x.forEach((x, k) => {
      if (x !== null && one.y[k] !== null) svg.append(element("svg:circle", { cx: px(x), cy: py(one.y[k]), r: 3, fill: color(n), "fill-opacity": 0.65 }));
    }));
    const label = (x, y, text, more = {}) => svg.append(element("svg:text", { x, y, fill: css("--quiet"), "font-size": 12, "text-anchor": "middle", ...more }, text));
    label(left, H - bottom + 15, number(x0)); label(W - right - 8, H - bottom + 15, number(x1));
    label(left - 6, H - bottom, number(y0), { "text-anchor": "end" }); label(left - 6, top + 10, number(y1), { "text-anchor": "end" });
    label((left + W - right) / 2, H - 6, values.xLabel);
    label(14, (top + H - bottom) / 2, values.yLabel, { transform: `rotate(-90 14 ${(top + H - bottom) / 2})` });
    place.append(svg);
    if (values.series.length > 1) place.append(legend(values.series));
  }

  function heat(place, values) {
    const rows = values.values, R = rows.length, C = rows[0].length;
    const canvas = element("canvas", { class: "heat", width: C, height: R });
    canvas.style.height = `${Math.min(Math.max(R * 3, 120), 380)}px`;
    const image = canvas.getContext("2d").createImageData(C, R), size = Math.max(...rows.flat().map(value => Math.abs(value || 0)), 1e-9);
    const [zero, low, high] = isDark() ? [[22, 27, 34], [86, 180, 233], [255, 157, 92]] : [[255, 255, 255], [0, 114, 178], [196, 79, 0]];
    rows.forEach((row, r) => row.forEach((value, c) => {
      const part = Math.min(Math.abs(value || 0) / size, 1), end = (value || 0) < 0 ? low : high, at = 4 * (r * C + c);
      for (let k = 0; k < 3; k++) image.data[at + k] = Math.round(zero[k] + part * (end[k] - zero[k]));
      image.data[at + 3] = 255;
    }));
    canvas.getContext("2d").putImageData(image, 0, 0);
    place.append(canvas, element("p", { class: "axis" }, `${values.xLabel} → · ${values.yLabel} ↓ · ±${number(size)}`));
  }

  const draw = { lines, points, heat };
  function all() {
    for (const place of document.querySelectorAll(".plot")) {
      const figure = figures[place.dataset.figure];
      place.replaceChildren();
      draw[figure.kind](place, figure.values);
    }
  }

  let width = 0, waiting = 0;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { if (root.clientWidth !== width) { width = root.clientWidth; all(); } }, 120);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  addEventListener("beforeprint", () => { root.classList.add("print"); all(); });
  addEventListener("afterprint", () => { root.classList.remove("print"); all(); });
  width = root.clientWidth;
  all();
})();
