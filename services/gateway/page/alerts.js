// The alerts that fired, newest first: asked for again and again, and acknowledged by a button.

import * as text from "/money.js";
import { $, element } from "/dom.js";

const PAUSE_MS = 5_000;
const SOON_MS = 500;
const FEW = 8, MANY = 200;
const NAME_KEY = "revledger-name";
const STATES = { fired: "open", acknowledged: "acknowledged", over: "over" };
const TOLD = [
  ["rule", "Rule"], ["owner", "Owner"], ["reason", "Reason"], ["effective", "Day"], ["explain", "Explained by"], ["id", "Id"],
];

let digits = {};        // currency -> digits of its minor unit
let limit = FEW;
let drawn = "";         // the rows as they were drawn last
let timer = 0;
let isAsking = false;
let isThere = true;     // whether this service has alerts at all

// ---------------------------------------------------------------- asking

async function answerOf(response) {
  const answer = text.parseExactly(await response.text());
  if (!response.ok) throw new Error(answer.detail || `it answered ${response.status}`);
  return answer;
}

async function refresh() {
  if (isAsking || !isThere || document.hidden) return;
  isAsking = true;
  try {
    const response = await fetch(`/v1/alerts?limit=${limit}`);
    isThere = response.status !== 404;
    $("alerts").hidden = !isThere;
    if (isThere) {
      show(await answerOf(response));
      trouble("");
    }
  } catch (error) {
    trouble(`The alerts cannot be shown now: ${error.message}`);
  }
  isAsking = false;
  again(PAUSE_MS);
}

function again(pause) {
  clearTimeout(timer);
  timer = setTimeout(refresh, pause);
}

/** Asks soon: the books have moved, or somebody looks again. */
export const alertsSoon = () => again(SOON_MS);

/** Takes over how many digits the minor units of the currencies in use have. */
export function alertsIn(minorDigits) {
  digits = minorDigits;
}

async function acknowledge(row, button) {
  button.disabled = true;
  const by = $("alerts-by").value.trim();
  try {
    await answerOf(await fetch(`/v1/alerts/${encodeURIComponent(row.id)}/ack`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(by ? { by } : {}),
    }));
    trouble("");
  } catch (error) {
    button.disabled = false;
    trouble(`${row.summary} could not be acknowledged: ${error.message}`);
  }
  await refresh();
}

// ---------------------------------------------------------------- showing

function show({ rows, more }) {
  const written = JSON.stringify([rows, more, Object.keys(digits)], (_key, value) => (typeof value === "bigint" ? String(value) : value));
  if (written !== drawn) draw(rows, more);
  drawn = written;
  for (const time of $("alerts-rows").querySelectorAll("time")) time.textContent = ageOf(time.dateTime);
}

function draw(rows, more) {
  const holder = $("alerts-rows");
  const open = new Set([...holder.querySelectorAll("details[open]")].map((one) => one.dataset.id));
  const focused = document.activeElement?.closest?.("[data-id]")?.dataset.id;
  holder.replaceChildren(...rows.map((row) => rowOf(row, open.has(row.id))));
  if (focused) holder.querySelector(`details[data-id="${CSS.escape(focused)}"] summary`)?.focus({ preventScroll: true });
  const waiting = rows.filter((row) => row.state === "fired").length;
  $("alerts-count").textContent = rows.length ? `${text.count(waiting)} open of the last ${text.count(rows.length)}` : "";
  $("alerts-table").hidden = !rows.length;
  $("alerts-empty").hidden = rows.length > 0;
  $("alerts-more").hidden = !more || limit >= MANY;
}

function rowOf(row, isOpen) {
  const minor = row.mrr_minor ?? row.unusual?.mrr_minor ?? row.account_mrr_minor ?? null;
  const cell = (className, ...children) => element("td", { className }, ...children);
  const time = element("time", { dateTime: row.time, title: text.momentText(row.time), textContent: ageOf(row.time) });
  return element("tr", { className: `is-${row.state} s-${row.severity}` },
    element("th", { scope: "row" }, element("span", { className: "severity", textContent: row.severity })),
    cell("what", detailsOf(row, isOpen)),
    cell("amount", minor === null || !row.currency ? text.NONE : amountOf(minor, row.currency)),
    Object.assign(cell("account", row.account || text.NONE), { title: row.account || "" }),
    cell("when", time),
    cell("state", stateOf(row)));
}

function detailsOf(row, isOpen) {
  const lines = TOLD.filter(([key]) => row[key]).map(([key, name]) => [name, row[key]]);
  for (const [name, value] of Object.entries(row.attributes || {})) lines.splice(2, 0, [name, value]);
  for (const one of row.given_up || []) lines.push([`Given up for ${one.sink}`, `${one.error} (after ${one.attempts} attempts)`]);
  const made = element("details", { open: isOpen },
    element("summary", { textContent: row.summary }),
    element("dl", {}, ...lines.map(([name, value]) =>
      element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value })))));
  made.dataset.id = row.id;
  return made;
}

function stateOf(row) {
  const parts = [];
  if (row.state === "fired") {
    const button = element("button", { type: "button", textContent: "Acknowledge" });
    button.setAttribute("aria-label", `Acknowledge: ${row.summary}`);
    button.addEventListener("click", () => acknowledge(row, button));
    parts.push(button);
  } else {
    const by = row.acknowledged ? element("small", { textContent: ` by ${row.acknowledged.by}`, title: text.momentText(row.acknowledged.at) }) : "";
    parts.push(element("span", { className: "mark", textContent: STATES[row.state] || row.state }), by);
  }
  if (row.given_up) parts.push(element("small", { className: "lost", textContent: `given up for ${row.given_up.map((one) => one.sink).join(", ")}` }));
  return element("div", {}, ...parts);
}

function amountOf(minor, currency) {
  return text.moneyIn(currency, digits[currency] ?? 2).exact(minor);
}

const ageOf = (moment) => `${text.ageText(Math.max(0, Math.floor((Date.now() - Date.parse(moment)) / 1_000)))} ago`;

function trouble(sentence) {
  $("alerts-trouble").hidden = !sentence;
  if ($("alerts-trouble").textContent !== sentence) $("alerts-trouble").textContent = sentence;
}

/** Begins to show the alerts, until the page is left. */
export function watchAlerts() {
  const name = $("alerts-by");
  name.value = localStorage.getItem(NAME_KEY) || "";
  name.addEventListener("change", () => localStorage.setItem(NAME_KEY, name.value.trim()));
  $("alerts-more").addEventListener("click", () => { limit = MANY; refresh(); });
  document.addEventListener("visibilitychange", alertsSoon);
  refresh();
}
