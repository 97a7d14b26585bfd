// The timeline: the open chat's messages in order, edited in place, kept at the end while one reads there.

import { h, iconButton } from "./dom.js";
import { day, words } from "./i18n.js";
import { messageNode } from "./message.js";
import { activeChat, isTyping, messagesOf, on, store, userOf } from "./store.js";

const NEAR_END_PX = 80;
const TOGETHER_S = 300;

export function timeline() {
  const list = h("div", { class: "messages", role: "log", "aria-live": "polite", "aria-label": words.message, data: { testid: "messages" } });
  const typing = h("div", { class: "typing", role: "status", data: { testid: "typing" }, hidden: true }, h("i"), h("i"), h("i"));
  const end = iconButton("down", words.latest, () => toEnd("smooth"), { class: "icon-button to-end", hidden: true });
  const scroller = h("div", { class: "scroller", tabindex: "0", onscroll: scrolled }, list, typing);
  let pinned = true;
  let top = 0;

  const nearEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX;

  function toEnd(behavior = "auto") {
    scroller.scrollTo({ top: scroller.scrollHeight, behavior });
    pinned = true;
    top = scroller.scrollTop;
  }

  /** Only who scrolls up leaves the end: the list may have grown since the scrolling that is told here. */
  function scrolled() {
    if (nearEnd()) pinned = true;
    else if (scroller.scrollTop < top) pinned = false;
    top = scroller.scrollTop;
    end.hidden = pinned;
  }

  // A growing composer, a keyboard that opens, or a picture that arrives must not hide the last message.
  const keeper = new ResizeObserver(() => pinned && toEnd());
  keeper.observe(scroller);
  keeper.observe(list);

  /** Change the list; whoever reads at its end stays there. */
  function keeping(change, follow = nearEnd()) {
    change();
    if (follow) toEnd();
    end.hidden = nearEnd();
  }

  function draw() {
    const chat = activeChat();
    if (!chat) return;
    list.replaceChildren(...(chat.messages.size ? [] : [greeting(chat)]));
    let previous = null;
    for (const message of messagesOf(chat)) {
      append(message, previous);
      previous = message;
    }
    showTyping();
    toEnd();
  }

  function append(message, previous) {
    list.querySelector(".greeting")?.remove();
    if (!previous || day(previous.date) !== day(message.date)) list.append(h("div", { class: "day" }, h("span", {}, day(message.date))));
    const node = messageNode(message);
    if (follows(previous, message)) node.classList.add("follows");
    list.append(node);
  }

  function added(message) {
    const before = messagesOf(activeChat()).filter((each) => each.message_id < message.message_id).at(-1);
    keeping(() => append(message, before), nearEnd() || message.from_id === store.me);
  }

  function edited(message) {
    const old = list.querySelector(`[data-id="${message.message_id}"]`);
    if (!old) return;
    keeping(() => {
      const node = messageNode(message);
      node.classList.add("still");
      node.classList.toggle("follows", old.classList.contains("follows"));
      old.replaceWith(node);
    });
  }

  function showTyping() {
    keeping(() => (typing.hidden = !isTyping(store.active)));
    typing.setAttribute("aria-label", words.isTyping(userOf(store.bot).first_name));
  }

  on("message", added);
  on("edit", edited);
  on("remove", ({ message_id }) => list.querySelector(`[data-id="${message_id}"]`)?.remove());
  on("typing", showTyping);
  return { node: h("div", { class: "timeline" }, scroller, end), draw };
}

const sender = (message) => `${message.from_id}/${message.sender_chat_id}`;

function follows(previous, message) {
  if (!previous || (previous.text === undefined && !previous.attachment) || day(previous.date) !== day(message.date)) return false;
  return sender(previous) === sender(message) && message.date - previous.date < TOGETHER_S;
}

function greeting(chat) {
  const bot = userOf(store.bot);
  return h(
    "div", { class: "greeting" },
    h("strong", {}, words.empty),
    h("p", {}, chat.type === "private" ? words.hello(bot.first_name) : words.helloGroup(bot.username)),
  );
}
