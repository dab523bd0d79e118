// The two charts, as SVG made here: level and movements by period, and the bridge of what is looked at.

const SVG = "http://www.w3.org/2000/svg";

/** Movements in the order of the bridge: key, name. Colours are classes of the style sheet. */
export const MOVEMENTS = [
  ["new", "New"], ["reactivation", "Reactivation"], ["expansion", "Expansion"],
  ["contraction", "Contraction"], ["churn", "Churn"], ["transfer", "Transfer"],
];

function shape(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const text = (content, attributes) => shape("text", attributes, content);
const rect = (x, y, width, height, kind) =>
  shape("rect", { x, y, width: Math.max(0, width), height: Math.max(0, height), class: kind });

/** About `wanted` round values from low to high. */
function ticks(low, high, wanted) {
  const span = high - low || 1;
  const rough = span / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(value);
  return found;
}

/** Names of what has a value somewhere: transfers sum to zero in the whole, so they mostly have none. */
export function movementsIn(rows) {
  return MOVEMENTS.filter(([key]) => key !== "transfer" || rows.some((row) => row.mrr_minor.transfer));
}

/**
 * Level and movements. `rows`: bridge rows; `label(row)`: short text below; `say(row)`: what a screen reader hears;
 * `money`: texts of amounts; `onShow(row, element)`, `onPick(index)`; `picked`: index or null.
 */
export function movementsChart(holder, { rows, label, year, say, money, onShow, onPick, picked }) {
  const width = Math.max(280, holder.clientWidth), left = 52, right = 6;
  const levelTop = 12, levelHeight = 118, gap = 30, moveHeight = 150, height = levelTop + levelHeight + gap + moveHeight + 40;
  const kinds = movementsIn(rows).map(([key]) => key);
  const values = rows.map((row) => ({ level: Number(row.mrr_minor.closing), moved: kinds.map((key) => [key, Number(row.mrr_minor[key])]) }));
  const ups = values.map(({ moved }) => moved.reduce((sum, [, value]) => sum + Math.max(0, value), 0));
  const downs = values.map(({ moved }) => moved.reduce((sum, [, value]) => sum + Math.min(0, value), 0));
  const levelHigh = Math.max(1, Number(rows[0].mrr_minor.opening), ...values.map(({ level }) => level));
  const high = Math.max(1, ...ups), low = Math.min(0, ...downs);
  const moveTop = levelTop + levelHeight + gap;
  const levelY = (value) => levelTop + levelHeight * (1 - value / levelHigh);
  const moveY = (value) => moveTop + moveHeight * (high - value) / (high - low);
  const step = (width - left - right) / rows.length, bar = Math.min(34, step * 0.62);

  const grid = shape("g", { class: "grid", "aria-hidden": "true" });
  const line = (y, value, kind) => grid.append(
    shape("line", { x1: left, x2: width - right, y1: y, y2: y, class: kind }),
    text(money.short(BigInt(Math.round(value))), { x: left - 8, y: y + 4, class: "tick end" }));
  for (const value of ticks(0, levelHigh, 3)) line(levelY(value), value, value ? "" : "zero");
  for (const value of ticks(low, high, 4)) line(moveY(value), value, Math.abs(value) < 1e-9 ? "zero" : "");

  const columns = values.map((value, index) => column(value, index));
  const points = values.map(({ level }, index) => `${left + step * (index + 0.5)},${levelY(level)}`);
  const ends = [`${left + step * (values.length - 0.5)},${levelY(0)}`, `${left + step / 2},${levelY(0)}`];
  const level = shape("g", { "aria-hidden": "true" },
    shape("polygon", { points: [...points, ...ends].join(" "), class: "area" }),
    shape("polyline", { points: points.join(" "), class: "level" }));
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "Periods: move with the arrow keys, choose with Enter" }, grid, level, ...columns);

  function column({ level: closing, moved }, index) {
    const middle = left + step * (index + 0.5), x = middle - bar / 2, row = rows[index];
    const marks = [rect(left + step * index, levelTop - 6, step, height - levelTop - 2, "hit")];
    let up = 0, down = 0;
    for (const [key, amount] of moved) {
      if (!amount) continue;
      const [from, to] = amount > 0 ? [up, up += amount] : [down, down += amount];
      marks.push(rect(x, moveY(Math.max(from, to)), bar, Math.abs(moveY(from) - moveY(to)), `m-${key}`));
    }
    marks.push(shape("circle", { cx: middle, cy: levelY(closing), r: rows.length > 40 ? 1.5 : 3, class: "point" }));
    const every = Math.ceil(34 / step);
    if (index % every === 0) marks.push(text(label(row), { x: middle, y: height - 22, class: "tick middle" }));
    if (year(row, index)) marks.push(text(year(row, index), { x: middle, y: height - 7, class: "tick middle year" }));
    return shape("g", {
      class: "column", role: "button", tabindex: index === (picked ?? 0) ? 0 : -1, "aria-label": say(row),
      "aria-pressed": String(picked === index),
    }, ...marks);
  }

  columns.forEach((one, index) => {
    one.addEventListener("pointerenter", () => onShow(rows[index], one));
    one.addEventListener("pointerleave", () => onShow(null));
    one.addEventListener("focus", () => onShow(rows[index], one));
    one.addEventListener("blur", () => onShow(null));
    one.addEventListener("click", () => onPick(index));
    one.addEventListener("keydown", (event) => keyed(event, index));
  });

  function keyed(event, index) {
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: columns.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") onPick(index);
    else if (event.key === "Escape") onShow(null);
    else if (to === undefined) return;
    else if (columns[to]) {
      columns[index].setAttribute("tabindex", -1);
      columns[to].setAttribute("tabindex", 0);
      columns[to].focus();
    }
    event.preventDefault();
  }

  const had = [...holder.querySelectorAll(".column")].indexOf(document.activeElement);
  holder.replaceChildren(svg);
  if (had >= 0 && columns[had]) columns[had].focus({ preventScroll: true });
}

/** The bridge of one period or window, from opening to closing: one row each, all amounts at the right. */
export function waterfallChart(holder, { sums, money }) {
  const width = Math.max(260, holder.clientWidth), row = 39, labelWidth = 98;
  const steps = [["opening", "Opening"], ...movementsIn([{ mrr_minor: sums }]), ["closing", "Closing"]];
  const texts = steps.map(([key]) => (key === "opening" || key === "closing" ? money.exact : money.signed)(sums[key]));
  const valueWidth = Math.max(...texts.map((one) => one.length)) * 8 + 10;
  const plot = Math.max(40, width - labelWidth - valueWidth);
  const bars = [];
  let level = Number(sums.opening);
  for (const [key] of steps.slice(1, -1)) bars.push([level, level += Number(sums[key])]);
  bars.unshift([0, Number(sums.opening)]);
  bars.push([0, Number(sums.closing)]);
  const inner = bars.slice(1, -1).flat(), lowest = Math.min(...inner), highest = Math.max(...inner, 1);
  // Where the movements are small beside the level, the axis starts near it, and the bars say so by a gap.
  const cut = highest - lowest < highest / 3 ? Math.max(0, lowest - (highest - lowest) * 0.5) : 0;
  const at = (value) => labelWidth + plot * (Math.max(value, cut) - cut) / (highest - cut || 1);
  const height = row * steps.length + 4;
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": steps.map(([, name], index) => `${name} ${texts[index]}`).join(", ") });
  steps.forEach(([key, name], index) => {
    const y = row * index, [from, to] = bars[index], isLevel = key === "opening" || key === "closing";
    const start = isLevel ? labelWidth : Math.min(at(from), at(to)), end = isLevel ? at(to) : Math.max(at(from), at(to));
    svg.append(text(name, { x: 0, y: y + 24, class: isLevel ? "name strong" : "name" }),
      rect(start, y + 8, Math.max(end - start, Number(sums[key]) ? 2 : 0), 22, isLevel ? "m-level" : `m-${key}`),
      text(texts[index], { x: width, y: y + 24, class: isLevel ? "amount strong" : "amount" }));
    if (isLevel && cut) svg.append(shape("path", { d: `M${labelWidth + 9} ${y + 32}l5 -26`, class: "gap" }));
    if (index < steps.length - 1) {
      const x = at(to);
      svg.append(shape("line", { x1: x, x2: x, y1: y + 30, y2: y + row + 8, class: "link" }));
    }
  });
  holder.replaceChildren(svg);
}
