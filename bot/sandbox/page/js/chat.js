// The open chat: header, timeline, composer.

import { composer } from "./composer.js";
import { h, iconButton, logo } from "./dom.js";
import { isHoodOpen, toggleHood } from "./hood.js";
import { words } from "./i18n.js";
import { actionMenu, attempt } from "./overlay.js";
import { pictureOf } from "./portrait.js";
import { activeChat, here, isBlocked, isTyping, on, open, store, titleOf, userOf } from "./store.js";
import { timeline } from "./timeline.js";

export function chatView() {
  const node = document.getElementById("chat");
  const top = h("header", { class: "chat-head" });
  const lost = h("div", { class: "lost", role: "alert", hidden: true }, words.lost);
  const messages = timeline();
  const writing = composer();

  function draw() {
    const chat = activeChat();
    document.getElementById("app").classList.toggle("in-chat", chat !== null);
    lost.textContent = words.lost;
    if (!chat) return node.replaceChildren(nobody());
    if (!node.contains(top)) node.replaceChildren(top, lost, messages.node, writing.node);
    head();
    messages.draw();
    writing.draw();
  }

  function head() {
    const chat = activeChat();
    if (!chat) return;
    const parts = [
      iconButton("back", words.back, () => open(null), { class: "icon-button back" }),
      pictureOf(chat),
      h("div", { class: "who" }, h("h2", { data: { testid: "chat-title" } }, titleOf(chat)), h("p", { class: isTyping(chat.id) ? "live" : "" }, about(chat))),
      store.hood && iconButton("gauge", words.hood, toggleHood, { "aria-pressed": String(isHoodOpen()), data: { testid: "hood" } }),
      chat.type === "private" && iconButton("more", words.options, (event) => options(event.currentTarget, chat), { data: { testid: "chat-options" } }),
    ];
    top.replaceChildren(...parts.filter(Boolean));
  }

  on("timeline", draw);
  on("typing", head);
  on("hood", head);
  on("connection", () => (lost.hidden = store.online));
  return { draw };
}

function about(chat) {
  if (isTyping(chat.id)) return words.typing;
  if (chat.type === "private") return `@${userOf(store.bot).username} · ${words.bot}`;
  return words.members(Object.values(chat.members).filter((status) => status !== "left" && status !== "kicked").length);
}

function options(anchor, chat) {
  const blocked = isBlocked(chat);
  actionMenu(anchor, [["lock", blocked ? words.unblock : words.block, () => attempt(here("block", { blocked: !blocked })), "block"]]);
}

function nobody() {
  return h("div", { class: "nobody" }, logo("big"), h("p", {}, words.note));
}
