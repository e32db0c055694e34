// Hour by hour, as a Holter report has it: heart rate, burden, runs and pauses of every hour, each a way into the strip.

import { count, h } from "./dom.js";

const STEPS = [1, 2, 3, 6, 12, 24];
const MARKED_S = 3 * 3600; // a wider view is told by the strip itself

/** found: columns of the hours, in order; go: shows an hour. Returns the card, and a function that marks hours in view. */
export function hourByHour(found, go) {
  const n = found.hour.length;
  const rates = found.heart_rate_bpm.filter((value) => value !== null);
  const slow = Math.floor(Math.min(60, ...rates) / 10) * 10, fast = Math.max(Math.ceil(Math.max(90, ...rates) / 10) * 10, slow + 30);
  const most = (column) => Math.max(5, Math.ceil(Math.max(0, ...found[column].map((value) => value ?? 0)) / 5) * 5);
  const v = most("ventricular_percent"), s = most("supraventricular_percent");
  const any = (column) => found[column].some((value) => value > 0);
  const step = STEPS.find((hours) => n / hours <= 12) ?? 24;
  const columns = found.hour.map((hour, at) => {
    const rate = found.heart_rate_bpm[at];
    const button = h("button", { type: "button", class: "hour", title: told(found, at), "aria-label": told(found, at), onclick: () => go(hour) },
      h("span", { class: "rate" }, rate === null ? null : level("mark", (rate - slow) / (fast - slow))),
      h("span", { class: "share" }, level("bar-V", (found.ventricular_percent[at] ?? 0) / v)),
      h("span", { class: "share" }, level("bar-S", (found.supraventricular_percent[at] ?? 0) / s)),
      any("n_runs") ? h("span", { class: "times V" }, found.n_runs[at] || "") : null,
      any("n_pauses") ? h("span", { class: "times pause" }, found.n_pauses[at] || "") : null,
      h("span", { class: "name" }, hour % step ? "" : hour));
    if (!found.n_beats[at]) button.classList.add("none");
    else if (found.n_noisy[at] >= 5) button.classList.add("noisy");
    return button;
  });
  const scale = (name, low, high, unit) => h("span", { class: `label ${low === null ? "times" : "tall"}` }, h("span", {}, name, unit ? h("small", {}, ` ${unit}`) : null), low === null ? null : h("span", { class: "ends" }, h("span", {}, high), h("span", {}, low)));
  const card = h("section", { class: "card hours" },
    h("h2", {}, "Hour by hour", h("span", { class: "at" }, "press an hour to see it")),
    h("div", { class: "hourly" },
      h("div", { class: "labels", "aria-hidden": "true" }, scale("Heart rate", slow, fast, "/min"), scale("V", 0, `${v}`, "% of beats"), scale("S", 0, `${s}`, "% of beats"),
        any("n_runs") ? scale("Runs of V", null) : null, any("n_pauses") ? scale("Pauses ≥ 3 s", null) : null, h("span", { class: "label name" }, "Hour")),
      h("div", { class: "columns-of-hours", role: "group", "aria-label": "Hours of the recording" }, columns)),
    h("p", { class: "legend" }, [["noisy", "five minutes and more unreadable"], ["none", "no beats"]].map(([kind, words]) => columns.some((one) => one.classList.contains(kind)) ? h("span", {}, h("i", { class: kind }), words) : null)));
  const mark = (start, stop) => columns.forEach((one, at) => one.classList.toggle("seen", stop - start <= MARKED_S && found.hour[at] < stop / 3600 && found.hour[at] + 1 > start / 3600));
  return [card, mark];
}

/** A mark or a bar as high as a share of its row. */
function level(kind, share) {
  const mark = h("i", { class: kind });
  const part = Math.min(1, Math.max(0, share));
  mark.style.setProperty("--level", `${100 * part}%`);
  mark.style.setProperty("--share", part);
  return mark;
}

function told(found, at) {
  const hour = `Hour ${found.hour[at]}`;
  if (!found.n_beats[at]) return `${hour}: no beats`;
  const part = (value, digits = 1) => (value ?? 0).toFixed(digits);
  const rate = found.heart_rate_bpm[at] === null ? "" : `, ${part(found.heart_rate_bpm[at], 0)}/min`;
  const times = (value, one, many) => value ? `, ${value} ${value === 1 ? one : many}` : "";
  return `${hour}: ${count(found.n_beats[at])} beats${rate}, V ${part(found.ventricular_percent[at])} %, S ${part(found.supraventricular_percent[at])} %${times(found.n_runs[at], "run", "runs")}${times(found.n_pauses[at], "pause", "pauses")}${times(found.n_noisy[at], "minute unreadable", "minutes unreadable")}`;
}
