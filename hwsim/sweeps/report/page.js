"use strict";
// Linked views over the points of a sweep. What is shown is `state`; every change draws all views again.
const data = JSON.parse(document.getElementById("data").textContent);
const { points, figures, settings } = data;
const by = (id) => document.getElementById(id);
const style = getComputedStyle(document.documentElement);
const color = (name) => style.getPropertyValue(name).trim();
const fields = [...settings.map((f) => ({ ...f, kind: "set" })), ...figures.map((f) => ({ ...f, kind: "figure" }))];
const column = (field) => points[field.column];
const count = points.id.length;
const state = { model: data.model, limits: new Map(), ranges: new Map(), chosen: data.chosen, x: null, y: null };

const text = (value) => {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Math.abs(value) >= 1e4 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4)));
};
const node = (tag, attributes, ...children) => {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
};

// Which points the filters leave.
const passes = (i) => {
  if (state.model && points.model[i] !== state.model) return false;
  for (const [field, limit] of state.limits) {
    const value = column(field)[i];
    if (value === null || (field.maximise ? value < limit : value > limit)) return false;
  }
  for (const [field, [low, high]] of state.ranges) {
    const place = position(field, column(field)[i]);
    if (place === null || place < low || place > high) return false;
  }
  return true;
};
let shown = [];
const frontOf = (indices, x, y) => {
  const sign = (f) => (f.maximise ? -1 : 1);
  const good = indices.filter((i) => column(x)[i] !== null && column(y)[i] !== null && points.feasible[i]);
  good.sort((a, b) => sign(x) * (column(x)[a] - column(x)[b]) || sign(y) * (column(y)[a] - column(y)[b]));
  let best = Infinity;
  return good.filter((i) => {
    const value = sign(y) * column(y)[i];
    const better = value < best;
    best = Math.min(best, value);
    return better;
  });
};

// Where a value stands on its field's axis, 0..1; kinds that are no numbers stand in the order of their names.
const scales = new Map();
const scale = (field) => {
  if (scales.has(field)) return scales.get(field);
  const values = column(field).filter((v, i) => v !== null && (!state.model || points.model[i] === state.model));
  const numbers = values.length > 0 && values.every((v) => typeof v === "number");
  let made;
  if (numbers) {
    let low = Infinity, high = -Infinity;
    for (const v of values) { low = Math.min(low, v); high = Math.max(high, v); }
    const log = low > 0 && high / low > 30;
    const map = log ? Math.log : (v) => v;
    const span = map(high) - map(low) || 1;
    made = { ends: [low, high], log, at: (v) => (high > low ? (map(v) - map(low)) / span : 0.5) };
  } else {
    const names = [...new Set(values.map(String))].sort();
    made = { names, at: (v) => (names.length > 1 ? names.indexOf(String(v)) / (names.length - 1) : 0.5) };
  }
  scales.set(field, made);
  return made;
};
const position = (field, value) => (value === null ? null : scale(field).at(value));

const canvas = (id, height) => {
  const element = by(id), ratio = window.devicePixelRatio || 1, width = element.clientWidth || 600;
  element.style.height = `${height}px`;
  element.width = width * ratio;
  element.height = height * ratio;
  const pen = element.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = '12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif';
  return { element, pen, width, height };
};

// Two figures against each other.
const BOX = { left: 64, right: 16, top: 12, bottom: 42 };
let dots = [];
const drawScatter = () => {
  const { pen, width, height } = canvas("scatter", 400);
  const { x, y } = state;
  const across = (v) => BOX.left + position(x, v) * (width - BOX.left - BOX.right);
  const up = (v) => height - BOX.bottom - position(y, v) * (height - BOX.top - BOX.bottom);
  pen.strokeStyle = color("--line");
  pen.fillStyle = color("--soft");
  for (let k = 0; k <= 4; k += 1) {
    const gx = BOX.left + (k / 4) * (width - BOX.left - BOX.right), gy = height - BOX.bottom - (k / 4) * (height - BOX.top - BOX.bottom);
    pen.beginPath(); pen.moveTo(gx, BOX.top); pen.lineTo(gx, height - BOX.bottom); pen.moveTo(BOX.left, gy); pen.lineTo(width - BOX.right, gy); pen.stroke();
    pen.textAlign = "center"; pen.fillText(tick(x, k / 4), gx, height - BOX.bottom + 16);
    pen.textAlign = "right"; pen.fillText(tick(y, k / 4), BOX.left - 7, gy + 4);
  }
  pen.fillStyle = color("--ink");
  pen.textAlign = "center";
  pen.fillText(x.label + (scale(x).log ? ", logarithmic" : ""), (BOX.left + width) / 2, height - 8);
  pen.save(); pen.translate(13, height / 2 - 10); pen.rotate(-Math.PI / 2); pen.fillText(y.label + (scale(y).log ? ", logarithmic" : ""), 0, 0); pen.restore();
  dots = shown.filter((i) => column(x)[i] !== null && column(y)[i] !== null).map((i) => [across(column(x)[i]), up(column(y)[i]), i]);
  const line = frontOf(shown, x, y);
  pen.globalAlpha = 0.45;
  pen.fillStyle = color("--c-fill");
  for (const [px, py, i] of dots) if (!points.front[i]) { pen.beginPath(); pen.arc(px, py, points.feasible[i] ? 2.6 : 1.4, 0, 7); pen.fill(); }
  pen.globalAlpha = 1;
  pen.strokeStyle = color("--c-compute");
  pen.lineWidth = 1.6;
  pen.beginPath();
  line.forEach((i, k) => { const px = across(column(x)[i]), py = up(column(y)[i]); if (k) { pen.lineTo(px, up(column(y)[line[k - 1]])); pen.lineTo(px, py); } else pen.moveTo(px, py); });
  pen.stroke();
  pen.fillStyle = color("--c-read");
  for (const [px, py, i] of dots) if (points.front[i]) { pen.beginPath(); pen.arc(px, py, 4, 0, 7); pen.fill(); }
  const chosen = dots.find(([, , i]) => points.id[i] === state.chosen);
  if (chosen) { pen.strokeStyle = color("--bad"); pen.lineWidth = 2.5; pen.beginPath(); pen.arc(chosen[0], chosen[1], 7.5, 0, 7); pen.stroke(); }
  by("scatter").dataset.line = line.map((i) => points.id[i]).join(" ");
};
const tick = (field, share) => {
  const s = scale(field);
  if (!s.ends) return "";
  const [low, high] = s.ends;
  return text(Number((s.log ? low * (high / low) ** share : low + share * (high - low)).toPrecision(3)));
};
const nearest = (event) => {
  const box = by("scatter").getBoundingClientRect();
  let best = null, least = 15 ** 2;
  for (const [px, py, i] of dots) {
    const away = (px - event.clientX + box.left) ** 2 + (py - event.clientY + box.top) ** 2 - (points.front[i] ? 9 : 0);
    if (away < least) { least = away; best = i; }
  }
  return best;
};

// All settings and objectives of a point as one line. Dragging along an axis keeps the points that pass through.
const MOST_LINES = 3000;
const axes = fields.filter((f) => f.axis);
const drawParallel = () => {
  const { pen, width, height } = canvas("parallel", 330);
  const top = 54, bottom = height - 26;
  const at = (k) => 56 + (axes.length > 1 ? (k / (axes.length - 1)) * (width - 112) : 0);
  const rest = shown.filter((i) => !points.front[i]);
  const every = Math.max(1, Math.ceil(rest.length / MOST_LINES));
  const path = (i) => {
    pen.beginPath();
    let begun = false;
    axes.forEach((field, k) => {
      const place = position(field, column(field)[i]);
      if (place === null) { begun = false; return; }
      const py = bottom - place * (bottom - top);
      if (begun) pen.lineTo(at(k), py); else pen.moveTo(at(k), py);
      begun = true;
    });
    pen.stroke();
  };
  pen.lineWidth = 1; pen.globalAlpha = 0.12; pen.strokeStyle = color("--c-fill");
  rest.forEach((i, k) => { if (k % every === 0) path(i); });
  pen.globalAlpha = 0.65; pen.strokeStyle = color("--c-read");
  shown.filter((i) => points.front[i]).slice(0, MOST_LINES).forEach(path);
  pen.globalAlpha = 1;
  const chosen = points.id.indexOf(state.chosen);
  if (chosen >= 0) { pen.lineWidth = 2.5; pen.strokeStyle = color("--bad"); path(chosen); }
  pen.textAlign = "center";
  axes.forEach((field, k) => {
    pen.lineWidth = 1; pen.strokeStyle = color("--soft");
    pen.beginPath(); pen.moveTo(at(k), top); pen.lineTo(at(k), bottom); pen.stroke();
    pen.fillStyle = color("--ink");
    pen.fillText(field.short, at(k), k % 2 ? 30 : 15);
    pen.fillStyle = color("--soft");
    const s = scale(field);
    pen.fillText(s.ends ? text(s.ends[1]) : s.names.at(-1) ?? "", at(k), top - 7);
    pen.fillText(s.ends ? text(s.ends[0]) : s.names[0] ?? "", at(k), bottom + 15);
    const range = state.ranges.get(field);
    if (range) { pen.fillStyle = color("--c-compute"); pen.globalAlpha = 0.35; pen.fillRect(at(k) - 7, bottom - range[1] * (bottom - top), 14, (range[1] - range[0]) * (bottom - top)); pen.globalAlpha = 1; }
  });
  drawParallel.geometry = { at, top, bottom };
};
let drag = null;
const axisAt = (event) => {
  const box = by("parallel").getBoundingClientRect(), { at, top, bottom } = drawParallel.geometry;
  const px = event.clientX - box.left, py = event.clientY - box.top;
  const k = axes.findIndex((_, index) => Math.abs(at(index) - px) < 22);
  return { field: axes[k], place: Math.min(1, Math.max(0, (bottom - py) / (bottom - top))) };
};

// The best of a figure for each pair of two settings.
const drawHeat = () => {
  const [row, col, figure] = ["heat-row", "heat-col", "heat-figure"].map((id) => fields[Number(by(id).value)]);
  const keys = (field) => [...new Set(shown.map((i) => column(field)[i]))].sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b))));
  const rows = keys(row), cols = keys(col), best = new Map();
  for (const i of shown) {
    const value = column(figure)[i];
    if (value === null || !points.feasible[i]) continue;
    const key = `${rows.indexOf(column(row)[i])} ${cols.indexOf(column(col)[i])}`;
    const before = best.get(key);
    if (before === undefined || (figure.maximise ? value > column(figure)[before] : value < column(figure)[before])) best.set(key, i);
  }
  const values = [...best.values()].map((i) => column(figure)[i]);
  const low = Math.min(...values), high = Math.max(...values);
  const good = (v) => (high > low ? (figure.maximise ? v - low : high - v) / (high - low) : 1);
  const cell = (r, c) => {
    const i = best.get(`${r} ${c}`);
    if (i === undefined) return node("td", { class: "none" }, "–");
    const value = column(figure)[i];
    const made = node("td", { class: points.id[i] === state.chosen ? "chosen" : "", title: points.id[i], onclick: () => choose(points.id[i]) }, text(value));
    made.style.background = `color-mix(in srgb, ${color("--c-post")} ${Math.round(12 + 60 * good(value))}%, ${color("--card")})`;
    made.dataset.id = points.id[i];
    return made;
  };
  const head = node("tr", {}, node("th", {}, `${row.short} \\ ${col.short}`), ...cols.map((c) => node("th", {}, text(c))));
  by("heat").replaceChildren(head, ...rows.map((r, k) => node("tr", {}, node("th", {}, text(r)), ...cols.map((_, m) => cell(k, m)))));
};

// One point, layer by layer.
const drawDetail = () => {
  const i = points.id.indexOf(state.chosen), place = by("detail");
  if (i < 0) { place.replaceChildren(node("p", { class: "note" }, "Click on a point.")); return; }
  const id = points.id[i];
  const list = (entries) => node("dl", {}, ...entries.flatMap(([name, value]) => [node("dt", {}, name), node("dd", {}, text(value))]));
  const parts = [node("p", {}, node("b", { id: "chosen" }, id), ` ${points.model[i]}${points.front[i] ? ", on the front" : ""}${points.feasible[i] ? "" : `, ${points.state[i]}: ${points.reason[i] || "over a constraint"}`}`)];
  const columns = [list(settings.map((f) => [f.label, column(f)[i]])), list(figures.map((f) => [f.label, column(f)[i]]))];
  const closer = data.rechecked[id], run = data.verified[id];
  const label = (name) => figures.find((f) => f.column === name)?.label ?? name;
  const again = (title, values) => node("div", {}, node("b", {}, title), list(Object.entries(values).map(([name, value]) => [label(name), value])));
  if (closer) columns.push(again("By the cycle model", closer));
  if (run) columns.push(again("In RTL", run));
  parts.push(node("div", { class: "pair" }, ...columns.map((c) => node("div", {}, c))));
  parts.push(node("p", {}, "By itself again: ", node("code", {}, `${data.command} --point ${id}`)));
  const layers = data.layers[id];
  if (layers) {
    const most = Math.max(...layers.map((l) => l.cycles), 1);
    const bar = (l) => { const made = node("i", {}); made.style.width = `${(110 * l.cycles) / most}px`; return node("td", { class: "meter" }, made, text(l.cycles)); };
    const row = (l) => node("tr", {}, node("td", { class: "text" }, l.name), node("td", { class: "text" }, `${l.op}, ${l.engine}`), bar(l), ...[`${(100 * l.utilization).toFixed(1)} %`, l.bound, text(l.energy_uj), text(l.dram_bytes), text(l.macs)].map((v) => node("td", {}, v)));
    const head = ["layer", "", "cycles", "utilisation", "bound by", "energy [µJ]", "DRAM [B]", "MACs"].map((h, k) => node("th", { class: k < 3 ? "text" : "" }, h));
    parts.push(node("div", { class: "scroll" }, node("table", { class: "layers" }, node("thead", {}, node("tr", {}, ...head)), node("tbody", {}, ...layers.map(row)))));
  } else parts.push(node("p", { class: "note" }, "Layers are kept of points on the fronts; at the vectorised model, of those that the cycle model looked at again."));
  place.replaceChildren(...parts);
};

const draw = () => {
  shown = [];
  for (let i = 0; i < count; i += 1) if (passes(i)) shown.push(i);
  by("shown").textContent = `${shown.length.toLocaleString("en")} of ${count.toLocaleString("en")} points, ${shown.filter((i) => points.front[i]).length.toLocaleString("en")} on a front`;
  drawScatter(); drawParallel(); drawHeat(); drawDetail();
};
// Models differ by orders of magnitude: the axes are those of the model that is shown.
const setModel = (model) => { state.model = model; by("model").value = model; scales.clear(); state.ranges.clear(); };
const choose = (id) => { state.chosen = id; draw(); };
const options = (id, list, chosen, change) => {
  by(id).replaceChildren(...list.map((f) => node("option", { value: fields.indexOf(f) }, f.label)));
  by(id).value = fields.indexOf(chosen ?? list[0]);
  by(id).addEventListener("change", change);
};

const all = fields.filter((f) => f.kind === "figure"), sets = fields.filter((f) => f.kind === "set");
// As the sweep names them: what matters most is first. What is to be large stands upright, over what it costs.
const objectives = data.objectives.map((name) => all.find((f) => f.column === name)).filter((f) => f !== undefined);
const gain = objectives.find((f) => f.maximise);
state.x = objectives.find((f) => f !== gain) ?? all.find((f) => f !== gain);
state.y = gain ?? objectives.find((f) => f !== state.x) ?? all.find((f) => f !== state.x);
options("x", all, state.x, () => { state.x = fields[Number(by("x").value)]; draw(); });
options("y", all, state.y, () => { state.y = fields[Number(by("y").value)]; draw(); });
options("heat-row", sets, sets.find((f) => f.recipe) ?? sets[0], () => draw());
options("heat-col", sets, sets.find((f) => !f.recipe && f.axis && f !== (sets.find((g) => g.recipe) ?? sets[0])) ?? sets.at(-1), () => draw());
options("heat-figure", all, objectives[0], () => draw());
by("model").replaceChildren(node("option", { value: "" }, "all"), ...[...new Set(points.model)].map((m) => node("option", { value: m }, m)));
setModel(data.model);
by("model").addEventListener("change", () => { setModel(by("model").value); draw(); });
by("limits").replaceChildren(...objectives.map((f) => node("label", {}, `${f.short} ${f.maximise ? "≥" : "≤"}`, node("input", { type: "number", step: "any", id: `limit-${f.column}`, oninput: (event) => { if (event.target.value === "") state.limits.delete(f); else state.limits.set(f, Number(event.target.value)); draw(); } }))));
by("clear").addEventListener("click", () => { state.limits.clear(); state.ranges.clear(); setModel(data.model); for (const input of by("limits").querySelectorAll("input")) input.value = ""; draw(); });
by("scatter").addEventListener("click", (event) => { const i = nearest(event); if (i !== null) choose(points.id[i]); });
by("scatter").addEventListener("mousemove", (event) => { const i = nearest(event); by("scatter").title = i === null ? "" : `${points.id[i]}: ${state.x.short} ${text(column(state.x)[i])}, ${state.y.short} ${text(column(state.y)[i])}`; });
by("parallel").addEventListener("pointerdown", (event) => { const { field, place } = axisAt(event); if (field) drag = { field, begin: place }; });
by("parallel").addEventListener("pointerup", (event) => {
  if (!drag) return;
  const { place } = axisAt(event), range = [Math.min(place, drag.begin), Math.max(place, drag.begin)];
  if (range[1] - range[0] < 0.02) state.ranges.delete(drag.field); else state.ranges.set(drag.field, range);
  drag = null;
  draw();
});
window.addEventListener("resize", draw);
draw();
