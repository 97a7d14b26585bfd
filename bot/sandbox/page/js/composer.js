// The composer: writing, replying, editing. Enter sends, Shift+Enter breaks the line, ↑ edits the last message.

import { attachMenu, summary } from "./attachment.js";
import { h, icon, iconButton } from "./dom.js";
import { words } from "./i18n.js";
import { attempt } from "./overlay.js";
import { activeChat, authorOf, beginEdit, endFocus, here, isBlocked, messagesOf, on, store, titleOf } from "./store.js";
import { suggestions } from "./suggest.js";

export function composer() {
  const input = h("textarea", {
    rows: "1", class: "input", autocomplete: "off", enterkeyhint: "send", role: "combobox", "aria-autocomplete": "list",
    "aria-controls": "suggestions", "aria-expanded": "false", data: { testid: "composer" }, oninput: typed, onkeydown: key,
  });
  const suggest = suggestions(input, chosen);
  const focus = h("div", { class: "focus-bar", hidden: true, data: { testid: "focus-bar" } });
  const menu = iconButton("menu", words.commands, openMenu, { data: { testid: "command-menu" } });
  const clip = iconButton("clip", words.attach, (event) => attachMenu(event.currentTarget, attach), { data: { testid: "attach" } });
  const send = h("button", { type: "submit", class: "send", data: { testid: "send" } }, icon("send"));
  const form = h("form", { class: "composer", onsubmit: (event) => (event.preventDefault(), submit()) }, menu, clip, input, send);
  const blocked = h("div", { class: "blocked", hidden: true }, words.blocked, h("button", { type: "button", class: "plain", onclick: () => attempt(here("block", { blocked: false })) }, words.unblock));
  const node = h("div", { class: "writing" }, suggest.node, focus, form, blocked);

  const draftKey = () => `${store.me}/${store.active}`;

  function typed() {
    store.drafts.set(draftKey(), input.value);
    fit();
    suggest.update();
    input.setAttribute("aria-expanded", String(suggest.isOpen()));
    send.disabled = !input.value.trim();
  }

  function fit() {
    input.style.setProperty("height", "auto");
    input.style.setProperty("height", `${input.scrollHeight}px`);
  }

  function write(text) {
    input.value = text;
    typed();
    input.focus();
    input.setSelectionRange(text.length, text.length);
  }

  function key(event) {
    if (event.isComposing || event.keyCode === 229) return; // an input method is at work
    if (suggest.key(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape") cancel();
    else if (event.key === "ArrowUp" && !input.value && !store.editing) editLast(event);
  }

  function editLast(event) {
    const own = messagesOf(activeChat()).filter((each) => each.from_id === store.me && each.text !== undefined);
    if (own.length === 0) return;
    event.preventDefault();
    beginEdit(own.at(-1));
  }

  function cancel() {
    const edited = store.editing;
    endFocus();
    if (edited) write("");
  }

  async function submit() {
    const text = input.value;
    if (!text.trim()) return;
    const { editing, replyTo } = store;
    write("");
    suggest.close();
    endFocus();
    const work = editing
      ? here("edit", { message_id: editing.message_id, text })
      : here("say", { text, ...(replyTo && { reply_to: replyTo.message_id }) });
    await work.catch((error) => {
      write(text);
      return attempt(Promise.reject(error));
    });
  }

  /** Send something with what is written as its caption. */
  async function attach(values) {
    const { replyTo } = store;
    const text = values.text ?? input.value;
    if (values.text === undefined) write("");
    endFocus();
    await attempt(here("attach", { ...values, text, ...(replyTo && { reply_to: replyTo.message_id }) }));
  }

  function chosen(text, complete) {
    write(text);
    if (complete) submit();
  }

  function openMenu() {
    if (suggest.isOpen()) return suggest.close();
    if (input.value.startsWith("/")) return suggest.update();
    return write("/");
  }

  function showFocus() {
    const { editing, replyTo } = store;
    const about = editing ?? replyTo;
    send.title = editing ? words.save : words.send;
    send.setAttribute("aria-label", send.title);
    focus.hidden = !about;
    if (!about) return;
    const title = editing ? words.editing : words.replyTo(authorOf(about).name);
    focus.replaceChildren(
      icon(editing ? "edit" : "reply"),
      h("div", {}, h("b", {}, title), h("span", {}, summary(about))),
      iconButton("close", words.cancel, cancel),
    );
    if (editing) write(editing.text ?? editing.caption ?? "");
    input.focus();
  }

  function draw() {
    const chat = activeChat();
    if (!chat) return;
    form.hidden = isBlocked(chat);
    blocked.hidden = !form.hidden;
    menu.hidden = chat.commands.length === 0;
    input.placeholder = words.message;
    input.setAttribute("aria-label", words.messageIn(titleOf(chat)));
    input.value = store.drafts.get(draftKey()) ?? "";
    send.disabled = !input.value.trim();
    suggest.close();
    showFocus();
    requestAnimationFrame(fit);
    if (matchMedia("(hover: hover)").matches) input.focus();
  }

  on("focus", showFocus);
  return { node, draw };
}
