// The page: which view the address names, and what surrounds it.

import { fill, h } from "./dom.js";
import { get } from "./server.js";
import { followTheme } from "./theme.js";
import { showModels } from "./models.js";
import { showRecordings } from "./recordings.js";
import { showReview } from "./review.js";
import { showStrip } from "./strip.js";
import { showTonight } from "./tonight.js";

const views = { tonight: showTonight, recordings: showRecordings, strip: showStrip, review: showReview, models: showModels };
const titles = { tonight: "Tonight", recordings: "Recordings", strip: "Strip", review: "Review", models: "Models" };
const content = document.getElementById("content");
let leave = null;
let shown = 0;

/** The address after #: a view's name and its parameters. */
function address() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { name: views[path] ? path : "tonight", parameters: new URLSearchParams(query) };
}

async function show() {
  const { name, parameters } = address();
  const turn = ++shown;
  leave?.();
  leave = null;
  document.title = `${titles[name]} · HeartWave`;
  for (const link of document.querySelectorAll(".bar nav a")) {
    const current = link.hash === `#/${name}` || (name === "strip" && link.hash === "#/recordings");
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const place = h("div", { class: `view ${name}` });
  fill(content, place);
  try {
    const left = await views[name](place, parameters, await person);
    if (turn === shown) leave = left ?? null;
    else left?.();
  } catch (error) {
    if (turn === shown) fill(place, h("div", { class: "card empty", role: "alert" }, h("h1", {}, "This cannot be shown"), h("p", {}, error.message), h("p", {}, name === "strip" ? h("a", { class: "button", href: "#/recordings" }, "All recordings") : h("button", { type: "button", onclick: show }, "Try again"))));
    if (!["ServerError"].includes(error.constructor.name)) console.error(error);
  }
}

followTheme(() => dispatchEvent(new Event("themechange")));
const person = get("me").catch(() => ({ name: "", may_write: false }));
person.then((found) => {
  document.getElementById("who").textContent = found.may_write ? found.name : `${found.name} · looking only`;
});
addEventListener("hashchange", () => { show(); content.focus({ preventScroll: true }); scrollTo(0, 0); });
show();
