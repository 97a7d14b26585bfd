// The store: what this visitor sees, kept in step with the sandbox's events. Knows no DOM.
//
// Topics that views listen to: state (all is new), chats, timeline, message {message}, edit {message},
// remove {message_id}, typing, answer {…}, connection, settings, focus (reply or edit began or ended),
// trace {chat, message_id}.

import { act, follow, loadState } from "./api.js";

const TYPING_MS = 5000;
const listeners = new EventTarget();

export const store = {
  ready: false, online: true, me: null, bot: null, users: {}, people: [], chats: new Map(), active: null,
  reactions: [], settings: {}, typing: new Map(), unread: new Map(), drafts: new Map(), replyTo: null, editing: null,
  hood: false,
};

export function on(topic, listener) {
  listeners.addEventListener(topic, (event) => listener(event.detail));
}

export function tell(topic, detail = {}) {
  listeners.dispatchEvent(new CustomEvent(topic, { detail }));
}

let stop = () => {};

/** Become a person: load what they see and follow what happens. */
export async function become(me, chat = null) {
  const state = await loadState(me);
  if (state.me !== store.me) Object.assign(store, { unread: new Map(), replyTo: null, editing: null });
  Object.assign(store, {
    ready: true, me: state.me, bot: state.bot, users: state.users, people: state.people,
    reactions: state.reactions, settings: state.settings, hood: state.hood,
  });
  const chats = state.chats.map((each) => ({ ...each, messages: new Map(each.messages.map((m) => [m.message_id, m])) }));
  store.chats = new Map(chats.map((each) => [each.id, each]));
  store.active = store.chats.has(chat) ? chat : null;
  stop();
  stop = follow(store.me, state.cursor, heard, connected);
  tell("state");
}

/** Look at everything again; while the sandbox is away, the events will ask for it once more. */
export const reload = () => become(store.me, store.active).catch(() => connected(false));

function connected(online) {
  if (store.online === online) return;
  store.online = online;
  tell("connection");
}

const handlers = {
  message(data) {
    const chat = store.chats.get(data.chat);
    chat.messages.set(data.message_id, data);
    if (data.from_id === store.bot) stopTyping(data.chat);
    if (data.chat !== store.active && data.from_id !== store.me) {
      store.unread.set(data.chat, (store.unread.get(data.chat) ?? 0) + 1);
    }
    tell("chats");
    if (data.chat === store.active) tell("message", data);
  },
  edit(data) {
    store.chats.get(data.chat)?.messages.set(data.message_id, data);
    tell("chats");
    if (data.chat === store.active) tell("edit", data);
  },
  reaction(data) {
    handlers.edit(data);
  },
  delete(data) {
    store.chats.get(data.chat)?.messages.delete(data.message_id);
    tell("chats");
    if (data.chat === store.active) tell("remove", data);
  },
  action(data) {
    clearTimeout(store.typing.get(data.chat));
    store.typing.set(data.chat, setTimeout(() => stopTyping(data.chat), TYPING_MS));
    if (data.action === "cancel") stopTyping(data.chat);
    tell("typing");
  },
  answer(data) {
    if (data.user_id === store.me) tell("answer", data);
  },
  settings(data) {
    store.settings = { privacy: data.privacy, limits: data.limits };
    tell("settings");
  },
  trace: (data) => tell("trace", data),
  chat: () => reload(),
  commands: () => reload(),
  reset: () => reload(),
};

function heard(kind, data) {
  if (data.chat !== null && data.chat !== undefined && kind !== "chat" && !store.chats.has(data.chat)) return reload();
  return handlers[kind](data);
}

function stopTyping(chat) {
  clearTimeout(store.typing.get(chat));
  store.typing.delete(chat);
  tell("typing");
}

// --- reading ------------------------------------------------------------------------------------

export const activeChat = () => store.chats.get(store.active) ?? null;
export const userOf = (id) => store.users[id] ?? { id, first_name: "?" };
export const isTyping = (chat) => store.typing.has(chat);
export const messagesOf = (chat) => [...chat.messages.values()];

export function titleOf(chat) {
  return chat.type === "private" ? userOf(store.bot).first_name : chat.title;
}

/** Who signs a message: the chat for anonymous admins and channels, else the person. */
export function authorOf(message) {
  const chat = message.sender_chat_id !== undefined ? store.chats.get(message.sender_chat_id) : null;
  if (chat) return { id: chat.id, name: chat.title };
  const user = userOf(message.from_id);
  return { id: user.id, name: [user.first_name, user.last_name].filter(Boolean).join(" ") };
}

export const isBlocked = (chat) => chat.type === "private" && chat.members?.[store.bot] === "kicked";

// --- doing --------------------------------------------------------------------------------------

export function open(chat) {
  store.active = chat;
  store.replyTo = store.editing = null;
  store.unread.delete(chat);
  tell("chats");
  tell("timeline");
}

export function beginReply(message) {
  store.replyTo = message;
  store.editing = null;
  tell("focus");
}

export function beginEdit(message) {
  store.editing = message;
  store.replyTo = null;
  tell("focus");
}

export function endFocus() {
  store.replyTo = store.editing = null;
  tell("focus");
}

/** An action of this person in the open chat. */
export function here(name, values = {}) {
  return act(name, { me: store.me, chat: store.active, ...values });
}

export const isBot = (name) => name.toLowerCase() === userOf(store.bot).username.toLowerCase();

/** What a link to the bot does when somebody presses START below it. */
export async function startBot(code) {
  open(store.me);
  await here("block", { blocked: false });
  return here("say", { text: code ? `/start ${code}` : "/start" });
}

export const setSwitches = (values) => act("settings", values);
