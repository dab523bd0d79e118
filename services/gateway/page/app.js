// The first page: asks the service for what it shows, again whenever the stream says that the books have moved.

import * as text from "/money.js";
import { alertsIn, alertsSoon, watchAlerts } from "/alerts.js";
import { MOVEMENTS, movementsChart, movementsIn, waterfallChart } from "/chart.js";
import { $, element } from "/dom.js";

const GROUPS_MAX = 50;
const PAUSE_MS = 1_000;
const TROUBLE_PAUSE_MS = 5_000;
const LEVELS = [
  ["mrr_minor", "MRR", "Monthly recurring revenue: what the contracts in force are worth a month, discounts deducted."],
  ["arr_minor", "ARR", "Annual recurring revenue: twelve times MRR."],
  ["committed_mrr_minor", "Committed MRR", "The MRR that all that has happened leads to if nothing else happens."],
  ["accounts", "Paying accounts", "Accounts with MRR above zero."],
  ["arpa_minor", "ARPA", "MRR per paying account."],
];
const RATIOS = [
  ["nrr", "Net revenue retention", "MRR today of the accounts of a year ago / their MRR then.", text.percent],
  ["grr", "Gross revenue retention", "The same with every account capped at what it paid then.", text.percent],
  ["customer_churn_rate", "Customer churn", "Share of the accounts of a year ago that pay nothing today.", text.percent],
  ["quick_ratio", "Quick ratio", "MRR won / MRR lost over the twelve months.", text.times],
];

const choice = { currency: "", every: "month", months: "12", by: "", group: undefined, period: null };
let shown = null;      // the last answers
let asking = false;    // one refresh at a time
let again = false;     // something changed meanwhile
let tookMs = 0;
let timer = 0;

// ---------------------------------------------------------------- asking

async function ask(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  const response = await fetch(given.length ? `${path}?${new URLSearchParams(given)}` : path);
  const answer = text.parseExactly(await response.text());
  if (!response.ok) throw new Error(answer.detail || `${path} answered ${response.status}`);
  return answer;
}

async function refresh() {
  if (asking) { again = true; return; }
  asking = true;
  const began = performance.now();
  do {
    again = false;
    try {
      show(await answers());
      trouble("");
    } catch (error) {
      trouble(`The figures cannot be shown now: ${error.message}`);
      setTimeout(refreshSoon, TROUBLE_PAUSE_MS);
    }
  } while (again);
  asking = false;
  tookMs = performance.now() - began;
}

/** Refreshes soon, and no more often than the service answers with ease. */
function refreshSoon() {
  if (timer) return;
  const wait = shown ? Math.max(PAUSE_MS, 4 * tookMs) : 0;
  timer = setTimeout(() => { timer = 0; refresh(); }, wait);
}

async function answers() {
  const [status, names] = await Promise.all([ask("/v1/status"), ask("/v1/names")]);
  const asked = { ...choice };
  if (!names.currencies.length || !status.as_of.newest_event) return { status, names, asked };
  if (!names.currencies.includes(choice.currency)) asked.currency = preferred(names);
  if (!names.names[asked.currency].includes(asked.by)) asked.by = "";
  const { currency, every, by } = asked;
  const until = text.dayAfter(status.as_of.newest_event.slice(0, 10), 1), before = text.yearBefore(until);
  const window = { ...windowOf(until, asked), currency, every };
  const [year, then, bridge, groups] = await Promise.all([
    ask("/v1/figures", { from: before, until, currency, figures: [...LEVELS, ...RATIOS].map(([name]) => name).join() }),
    ask("/v1/figures", { at: before, currency, figures: LEVELS.map(([name]) => name).join() }),
    ask("/v1/reports/bridge", window),
    by ? ask("/v1/reports/bridge", { ...window, by }) : null,
  ]);
  return { status, names, asked, until, before, year, then, bridge, groups };
}

const preferred = (names) => ["USD", "EUR"].find((one) => names.currencies.includes(one)) || names.currencies[0];

/** The window: whole periods, the last of them that of the newest event. */
function windowOf(until, { every, months }) {
  const last = text.dayAfter(until, -1);
  const ahead = every === "quarter" ? 3 - (Number(last.slice(5, 7)) - 1) % 3 : 1;
  const end = text.firstOfMonth(last, ahead);
  return { from: text.firstOfMonth(end, -Number(months)), until: end };
}

// ---------------------------------------------------------------- showing

function show(found) {
  if (found.asked.every !== choice.every || found.asked.months !== choice.months) return; // chosen anew meanwhile
  shown = { ...found, at: Date.now() };
  const isEmpty = !found.bridge;
  $("empty").hidden = !isEmpty;
  $("books").hidden = isEmpty;
  $("currency-choice").hidden = isEmpty;
  showReflects();
  if (isEmpty) return;
  alertsIn(found.names.minor_digits);
  choice.currency = found.asked.currency;
  choice.by = found.asked.by;
  fill($("currency"), found.names.currencies.map((one) => [one, one]), choice.currency);
  fill($("by"), [["", "Total"], ...found.names.names[choice.currency].map((one) => [one, one.replaceAll("_", " ")])], choice.by);
  showFigures();
  showBridge();
}

function fill(select, options, value) {
  const now = [...select.options].map((one) => one.value).join("\n");
  if (now !== options.map(([one]) => one).join("\n")) {
    select.replaceChildren(...options.map(([one, name]) => element("option", { value: one, textContent: name })));
  }
  select.value = value;
}

const money = () => text.moneyIn(choice.currency, shown.names.minor_digits[choice.currency]);

function showFigures() {
  const { figures } = shown.year.rows[0], then = shown.then.rows[0].figures, amounts = money();
  $("as-at").textContent = `in ${choice.currency}, at the end of ${text.dayText(text.dayAfter(shown.until, -1))}`;
  $("levels").replaceChildren(...LEVELS.map(([name, title, meaning]) => {
    const isMoney = name.endsWith("_minor"), value = figures[name];
    const big = isMoney ? amounts.whole(value) : text.count(value);
    return figure(title, meaning, big, isMoney ? amounts.exact(value) : big, changeOf(value, then[name]));
  }));
  $("ratios").replaceChildren(...RATIOS.map(([name, title, meaning, format]) =>
    figure(title, meaning, format(figures[name]), figures[name] ?? "no answer", "over 12 months")));
}

function changeOf(now, before) {
  const changed = now === null || before === null ? null : text.change(now, before);
  return changed ? `${changed} in 12 months` : "nothing a year ago";
}

function figure(title, meaning, value, exact, note) {
  return element("div", { title: meaning },
    element("dt", { textContent: title }),
    element("dd", { className: "value", textContent: value, title: exact }),
    element("dd", { className: "note", textContent: note }));
}

/** The rows to draw: those of the whole, or of the group that is picked. */
function rowsShown() {
  if (!shown.groups || choice.group === undefined) return shown.bridge.rows;
  const rows = shown.groups.rows.filter((row) => row.group[choice.by] === choice.group);
  if (!rows.length) choice.group = undefined;
  return rows.length ? rows : shown.bridge.rows;
}

function showBridge() {
  const rows = rowsShown(), amounts = money(), { every } = choice;
  if (choice.period !== null && choice.period >= rows.length) choice.period = null;
  const sums = choice.period === null ? windowSums(rows) : rows[choice.period].mrr_minor;
  const title = choice.period === null
    ? `Bridge, ${text.periodText(rows[0].from, every)} to ${text.periodText(rows.at(-1).from, every)}`
    : `Bridge, ${text.periodText(rows[choice.period].from, every)}`;
  $("waterfall-title").textContent = title;
  showPicked();
  showKey(rows);
  movementsChart($("movements"), {
    rows, money: amounts, picked: choice.period,
    label: (row) => text.periodShort(row.from, every),
    year: (row, index) => (index === 0 || row.from.slice(5, 7) === "01" ? row.from.slice(0, 4) : ""),
    say: (row) => `${text.periodText(row.from, every)}: ${spoken(row.mrr_minor, amounts)}`,
    onShow: showTip,
    onPick: (index) => { choice.period = choice.period === index ? null : index; showBridge(); },
  });
  waterfallChart($("waterfall"), { sums, money: amounts });
  showPeriods(rows, amounts);
  showGroups(amounts);
}

const spoken = (sums, amounts) => columnsOf([{ mrr_minor: sums }])
  .map(([key, name]) => `${name} ${amounts.exact(sums[key])}`).join(", ");

const columnsOf = (rows) => [["opening", "Opening"], ...movementsIn(rows), ["closing", "Closing"]];

/** The bridge over all rows of one group: exact sums, each rounded once. */
function windowSums(rows) {
  const sums = { opening: text.mrrMinor(BigInt(rows[0].annual_e4.opening)) };
  for (const [key] of MOVEMENTS) {
    sums[key] = text.mrrMinor(rows.reduce((sum, row) => sum + BigInt(row.annual_e4[key]), 0n));
  }
  return { ...sums, closing: text.mrrMinor(BigInt(rows.at(-1).annual_e4.closing)) };
}

function showPicked() {
  const group = choice.group === undefined ? "" : `${choice.by.replaceAll("_", " ")}: ${groupName(choice.group)}`;
  const period = choice.period === null ? "" : text.periodText(rowsShown()[choice.period].from, choice.every);
  $("picked").hidden = !group && !period;
  $("picked-text").textContent = `Shown: ${[group, period].filter(Boolean).join(", ")}.`;
}

function showKey(rows) {
  $("key").replaceChildren(...movementsIn(rows).map(([key, name]) =>
    element("span", {}, element("i", { className: `k-${key}` }), name)));
}

const groupName = (value) => (value === null ? "none" : value);

// ---------------------------------------------------------------- tables

function table(holder, caption, heads, rows, foot) {
  const cell = (value) => {
    const made = element("td", { textContent: value.text });
    if (value.kind) made.className = value.kind;
    return made;
  };
  const line = ({ head, cells, picked, onPick }) => {
    const first = element("th", { scope: "row" });
    if (onPick) {
      const button = element("button", { type: "button", textContent: head, title: head, onclick: onPick });
      button.setAttribute("aria-pressed", String(picked));
      first.append(button);
    } else {
      first.textContent = head;
    }
    return element("tr", { className: picked ? "is-picked" : "" }, first, ...cells.map(cell));
  };
  const focused = [...holder.querySelectorAll("button")].indexOf(document.activeElement);
  holder.replaceChildren(
    element("caption", { className: "unseen", textContent: caption }),
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col", textContent: head })))),
    element("tbody", {}, ...rows.map(line)),
    ...(foot ? [element("tfoot", {}, line(foot))] : []));
  if (focused >= 0) holder.querySelectorAll("button")[focused]?.focus({ preventScroll: true });
}

const amountCell = (key, minor, amounts) => ({
  text: amounts.plain(minor),
  kind: key === "opening" || key === "closing" ? "sum" : BigInt(minor) === 0n ? "nil" : BigInt(minor) < 0n ? "fall" : "",
});

function showPeriods(rows, amounts) {
  const columns = columnsOf(rows), sums = windowSums(rows);
  const cells = (values, accounts) => [
    ...columns.map(([key]) => amountCell(key, values[key], amounts)),
    { text: text.count(accounts), kind: "sum apart" },
  ];
  const isOpen = rows.at(-1).until > shown.until;
  $("progress-note").hidden = !isOpen;
  table($("periods-table"), `MRR bridge by ${choice.every} in ${choice.currency}`,
    [choice.every === "quarter" ? "Quarter" : "Month", ...columns.map(([, name]) => name), "Accounts"],
    rows.map((row, index) => ({
      head: text.periodText(row.from, choice.every) + (isOpen && index === rows.length - 1 ? " *" : ""),
      cells: cells(row.mrr_minor, row.accounts.closing),
      picked: choice.period === index,
      onPick: () => { choice.period = choice.period === index ? null : index; showBridge(); },
    })),
    { head: "Whole window", cells: cells(sums, rows.at(-1).accounts.closing) });
}

function showGroups(amounts) {
  $("groups").hidden = !shown.groups;
  if (!shown.groups) return;
  const by = choice.by.replaceAll("_", " ");
  const found = Map.groupBy ? Map.groupBy(shown.groups.rows, (row) => row.group[choice.by]) : grouped(shown.groups.rows);
  const groups = [...found].map(([value, rows]) => ({ value, rows, sums: windowSums(rows) }))
    .sort((one, other) => Number(other.sums.closing - one.sums.closing) || (groupName(one.value) < groupName(other.value) ? -1 : 1));
  const whole = windowSums(shown.bridge.rows).closing;
  const columns = columnsOf(groups.map(({ sums }) => ({ mrr_minor: sums })));
  $("groups-title").textContent = `By ${by}, over the whole window`;
  $("groups-note").hidden = groups.length <= GROUPS_MAX;
  $("groups-note").textContent = `The ${GROUPS_MAX} largest of ${groups.length} are shown; all are at /v1/reports/bridge?by=${choice.by}.`;
  table($("groups-table"), `MRR bridge by ${by} in ${choice.currency}`,
    [by, ...columns.map(([, name]) => name), "Share", "Accounts"],
    groups.slice(0, GROUPS_MAX).map(({ value, rows, sums }) => ({
      head: groupName(value),
      cells: [
        ...columns.map(([key]) => amountCell(key, sums[key], amounts)),
        { text: whole > 0n ? text.percent(Number(sums.closing) / Number(whole)) : text.NONE, kind: "sum apart" },
        { text: text.count(rows.at(-1).accounts.closing), kind: "sum" },
      ],
      picked: choice.group === value,
      onPick: () => { choice.group = choice.group === value ? undefined : value; showBridge(); },
    })));
}

function grouped(rows) {
  const found = new Map();
  for (const row of rows) found.set(row.group[choice.by], [...(found.get(row.group[choice.by]) || []), row]);
  return found;
}

// ---------------------------------------------------------------- tip, footer, live

function showTip(row, at) {
  const tip = $("tip");
  tip.hidden = !row;
  if (!row) return;
  const amounts = money(), lines = columnsOf([row]).map(([key, name]) => element("div", { className: key },
    element("dt", {}, ...(key === "opening" || key === "closing" ? [] : [element("i", { className: `k-${key}` })]), name),
    element("dd", { textContent: amounts.exact(row.mrr_minor[key]) })));
  const { opening, closing } = row.accounts;
  tip.replaceChildren(element("strong", { textContent: text.periodText(row.from, choice.every) }),
    element("dl", {}, ...lines),
    element("p", { textContent: `${text.count(opening)} → ${text.count(closing)} accounts` }));
  const box = at.getBoundingClientRect(), size = tip.getBoundingClientRect();
  const right = box.right + 8, left = right + size.width > innerWidth - 8 ? box.left - size.width - 8 : right;
  tip.style.left = `${Math.max(8, left) + scrollX}px`;
  tip.style.top = `${box.top + 12 + scrollY}px`;
}

function showReflects() {
  const { status, at } = shown, { position, newest_event: newest, age_seconds: age } = (shown.bridge || status).as_of;
  const seconds = age === null ? null : age + Math.floor((Date.now() - at) / 1_000);
  const refused = Object.values(status.dead_letters).reduce((sum, one) => sum + one, 0);
  const lines = [
    ["Position", Object.entries(position).filter(([, height]) => height >= 0).map((pair) => pair.join(":")).join(", ") || "no block yet"],
    ["Newest event", newest ? text.momentText(newest) : "none yet"],
    ["Recorded", seconds === null ? text.NONE : `${text.ageText(seconds)} ago`],
    ["Policy", (shown.bridge || status).policy],
    ["Entries", text.count(status.entries)],
    ["Waiting for a match", text.count(status.unmatched)],
    ["Refused", text.count(refused)],
  ];
  $("reflects").replaceChildren(...lines.map(([name, value]) =>
    element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value }))));
}

function trouble(sentence) {
  $("trouble").hidden = !sentence;
  if ($("trouble").textContent !== sentence) $("trouble").textContent = sentence;
}

function live(kind, sentence) {
  $("live").className = `live ${kind}`;
  if ($("live-text").textContent !== sentence) $("live-text").textContent = sentence;
}

function listen() {
  const stream = new EventSource("/v1/stream");
  stream.addEventListener("open", () => live("is-live", "live"));
  stream.addEventListener("position", () => { refreshSoon(); alertsSoon(); });
  stream.addEventListener("error", () => {
    live("is-stale", "not connected; the figures may be out of date");
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 5_000);
  });
}

// ---------------------------------------------------------------- beginning

function firstCommand() {
  return `curl ${location.origin}/v1/events \\
  -H 'content-type: application/cloudevents+json' -d '{
    "specversion": "1.0", "id": "evt-1", "source": "/first",
    "type": "revledger.contract.signed.v1", "subject": "acct-1",
    "time": "${new Date().toISOString().slice(0, 19)}Z",
    "data": {
      "contract_id": "ctr-1", "currency": "USD",
      "lines": [{"line_id": "seats", "plan": "team", "amount_minor": 4900, "quantity": 25}]
    }
  }'`;
}

function remember() {
  const kept = ["currency", "every", "months", "by"].filter((name) => choice[name]).map((name) => [name, choice[name]]);
  history.replaceState(null, "", `?${new URLSearchParams(kept)}`);
}

function recall() {
  const kept = new URLSearchParams(location.search), allowed = { every: ["month", "quarter"], months: ["12", "24", "36", "60"] };
  for (const name of ["currency", "every", "months", "by"]) {
    const value = kept.get(name);
    if (value && (!allowed[name] || allowed[name].includes(value))) choice[name] = value;
  }
  $("months").value = choice.months;
  document.querySelector(`input[name=every][value=${choice.every}]`).checked = true;
}

function chosen() {
  choice.currency = $("currency").value;
  choice.every = document.querySelector("input[name=every]:checked").value;
  choice.months = $("months").value;
  choice.by = $("by").value;
  choice.group = undefined;
  choice.period = null;
  remember();
  refresh();
}

recall();
$("command").textContent = firstCommand();
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText($("command").textContent);
  $("copy").textContent = "Copied";
});
$("currency").addEventListener("change", chosen);
$("choices").addEventListener("change", chosen);
$("choices").addEventListener("submit", (event) => event.preventDefault());
$("unpick").addEventListener("click", () => { choice.group = undefined; choice.period = null; showBridge(); });
new ResizeObserver(() => shown?.bridge && requestAnimationFrame(showBridge)).observe($("movements"));
setInterval(() => shown && showReflects(), 1_000);
listen();
watchAlerts();
refresh();
