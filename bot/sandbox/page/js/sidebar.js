// The sidebar: who you are, your chats, and the page's own preferences.

import { summary } from "./attachment.js";
import { h, iconButton, logo } from "./dom.js";
import { clock, language, setLanguage, words } from "./i18n.js";
import { attempt, popover } from "./overlay.js";
import { pictureOf, portrait } from "./portrait.js";
import { authorOf, become, isTyping, messagesOf, on, open, reload, setSwitches, store, titleOf, userOf } from "./store.js";
import { nextTheme, theme } from "./theme.js";

export function sidebar() {
  const node = document.getElementById("sidebar");
  const list = h("nav", { class: "chats" });

  function draw() {
    list.setAttribute("aria-label", words.chats);
    node.replaceChildren(header(), persons(), list, footer());
    drawList();
  }

  function drawList() {
    const last = (chat) => messagesOf(chat).at(-1)?.date ?? 0;
    const chats = [...store.chats.values()].sort((a, b) => last(b) - last(a));
    list.replaceChildren(...chats.map(row));
  }

  on("chats", drawList);
  on("typing", drawList);
  return { draw };
}

function header() {
  return h(
    "header", { class: "brand" },
    logo(),
    h("h1", {}, "Tandem"), h("span", { class: "badge" }, words.sandbox),
  );
}

function persons() {
  const choice = (id) => {
    const user = userOf(id);
    return h(
      "button",
      { type: "button", role: "radio", "aria-checked": String(id === store.me), class: "person", data: { testid: `person-${id}` }, onclick: () => attempt(become(id, sameChat(id))) },
      portrait(id, "tiny"), user.first_name,
    );
  };
  return h(
    "div", { class: "persons" },
    h("span", { id: "you" }, words.you),
    h("div", { role: "radiogroup", "aria-labelledby": "you", class: "segments" }, store.people.map(choice)),
  );
}

// In a private chat the other person has one of their own; a group is the same for both.
function sameChat(person) {
  return store.active === store.me ? person : store.active;
}

function row(chat) {
  const last = messagesOf(chat).at(-1);
  const unread = store.unread.get(chat.id) ?? 0;
  const open_ = chat.id === store.active;
  return h(
    "button", { type: "button", class: "chat-row", "aria-current": open_ ? "true" : null, data: { testid: `chat-${chat.id}` }, onclick: () => open(chat.id) },
    pictureOf(chat),
    h(
      "span", { class: "about" },
      h("span", { class: "line" }, h("b", {}, titleOf(chat)), last && h("time", {}, clock(last.date))),
      h(
        "span", { class: "line" },
        h("span", { class: `preview ${isTyping(chat.id) ? "live" : ""}` }, preview(chat, last)),
        unread > 0 && h("span", { class: "unread", "aria-label": words.newMessages(unread) }, String(unread)),
      ),
    ),
  );
}

function preview(chat, last) {
  if (isTyping(chat.id)) return words.typing;
  if (!last) return words.empty;
  const named = chat.type !== "private" && (last.text !== undefined || last.attachment);
  return `${named ? `${authorOf(last).name}: ` : ""}${summary(last) || "…"}`;
}

function footer() {
  const themes = { auto: "auto", light: "sun", dark: "moon" };
  const label = words.theme[theme()];
  return h(
    "footer", { class: "foot" },
    h("p", { class: "note", data: { testid: "sandbox-note" } }, words.note),
    h(
      "div", { class: "foot-tools" },
      iconButton(themes[theme()], label, () => (nextTheme(), reload()), { data: { testid: "theme" } }),
      h("button", { type: "button", class: "plain", data: { testid: "language" }, lang: language === "zh" ? "en" : "zh-CN", onclick: switchLanguage }, words.language),
      iconButton("sliders", words.switches, (event) => switches(event.currentTarget), { data: { testid: "switches" } }),
    ),
  );
}

function switchLanguage() {
  setLanguage(language === "zh" ? "en" : "zh");
  reload();
}

function switches(anchor) {
  const option = (value) => h("option", { value, selected: value === store.settings.privacy }, words.privacyOf[value]);
  const privacy = h("select", { onchange: () => attempt(setSwitches({ privacy: privacy.value })) }, ["strict", "mentions", "off"].map(option));
  const limits = h("input", { type: "checkbox", role: "switch", checked: store.settings.limits, onchange: () => attempt(setSwitches({ limits: limits.checked })) });
  popover(anchor, [
    h("h2", {}, words.switches),
    h("label", { class: "field" }, words.privacy, privacy),
    h("label", { class: "switch" }, h("span", {}, words.limits, h("small", {}, words.limitsHint)), limits),
  ], { class: "popover settings", role: "dialog", "aria-label": words.switches });
}
