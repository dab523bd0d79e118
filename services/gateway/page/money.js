// Money, ratios and days as a reader sees them. Amounts are whole numbers of minor units, kept as BigInt.

/** What is shown where there is no answer. */
export const NONE = "–";

const E4_A_YEAR_TO_MONTH = 120_000n;

/** JSON with integers beyond 2^53 exact, where the browser tells what was written. */
export function parseExactly(text) {
  return JSON.parse(text, (_key, value, context) =>
    typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) && context
      ? BigInt(context.source) : value);
}

/** annual_e4 as MRR in minor units: half up, towards positive infinity. */
export function mrrMinor(annualE4) {
  const twice = 2n * annualE4 + E4_A_YEAR_TO_MONTH, divisor = 2n * E4_A_YEAR_TO_MONTH;
  const quotient = twice / divisor;
  return twice % divisor < 0n ? quotient - 1n : quotient;
}

/** The texts of amounts in one currency; `digits` are those of its minor unit. */
export function moneyIn(currency, digits) {
  const money = (options) => new Intl.NumberFormat(undefined,
    { style: "currency", currency, currencyDisplay: "narrowSymbol", ...options });
  const exact = money({ minimumFractionDigits: digits, maximumFractionDigits: digits });
  const signed = money({ minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "exceptZero" });
  const whole = money({ minimumFractionDigits: 0, maximumFractionDigits: 0 });
  const short = money({ notation: "compact", minimumFractionDigits: 0, maximumFractionDigits: 1 });
  const plain = new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const of = (format) => (minor) => (minor === null ? NONE : format.format(decimal(BigInt(minor), digits)));
  return { exact: of(exact), signed: of(signed), whole: of(whole), short: of(short), plain: of(plain) };
}

function decimal(minor, digits) {
  if (!digits) return minor;
  const text = (minor < 0n ? -minor : minor).toString().padStart(digits + 1, "0");
  return `${minor < 0n ? "-" : ""}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

const PERCENT = new Intl.NumberFormat(undefined, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const CHANGE = new Intl.NumberFormat(undefined,
  { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1, signDisplay: "exceptZero" });
const COUNT = new Intl.NumberFormat();
const TIMES = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const percent = (ratio) => (ratio === null || ratio === undefined ? NONE : PERCENT.format(ratio));
export const times = (ratio) => (ratio === null || ratio === undefined ? NONE : `${TIMES.format(ratio)}×`);
export const count = (number) => (number === null || number === undefined ? NONE : COUNT.format(number));
export const change = (now, before) => (Number(before) > 0 ? CHANGE.format(Number(now) / Number(before) - 1) : null);

/** A day as `YYYY-MM-DD`, some days or months later; a day of months later is a first of the month. */
export function dayAfter(day, days) {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + days);
  return date.toISOString().slice(0, 10);
}

export function firstOfMonth(day, months) {
  const date = new Date(`${day.slice(0, 7)}-01T00:00:00Z`);
  date.setUTCMonth(date.getUTCMonth() + months);
  return date.toISOString().slice(0, 10);
}

/** The same day a year before; 28 February where there is none. */
export function yearBefore(day) {
  const year = String(Number(day.slice(0, 4)) - 1).padStart(4, "0");
  return day.slice(5) === "02-29" ? `${year}-02-28` : year + day.slice(4);
}

const inUtc = (options) => new Intl.DateTimeFormat(undefined, { timeZone: "UTC", ...options });
const MONTH = inUtc({ month: "short", year: "numeric" });
const MONTH_ONLY = inUtc({ month: "short" });
const DAY = inUtc({ day: "numeric", month: "short", year: "numeric" });
const MOMENT = inUtc({ day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });

export const dayText = (day) => DAY.format(new Date(`${day}T00:00:00Z`));
export const momentText = (moment) => MOMENT.format(new Date(moment));

export function periodText(from, every) {
  return every === "quarter" ? `Q${quarterOf(from)} ${from.slice(0, 4)}` : MONTH.format(new Date(`${from}T00:00:00Z`));
}

export function periodShort(from, every) {
  return every === "quarter" ? `Q${quarterOf(from)}` : MONTH_ONLY.format(new Date(`${from}T00:00:00Z`));
}

const quarterOf = (day) => Math.ceil(Number(day.slice(5, 7)) / 3);

export function ageText(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}
