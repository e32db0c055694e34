// Promotion: who labelled when, and a person's decision that another version labels from now on.

import { h, moment, tell } from "./dom.js";
import { run } from "./server.js";

/** Ask for a reason, let Airflow promote the version, or go back to the champion before (null), and show the models anew. */
export function promotion(version, champion, again) {
  const doing = version === null ? "Roll back" : `Promote version ${version}`;
  const reason = h("textarea", { id: "reason", rows: "3", minlength: "3", maxlength: "500", "aria-describedby": "promotion-told" });
  const told = h("p", { class: "muted small", id: "promotion-told" }, "Kept beside your name, in Postgres and in MLflow.");
  const go = h("button", { type: "button", class: "primary", onclick: decide }, doing);
  const cancel = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const dialog = h("dialog", { "aria-labelledby": "promotion-title" },
    h("h2", { id: "promotion-title" }, doing),
    h("p", {}, version === null ? `The champion before version ${champion} labels again from now on.` : `Version ${version} labels from now on, whatever the gate says of it${champion === null ? "" : `, in place of version ${champion}`}.`),
    h("label", { for: "reason" }, "Why?"), reason, told,
    h("div", { class: "actions" }, cancel, go));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  reason.focus();

  async function decide() {
    if (reason.value.trim().length < 3) {
      told.textContent = "Say why, in a few words.";
      told.className = "bad small";
      reason.focus();
      return;
    }
    go.disabled = reason.disabled = true;
    told.className = "muted small";
    told.textContent = "Airflow is at it…";
    try {
      await run("promote_model", { version, reason: reason.value.trim() });
      dialog.close();
      tell(version === null ? "Rolled back." : `Version ${version} labels from now on.`);
      await again();
    } catch (error) {
      told.textContent = error.message;
      told.className = "bad small";
      go.disabled = reason.disabled = false;
    }
  }
}

export function history(promotions) {
  if (!promotions.length) return null;
  return h("section", { class: "card" }, h("h2", {}, "Who labelled when"),
    h("ol", { class: "promotions" }, promotions.map((row, place) => h("li", {},
      h("span", { class: "line" }, h("strong", {}, `Version ${row.model_version}`), h("span", { class: "muted" }, row.architecture),
        place === 0 ? h("span", { class: "chip accent" }, "champion") : null, row.is_rollback ? h("span", { class: "chip warn" }, "rolled back") : null,
        h("span", { class: "muted at", title: row.promoted_by }, `${moment(row.promoted_at)}, ${row.promoted_by.replace(/ \w+__\S+$/, "")}`)),
      h("p", { class: "muted" }, row.reason)))));
}
