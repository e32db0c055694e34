// The calendar: nights with labels, a column a week, darker where more beats were labelled.

import { count, h } from "./dom.js";

const WEEKS = 16, DAY_MS = 86_400_000;
const WEEKDAYS = ["Mon", "", "Wed", "", "Fri", "", "Sun"];

export function calendar(nights) {
  const by = new Map(nights.map((night) => [night.night, night]));
  const most = Math.max(1, ...nights.map((night) => night.n_beats));
  const today = new Date();
  const monday = Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate() - ((today.getUTCDay() + 6) % 7) - 7 * (WEEKS - 1));
  const columns = Array.from({ length: WEEKS }, (_, week) => {
    const days = Array.from({ length: 7 }, (_unused, day) => new Date(monday + (week * 7 + day) * DAY_MS));
    const first = days.find((date) => date.getUTCDate() === 1) ?? (week === 0 ? days[0] : null);
    return h("span", { class: "week" }, h("span", { class: "month" }, first ? first.toLocaleString("en", { month: "short", timeZone: "UTC" }) : ""), days.map((date) => square(date, today, by, most)));
  });
  const last = nights.at(-1);
  return h("div", {},
    h("div", { class: "calendar", role: "img", "aria-label": `${nights.length} nights of the last ${WEEKS} weeks have labels` },
      h("span", { class: "week names" }, h("span", { class: "month" }), WEEKDAYS.map((name) => h("span", { class: "day name" }, name))), columns),
    h("p", { class: "muted small" }, last ? `Last night with labels: ${last.night}, ${count(last.n_beats)} beats of ${count(last.n_recordings)} recordings` : "No night yet"));
}

function square(date, today, by, most) {
  const name = date.toISOString().slice(0, 10);
  const night = by.get(name);
  const element = h("span", { class: date > today ? "day future" : "day", title: night ? `${name}: ${count(night.n_beats)} beats of ${night.n_recordings} recordings` : name });
  if (night) {
    element.classList.add("some");
    element.style.setProperty("--share", `${25 + 75 * Math.sqrt(night.n_beats / most)}%`);
  }
  return element;
}
