// DOM: small helpers to build nodes. Text is always inserted as text, never as markup.

const PATHS = {
  send: "M3.4 20.4 21 12 3.4 3.6 3 10l12 2-12 2z",
  back: "M15 5l-7 7 7 7",
  reply: "M10 8V4l-7 7 7 7v-4c5 0 8 1.5 10 5-.5-6-3.5-11-10-11z",
  edit: "M4 20l4-1L19 8l-3-3L5 16zM14 7l3 3",
  trash: "M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12",
  smile: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9 10h.01M15 10h.01M8.5 14c1 1.5 2.2 2 3.5 2s2.5-.5 3.5-2",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.5l4.5 4.5L19 7.5",
  menu: "M4 7h16M4 12h16M4 17h10",
  down: "M6 9l6 6 6-6",
  silent: "M9 5.5A5 5 0 0 1 17 10v4l2 3H7M5 17l1.5-2.5V10M10 20h4M4 4l16 16",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6l1.4 1.4M17 17l1.4 1.4M5.6 18.4 7 17M17 7l1.4-1.4",
  moon: "M20 14.5A8 8 0 1 1 9.5 4a6.5 6.5 0 0 0 10.5 10.5z",
  auto: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 3v18",
  sliders: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  more: "M12 6h.01M12 12h.01M12 18h.01",
  clip: "M20 11.5l-8.2 8.2a5 5 0 0 1-7-7L13 4.4a3.3 3.3 0 0 1 4.7 4.7l-8.2 8.2a1.6 1.6 0 0 1-2.3-2.3l7.5-7.5",
  file: "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6",
  mic: "M12 15a3 3 0 0 0 3-3V6a3 3 0 0 0-6 0v6a3 3 0 0 0 3 3zM6 11a6 6 0 0 0 12 0M12 17v4",
  gauge: "M4.5 17.5a9 9 0 1 1 15 0M12 14l4-5M8 17.5h8",
  next: "M9 5l7 7-7 7",
  lock: "M7 11V8a5 5 0 0 1 10 0v3M6 11h12v9H6z",
};
const SVG = "http://www.w3.org/2000/svg";

/** An element with properties and children; `on…` are listeners, `data` are data attributes. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "class") node.className = value;
    else if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** Set CSS variables; the page's policy allows no style attributes. */
export function styled(node, values) {
  for (const [name, value] of Object.entries(values)) node.style.setProperty(name, value);
  return node;
}

/** A button that shows only an icon; the label is for those who do not see it. */
export function iconButton(name, label, onclick, props = {}) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...props }, icon(name));
}

export const logo = (size = "") => h("span", { class: `logo ${size}`, "aria-hidden": "true" }, h("i"), h("i"));

/** A round picture: the bot's mark, or the first letter of a name in a colour that follows the id. */
export function avatar(name, id, size = "", isBot = false) {
  if (isBot) return h("span", { class: `avatar bot ${size}`, "aria-hidden": "true" }, logo());
  const hue = Math.abs(Number(id)) % 7;
  return h("span", { class: `avatar avatar-${hue} ${size}`, "aria-hidden": "true" }, [...name][0] ?? "?");
}
