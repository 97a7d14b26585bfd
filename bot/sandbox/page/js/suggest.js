// Suggestions above the composer: the bot's commands after "/", people after "@", its cards after "@bot ".

import { h } from "./dom.js";
import { words } from "./i18n.js";
import { attempt } from "./overlay.js";
import { portrait } from "./portrait.js";
import { activeChat, here, startBot, store, userOf } from "./store.js";

const COMMAND = /^\/(\w*)$/;
const INLINE = /^@(\w+)\s(.*)$/s;
const PAUSE_MS = 300;
const MENTION = /(?:^|\s)@(\w*)$/;

/** A list box over `input`; `choose` gets the whole new text of the composer. */
export function suggestions(input, choose) {
  const box = h("div", { class: "suggestions", role: "listbox", id: "suggestions", hidden: true, data: { testid: "suggestions" } });
  let items = [];
  let at = 0;
  let looked = 0;

  function show(found, label, first = 0) {
    items = found;
    at = first;
    box.setAttribute("aria-label", label);
    box.replaceChildren(...items.map(option));
    box.hidden = items.length === 0;
    mark();
  }

  function option(item, index) {
    return h(
      "button",
      { type: "button", role: "option", id: `suggestion-${index}`, tabindex: "-1", data: { testid: "suggestion" }, onpointerdown: (event) => event.preventDefault(), onclick: () => take(index) },
      item.picture, h("b", {}, item.label), h("span", {}, item.about),
    );
  }

  function mark() {
    [...box.children].forEach((node, index) => node.setAttribute("aria-selected", String(index === at)));
    box.children[at]?.scrollIntoView({ block: "nearest" });
    if (box.hidden) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `suggestion-${at}`);
  }

  function take(index) {
    const item = items[index];
    close();
    if (item.take) choose("", false);
    if (item.take) attempt(item.take());
    else choose(item.text, item.send);
  }

  function close() {
    items = [];
    box.hidden = true;
    mark();
  }

  /** Look again at what stands before the cursor. */
  function update() {
    const before = input.value.slice(0, input.selectionStart);
    looked += 1;
    const command = COMMAND.exec(before);
    const mention = activeChat()?.type !== "private" && MENTION.exec(before);
    if (command) show(commands(command[1]), words.commands);
    else if (mention) show(people(mention[1], before, input.value), words.mentions);
    else close();
    const inline = INLINE.exec(input.value);
    if (inline?.[1].toLowerCase() === userOf(store.bot).username) offer(inline[2]);
  }

  /** Inline mode: cards for what stands behind the bot's name, once the typing pauses. None is chosen by itself. */
  async function offer(text) {
    const mine = looked;
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    if (mine !== looked) return;
    const answer = await here("inline", { text }).catch(() => ({ results: [] }));
    if (mine !== looked || !input.value) return;
    const cards = answer.results.map((card) => ({
      label: card.title, about: card.description, take: () => here("choose", { query: answer.query, result: card.id }),
    }));
    const { button } = answer;
    const note = button ? [{ label: button.text, about: "", take: () => startBot(button.start_parameter) }] : [];
    show([...note, ...cards], words.cards, -1);
  }

  /** Arrow keys, Enter, Tab and Escape belong to the list while it is open. */
  function key(event) {
    if (box.hidden) return false;
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const takes = (event.key === "Enter" || event.key === "Tab") && at >= 0;
    if (move) at = at < 0 ? 0 : (at + move + items.length) % items.length;
    else if (takes) take(at);
    else if (event.key === "Escape") close();
    else return false;
    event.preventDefault();
    mark();
    return true;
  }

  return { node: box, update, key, close, isOpen: () => !box.hidden };
}

function commands(typed) {
  const chat = activeChat();
  const bot = chat.type === "private" ? "" : `@${userOf(store.bot).username}`;
  return chat.commands
    .filter((each) => each.command.startsWith(typed.toLowerCase()))
    .map((each) => ({ label: `/${each.command}`, about: each.description, text: `/${each.command}${bot}`, send: true }));
}

function people(typed, before, whole) {
  const start = before.length - typed.length;
  const names = Object.keys(activeChat().members ?? {}).map(userOf).filter((user) => user.username && user.id !== store.me);
  return names
    .filter((user) => user.username.toLowerCase().startsWith(typed.toLowerCase()))
    .map((user) => ({
      picture: portrait(user.id, "tiny"), label: user.first_name, about: `@${user.username}`,
      text: `${whole.slice(0, start)}${user.username} ${whole.slice(before.length)}`, send: false,
    }));
}
