// Elements made by hand: text is always text, so a recording may be called anything.

/**
 * Make an element. Properties starting with "on" are listeners, "class" and "data-…"/"aria-…" attributes; strings and
 * numbers among the children become text nodes.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Show a sentence at the bottom for a few seconds; screen readers read it out. */
export function tell(sentence) {
  const place = document.getElementById("message");
  place.textContent = sentence;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => { place.textContent = ""; }, 6000);
}

export const CLASSES = ["N", "S", "V", "F", "Q"];
export const CLASS_NAMES = { N: "normal", S: "supraventricular", V: "ventricular", F: "fusion", Q: "unknown or paced" };

/** What a class is called; a beat whose signal shows nothing has none. */
export function className(name) {
  return CLASS_NAMES[name] ?? "unclassifiable";
}

export function classMark(name) {
  return h("span", { class: `class ${name ?? "U"}`, title: className(name) }, name ?? "?");
}

/** Where the model has learnt from the recording, say so: its labels prove nothing about new patients. */
export function trainedOn(row) {
  return row.in_training_set ? h("span", { class: "chip", title: "The model was trained on this recording: agreement with its reference is no test" }, "trained on") : null;
}

/** A chart that the server draws in the colours of the theme, anew when the theme changes. */
export function chart(address, told) {
  const picture = h("img", { class: "chart", alt: told });
  const draw = () => { picture.src = `data/charts/${address}?theme=${document.documentElement.classList.contains("dark") ? "dark" : "light"}&size=${innerWidth < 700 ? "narrow" : "wide"}`; };
  addEventListener("themechange", function again() { if (picture.isConnected) draw(); else removeEventListener("themechange", again); });
  draw();
  return picture;
}

export function legend() {
  return h("div", { class: "legend" }, CLASSES.map((name) => h("span", {}, h("i", { class: `bar-${name}` }), `${name} ${CLASS_NAMES[name]}`)));
}

export function count(value) {
  return value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
}

/** "1 recording", "2 recordings": the words alone. */
export function plural(value, one, many = `${one}s`) {
  return value === 1 ? one : many;
}

export function percent(value, digits = 1) {
  if (value === null || value === undefined) return "–";
  if (value > 0 && value < 10 ** -digits) return `<${10 ** -digits} %`;
  return `${value.toFixed(digits)} %`;
}

export function duration(seconds) {
  if (seconds < 90) return `${seconds.toFixed(0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
}

/** Time of day in a recording: h:mm:ss, with tenths where a view is short. */
export function clock(seconds, digits = 0) {
  const whole = Math.max(0, Number(seconds.toFixed(digits)));
  const hours = Math.floor(whole / 3600), minutes = Math.floor((whole % 3600) / 60);
  const rest = (whole % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function moment(text) {
  if (!text) return "–";
  return new Date(text).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}
