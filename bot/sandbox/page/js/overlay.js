// What lies over the page: toasts, alerts, and popovers that close by themselves.

import { h, icon } from "./dom.js";
import { words } from "./i18n.js";

const TOAST_MS = 4500;

export function toast(text) {
  const node = h("div", { class: "toast", data: { testid: "toast" } }, text);
  document.getElementById("toasts").append(node);
  setTimeout(() => node.remove(), TOAST_MS);
}

/** Do something; what the sandbox refuses is told in a toast. */
export const attempt = (work) => work.catch((error) => toast(words.failed(error.message)));

export function alertBox(text) {
  const dialog = h(
    "dialog", { class: "alert", data: { testid: "alert" }, onclose: () => dialog.remove() },
    h("p", {}, text),
    h("form", { method: "dialog" }, h("button", { class: "primary" }, words.ok)),
  );
  document.body.append(dialog);
  dialog.showModal();
}

let closeOpen = () => {};

/** Show `content` near `anchor` until something else is clicked, Escape, or `close`. */
export function popover(anchor, content, props = {}) {
  closeOpen();
  const node = h("div", { class: "popover", ...props }, content);
  document.body.append(node);
  place(node, anchor.getBoundingClientRect());
  const away = (event) => !node.contains(event.target) && !anchor.contains(event.target) && close();
  const key = (event) => event.key === "Escape" && (close(), anchor.focus());
  function close() {
    node.remove();
    document.removeEventListener("pointerdown", away, true);
    document.removeEventListener("keydown", key, true);
    anchor.setAttribute("aria-expanded", "false");
    closeOpen = () => {};
  }
  document.addEventListener("pointerdown", away, true);
  document.addEventListener("keydown", key, true);
  anchor.setAttribute("aria-expanded", "true");
  closeOpen = close;
  node.querySelector("button, select, input")?.focus();
  return close;
}

function place(node, box) {
  const margin = 8;
  const { width, height } = node.getBoundingClientRect();
  const below = box.bottom + margin + height < window.innerHeight;
  const top = below ? box.bottom + margin : Math.max(margin, box.top - height - margin);
  const left = Math.min(Math.max(margin, box.left + box.width / 2 - width / 2), window.innerWidth - width - margin);
  node.style.setProperty("top", `${top}px`);
  node.style.setProperty("left", `${left}px`);
}

/** A popover with a list of things to do: [icon, label, action, testid]. */
export function actionMenu(anchor, items) {
  const buttons = items.map(([name, label, action, testid]) =>
    h("button", { type: "button", role: "menuitem", data: { testid }, onclick: () => (close(), action()) }, icon(name), label));
  const close = popover(anchor, buttons, { role: "menu", class: "popover menu" });
}
