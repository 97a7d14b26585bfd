// The sandbox's page API over HTTP: one request for the state, one stream of events, small actions.

export class Refused extends Error {}

export async function loadState(me) {
  const answer = await fetch(`/api/state?me=${me ?? ""}`);
  if (!answer.ok) throw new Refused(await answer.text());
  return answer.json();
}

/** Do something as a person. Throws Refused with the sandbox's reason. */
export async function act(name, values) {
  const answer = await fetch(`/api/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(values),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Refused(body.error);
  return body;
}

const KINDS = ["message", "edit", "delete", "reaction", "action", "answer", "chat", "commands", "settings", "trace", "reset"];

/** Follow the events after a cursor; the browser reconnects by itself. Returns a function that stops. */
export function follow(me, cursor, heard, connected) {
  const source = new EventSource(`/api/events?me=${me}&after=${cursor}`);
  for (const kind of KINDS) source.addEventListener(kind, (event) => heard(kind, JSON.parse(event.data)));
  source.onopen = () => connected(true);
  source.onerror = () => connected(false);
  return () => source.close();
}

// --- under the hood: how the bot's answers came about ---------------------------------------------

/** The ids of a chat's messages that the model was asked something for, oldest first. */
export const loadTraced = (chat) => fetch(`/hood/${chat}`).then((answer) => (answer.ok ? answer.json() : []));

/** What the model was asked for one message; null when nothing is recorded (any more). */
export const loadTrace = (chat, message) => fetch(`/hood/${chat}/${message}`).then((answer) => (answer.ok ? answer.json() : null));

/** Run a message the article's way; `heard` gets each step. Aborting the signal ends it. */
export async function runArticle(chat, message, heard, signal) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`/hood/${chat}/${message}/article`, { method: "POST", headers, body: "{}", signal });
  if (!answer.ok) throw new Refused((await answer.json()).error);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    const lines = (rest + piece.value).split("\n");
    rest = lines.pop();
    for (const line of lines) heard(JSON.parse(line));
  }
}
